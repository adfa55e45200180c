import { highWord, lowWord } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { RESULT_NAMES, UNKNOWN, withDone } from '../../models/x86/result.js';
import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import type { FinalFrame, Program } from '../program/program.js';
import { encode } from '../program/codec.js';
import { RECORD } from '../program/record.js';
import { fc } from './index.js';
import { spelledOutMachines, standardMachines } from './machines.js';
import { entries, frameNumbers, operations } from './operations.js';

/** Answers to draw from: those of single requests, and `done` counts for lists and what goes on with one. */
interface Answers {
  readonly codes: readonly number[];
  readonly dones: readonly number[];
}

/** Programs with arbitrary operations, answers and final lines, on machines of either kind. */
export function programs(): fc.Arbitrary<Program> {
  return fc.oneof(standardMachines(), spelledOutMachines()).chain(programsOn);
}

function programsOn(machine: Machine): fc.Arbitrary<Program> {
  const answers = fc.record({
    codes: fc.array(fc.constantFrom(UNKNOWN, ...RESULT_NAMES.keys()), { minLength: 5, maxLength: 20 }),
    dones: fc.array(fc.integer({ min: -1, max: 2 ** 23 - 2 }), { minLength: 5, maxLength: 20 }),
  });
  return fc
    .record({
      name: fc.stringMatching(/^[a-z0-9._-]{1,20}$/),
      list: fc.array(operations(machine), { maxLength: 12 }),
      answers,
      finals: fc.array(finals(machine), { maxLength: 4 }),
    })
    .map(({ name, list, answers, finals }) => {
      const code: number[] = [];
      for (const operation of list) encode(operation, code);
      const expected = list.flatMap((operation) => expectedOf(operation, answers));
      return { name, machine, code: Int32Array.from(code), expected: Int32Array.from(expected), finals };
    });
}

/** Expected answers by record: of the operation itself and of a multicall's calls, but of no other item. */
function expectedOf(operation: Operation, answers: Answers): number[] {
  const records: number[] = [];
  encode(operation, records);
  const expected = Array.from({ length: records.length / RECORD }, () => UNKNOWN as number);
  if (operation.kind === 'fill') return expected;
  if (operation.kind === 'multicall') {
    return [answers.codes[0]!, ...operation.items.flatMap((item) => expectedOf(item, answers))];
  }
  const code = answers.codes[records.length % answers.codes.length]!;
  const done = answers.dones[records.length % answers.dones.length]!;
  const counted = ['mmu_update_list', 'mmuext_op_list', 'resume'].includes(operation.kind);
  expected[0] = counted && code !== UNKNOWN && done >= 0 ? withDone(code, done) : code;
  return expected;
}

function finals(machine: Machine): fc.Arbitrary<FinalFrame> {
  const contents = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 511 }), entries(machine)), {
    maxLength: 6,
    selector: ([slot]) => slot,
  });
  return fc
    .record({
      mfn: frameNumbers(machine),
      level: fc.constantFrom<Level | 0>(0, 1, 2, 3, 4),
      pinned: fc.boolean(),
      references: fc.option(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { nil: undefined }),
      contents,
    })
    .map(({ contents, ...final }) => ({
      ...final,
      count: contents.length,
      slots: Int32Array.from(contents, ([slot]) => slot),
      low: Int32Array.from(contents, ([, { mfn, flags }]) => lowWord(mfn, flags)),
      high: Int32Array.from(contents, ([, { mfn, flags }]) => highWord(mfn, flags)),
    }));
}
