/** What the models, or a text, say that real Xen answers; and where it answers something else. */
import type { Model } from '../../models/model.js';
import { OK, UNKNOWN } from '../../models/x86/result.js';
import { takeStart } from '../program/alike.js';
import { BOOT_MFN, frameMfns } from '../program/machine.js';
import type { FinalFrame } from '../program/program.js';
import { OP_FILL, operationStarts, RECORD, span, W_OPCODE } from '../program/record.js';
import { finalFrameOf, sameFinal } from '../replay/final-frame.js';
import { printFinal } from '../text/final-line.js';
import { printOperation } from '../text/print.js';
import { printResult } from '../text/result.js';
import { countsOf } from './frame-table.js';
import type { LabAnswer, LabProgram } from './mailbox.js';
import { keptAfterTakeDown } from './take-down.js';

/** Answers by record, UNKNOWN where nothing is said, and final frames. */
export interface Expectation {
  readonly results: Int32Array;
  readonly finals: readonly FinalFrame[];
  /** What Xen's frame table is to say of F0.., in the words of frame-table.ts. */
  readonly counts?: readonly string[];
}

/** What a model says, all of it. */
export interface Prediction extends Expectation {
  /** Frames F0.. that keep a reference after everything is taken down, one bit each. */
  readonly lost: number;
}

/** A model that could not go on: an assertion of Xen's that is part of the model. */
export class GaveUp extends Error {
  constructor(
    readonly operation: number,
    reason: unknown,
  ) {
    super(reason instanceof Error ? reason.message : String(reason));
  }
}

export interface Difference {
  /** Index of the operation; that of a final line is one beyond the last. */
  readonly operation: number;
  /** The operation, or `final`. */
  readonly what: string;
  readonly expected: string;
  /** What real Xen answered. */
  readonly got: string;
}

/** Runs programs on a model. */
export class Oracle {
  constructor(readonly model: Model) {}

  /** @throws GaveUp */
  expect({ machine, code }: LabProgram): Prediction {
    const { model } = this;
    const starts = operationStarts(code);
    let operation = -1;
    try {
      takeStart(model, machine);
      const results = new Int32Array(code.length / RECORD).fill(UNKNOWN);
      for (const at of starts) {
        operation++;
        model.run(code, at, results);
      }
      const frames = frameMfns(machine.frames);
      const finals = [...frames, BOOT_MFN.B1].map((mfn) => finalFrameOf(model, mfn, false));
      const counts = frames.map((mfn) => countsOf(model, mfn));
      return { results, finals, counts, lost: keptAfterTakeDown(model) };
    } catch (error) {
      model.start(machine); // whatever state it is in
      throw new GaveUp(operation, error);
    }
  }
}

/**
 * Where real Xen's answers are not the expected ones, in the order of the program. Of a program that was not run to its end,
 * only the operations that ran are compared.
 */
export function differences(
  { machine, code }: LabProgram,
  expected: Expectation,
  { results, finals, counts, stopped, operations }: LabAnswer,
): Difference[] {
  const found: Difference[] = [];
  const starts = operationStarts(code);
  const ran = stopped ? starts.slice(0, operations) : starts;
  for (const [operation, at] of ran.entries()) {
    const first = at / RECORD;
    for (let i = first; i < first + span(code, at); i++) {
      const said = expectedAt(expected, code, i);
      if (said === UNKNOWN || said === results[i]) continue;
      const what = printOperation(code, i * RECORD, machine);
      found.push({ operation, what, expected: printResult(said), got: printResult(results[i]!) });
    }
  }
  if (stopped) return found;
  for (const final of expected.finals) {
    const got = finals.find(({ mfn }) => mfn === final.mfn);
    if (got === undefined || sameFinal(final, got)) continue;
    const operation = starts.length;
    found.push({
      operation,
      what: 'final',
      expected: printFinal(final, machine),
      got: printFinal(got, machine),
    });
  }
  for (const [i, told] of (counts && expected.counts)?.entries() ?? []) {
    const operation = starts.length;
    const [due, got] = [`F${i}: ${told}`, `F${i}: ${counts![i]}`];
    if (due !== got) found.push({ operation, what: 'final', expected: due, got });
  }
  return found;
}

/** A `fill` stands for stores that all succeed. */
function expectedAt({ results }: Expectation, code: Int32Array, record: number): number {
  const opcode = code[record * RECORD + W_OPCODE]! & 0xff;
  return opcode === OP_FILL && results[record] === UNKNOWN ? OK : results[record]!;
}
