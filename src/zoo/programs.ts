/** The programs of the catalogue and those that hunts come down to, in the same form. */
import type { Defect } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import {
  itemsAt,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_MULTICALL,
  operationStarts,
  RECORD,
  W_OPCODE,
} from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { parseProgram } from '../text/parse.js';
import { HEADER, printProgram } from '../text/print.js';

/** The shortest program that the catalogue knows, if it knows one. */
export function knownProgram({ id, shortest }: Defect): Candidate | undefined {
  return shortest === undefined ? undefined : parseProgram(`${HEADER}program ${id}\n${shortest}\n`, id);
}

const HOLDING_OPERATIONS = new Set([OP_MMU_UPDATE_LIST, OP_MMUEXT_LIST, OP_MULTICALL]);

/** Operations; of a list or multicall, those in it, or 1 where it is empty. */
export function lengthOf({ code }: Candidate): number {
  const lengthAt = (at: number): number => {
    const items = HOLDING_OPERATIONS.has(code[at + W_OPCODE]! & 0xff) ? itemsAt(code, at) : [];
    return items.length === 0 ? 1 : sum(items.map(lengthAt));
  };
  return sum(operationStarts(code).map(lengthAt));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The program from its machine line on, with the answers of a Xen without the defect: as the catalogue has it. */
export function textOf({ machine, code }: Candidate): string {
  const model = new OptimizedModel();
  const expected = new Int32Array(code.length / RECORD);
  model.start(machine);
  for (const at of operationStarts(code)) model.run(code, at, expected);
  const [, ...lines] = printProgram({ name: '-', machine, code, expected, finals: [] }).trimEnd().split('\n');
  return lines.join('\n');
}
