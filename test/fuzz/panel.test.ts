import { expect, test } from 'vitest';
import { type Catch, Fuzzer, type FuzzSettings } from '../../src/fuzz/fuzzer.js';
import { LOCKSTEP_MODES, SAMPLE } from '../../src/fuzz/panel.js';

const SETTINGS: FuzzSettings = {
  arches: ['x86_64'],
  seed: 'panel',
  quirks: 'intended',
  defects: new Set(),
  alone: false,
};

function catchesOf(settings: FuzzSettings, programs: number): (Catch | undefined)[] {
  const fuzzer = new Fuzzer(settings);
  return Array.from({ length: programs }, () => fuzzer.next());
}

test.each(LOCKSTEP_MODES)('finds nothing in the models themselves with lockstep %s', (lockstep) => {
  expect(catchesOf({ ...SETTINGS, lockstep }, SAMPLE + 2).filter(Boolean)).toEqual([]);
});

/** The optimized model answers otherwise, and is right by every invariant: only the reference model tells. */
const ANSWERS_ONLY = new Set(['error-codes-flattened'] as const);

test.each(['digest', 'sampled'] as const)(
  'lockstep %s finds a wrong answer in a program of the sample, and says the same of it as lockstep every',
  (lockstep) => {
    const found = catchesOf({ ...SETTINGS, defects: ANSWERS_ONLY, lockstep }, 3 * SAMPLE);
    const all = catchesOf({ ...SETTINGS, defects: ANSWERS_ONLY }, 3 * SAMPLE);
    const expected = all.map((caught, number) => (number % SAMPLE === 0 ? caught : undefined));
    expect(expected.filter(Boolean)).not.toEqual([]);
    expect(found).toEqual(expected);
  },
);
