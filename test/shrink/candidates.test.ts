import { describe, expect, test } from 'vitest';
import { UNKNOWN } from '../../models/x86/result.js';
import { RECORD } from '../../src/program/record.js';
import { smallerThan } from '../../src/shrink/candidates.js';
import { candidateOf, draftOf } from '../../src/shrink/draft.js';
import { isSmaller } from '../../src/shrink/order.js';
import { parseProgram } from '../../src/text/parse.js';
import { HEADER, printProgram } from '../../src/text/print.js';
import { machineOf } from '../properties/fake-state.js';
import { RandomOperations } from '../properties/random-operations.js';

/** Programs of a few random operations of the kinds that the recordings have. */
const PROGRAMS = (['x86_64', 'x86_32'] as const).flatMap((arch) =>
  Array.from({ length: 8 }, (_, seed) => {
    const machine = { ...machineOf(arch, 8), debugBuild: seed % 2 === 0 };
    const random = new RandomOperations(`candidates ${arch} ${seed}`, machine);
    return candidateOf({ machine, operations: Array.from({ length: 3 }, () => random.next()) });
  }),
);

describe('every program that one step makes smaller', () => {
  test('is smaller, and so never leads back', () => {
    for (const program of PROGRAMS)
      for (const smaller of smallerThan(program))
        expect(isSmaller(draftOf(smaller), draftOf(program))).toBe(true);
  });

  test('can be said in program text', () => {
    for (const program of PROGRAMS) {
      for (const { machine, code } of smallerThan(program)) {
        const expected = new Int32Array(code.length / RECORD).fill(UNKNOWN);
        const text = `${HEADER}\n${printProgram({ name: 'smaller', machine, code, expected, finals: [] })}`;
        const read = parseProgram(text);
        if (!sameWords(read.code, code)) expect(read.code, text).toEqual(code);
      }
    }
  });

  test('is one of many, the largest step first', () => {
    for (const program of PROGRAMS) {
      const all = [...smallerThan(program)];
      expect(all.length).toBeGreaterThan(10);
      expect(all.findIndex(({ code }) => code.length < program.code.length)).toBeLessThan(5);
    }
  });
});

function sameWords(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}
