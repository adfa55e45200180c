import { describe, expect, test } from 'vitest';
import { Drawings } from '../../src/fuzz/drawings.js';
import { Siblings } from '../../src/fuzz/siblings.js';
import { type Court, trialsOf } from '../../src/fuzz/trials.js';
import { AGREEMENT, judgeOf } from '../../src/lockstep/judge.js';
import type { Arch } from '../../src/program/machine.js';
import { candidateOf, type Draft, draftOf } from '../../src/shrink/draft.js';

const CLEAN: Court = { defects: new Set(), alone: true, quirks: 'intended' };
const PLANTED: Court = { defects: new Set(['nested-failure-l3']), alone: false, quirks: 'intended' };
const arches: readonly Arch[] = ['x86_64'];

/** A program of some operations, none of which matters to the pass. */
function draftOfLength(length: number): Draft {
  const { program } = new Drawings({ arches, quirks: 'intended' }).draw('length', 0);
  const { machine, operations } = draftOf(program);
  return { machine, operations: operations.slice(0, length) };
}

describe('siblings', () => {
  const siblings = new Siblings({ ...PLANTED, arches });
  const found = [...siblings.of(AGREEMENT)(draftOfLength(3))];

  test('are shrunk programs to which the judge objects', () => {
    expect(found.length).toBeGreaterThan(1);
    const trials = trialsOf(PLANTED);
    for (const draft of found) expect(judgeOf(trials.run(candidateOf(draft))!)).toBe(AGREEMENT);
    expect(Math.max(...found.map(({ operations }) => operations.length))).toBeLessThan(10);
  });

  test('are the same for every find', () => {
    expect([...new Siblings({ ...PLANTED, arches }).of(AGREEMENT)(draftOfLength(5))]).toEqual(found);
  });

  test('are not looked for in the place of two operations', () => {
    expect([...siblings.of(AGREEMENT)(draftOfLength(2))]).toEqual([]);
  });

  test('are none where nothing fails', () => {
    expect([...new Siblings({ ...CLEAN, arches }).of(AGREEMENT)(draftOfLength(3))]).toEqual([]);
  });
});
