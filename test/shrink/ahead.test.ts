import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../src/program/candidate.js';
import { stream } from '../../src/generate/streams.js';
import { reduceAhead } from '../../src/shrink/ahead.js';
import { reduce } from '../../src/shrink/reduce.js';
import { BUGS, embedding, runOf } from './bugs.js';

const NEVER = new AbortController().signal;

describe.each(BUGS.slice(0, 3))('programs in which $name', (bug) => {
  test('are reduced by runs side by side, that end in any order, to what one run after the other finds', async () => {
    const program = embedding(bug, 'ahead');
    const run = runOf(bug);
    const draw = stream('ahead');
    const runLate = async (candidate: Candidate) => {
      for (let turns = draw.below(4); turns > 0; turns--) await Promise.resolve();
      return run(candidate);
    };
    expect(await reduceAhead(program, run(program)!, runLate, NEVER)).toEqual(
      reduce(program, run(program)!, run),
    );
  });
});

test('of runs that are unwanted no answer is waited for, and they are few', async () => {
  const [bug] = BUGS;
  const program = embedding(bug!, 'ahead');
  const run = runOf(bug!);
  let begun = 0;
  let given = 0;
  const runUnlessUnwanted = async (candidate: Candidate, unwanted: AbortSignal) => {
    begun++;
    await new Promise<void>(setImmediate);
    if (unwanted.aborted) return new Promise<undefined>(() => {});
    given++;
    return run(candidate);
  };
  const { minimal, runs } = await reduceAhead(program, run(program)!, runUnlessUnwanted, NEVER);
  expect(minimal).toBe(true);
  expect(begun).toBeGreaterThan(given);
  expect(begun).toBeLessThan(3 * runs);
});

test('a run that cannot be made ends the reduction with its error', async () => {
  const [bug] = BUGS;
  const program = embedding(bug!, 'ahead');
  let runs = 0;
  const broken = async () => {
    if (++runs > 20) throw new Error('no lab');
    return undefined;
  };
  await expect(reduceAhead(program, runOf(bug!)(program)!, broken, NEVER)).rejects.toThrow('no lab');
});
