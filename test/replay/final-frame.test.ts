import { expect, test } from 'vitest';
import { A, D, P, RW } from '../../models/x86/entry.js';
import type { FinalFrame } from '../../src/program/program.js';
import { sameFinal } from '../../src/replay/final-frame.js';

function table(entries: readonly (readonly [slot: number, low: number])[]): FinalFrame {
  return {
    mfn: 0x100,
    level: 1,
    pinned: false,
    references: undefined,
    count: entries.length,
    slots: Int32Array.from(entries, ([slot]) => slot),
    low: Int32Array.from(entries, ([, low]) => low),
    high: new Int32Array(entries.length),
  };
}

test('final frames are the same whatever A and D the processor has left in their entries', () => {
  const plain = table([[3, P | RW]]);
  expect(sameFinal(plain, table([[3, P | RW | A | D]]))).toBe(true);
  const withOneAbsent = table([
    [1, A | D],
    [3, P | RW],
  ]);
  expect(sameFinal(plain, withOneAbsent)).toBe(true);
  expect(sameFinal(withOneAbsent, plain)).toBe(true);
});

test('final frames differ with an entry in another slot, another right, or one more', () => {
  const plain = table([[3, P | RW]]);
  for (const other of [
    table([[4, P | RW]]),
    table([[3, P]]),
    table([]),
    table([
      [2, RW],
      [3, P | RW],
    ]),
  ]) {
    expect(sameFinal(plain, other)).toBe(false);
    expect(sameFinal(other, plain)).toBe(false);
  }
});
