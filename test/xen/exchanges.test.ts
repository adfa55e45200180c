import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findExchanges } from '../../src/xen/exchanges.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvmmu-exchanges-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = 0x80;
const LOADED_AT = 0x200000;
const XEN_TEXT = 0xffff82d040200000n;
const EINTR = [0xb8, 0xfc, 0xff, 0xff, 0xff]; // mov $-4, %eax

interface Code {
  readonly at: number;
  readonly bytes: readonly number[];
}

function calls(target: number, from: readonly number[]): Code[] {
  return from.map((at) => ({ at, bytes: [0xe8, ...new Uint8Array(Int32Array.of(target - at - 5).buffer)] }));
}

/** An image with this code and nothing else. */
function image(...code: Code[]): string {
  const file = Buffer.alloc(HEADER + 0x1000, 0x90);
  file.writeUInt32LE(52, 28);
  for (const [i, word] of [1, HEADER, LOADED_AT, LOADED_AT, 0x1000].entries())
    file.writeUInt32LE(word, 52 + i * 4);
  for (const { at, bytes } of code) file.set(bytes, HEADER + at);
  const path = join(folder, 'xen');
  writeFileSync(path, file);
  return path;
}

/** lock cmpxchg %rdx, 0x10(base), with the prefix and the register of the base. */
const exchange = (at: number, rex: number, base: number): Code => ({
  at,
  bytes: [0xf0, rex, 0x0f, 0xb1, 0x50 | base, 0x10],
});

/** page_lock, with an exchange only; put with two and get with one, which answer EINTR; and what follows. */
const FUNCTIONS = [
  ...calls(0x100, [0x800, 0x810, 0x820]),
  exchange(0x110, 0x48, 7),
  ...calls(0x200, [0x830, 0x840, 0x850]),
  exchange(0x220, 0x48, 5),
  exchange(0x240, 0x49, 5),
  { at: 0x260, bytes: EINTR },
  ...calls(0x300, [0x860, 0x870, 0x880, 0x890]),
  exchange(0x310, 0x4c, 3),
  { at: 0x340, bytes: EINTR },
  ...calls(0x400, [0x8a0, 0x8b0, 0x8c0]),
];

describe('the exchanges of an image of Xen', () => {
  test('are those of the two functions that answer EINTR', () => {
    expect(findExchanges(image(...FUNCTIONS))).toEqual({
      put: XEN_TEXT + 0x200n,
      get: XEN_TEXT + 0x300n,
      all: [
        { address: XEN_TEXT + 0x220n, page: 'rbp' },
        { address: XEN_TEXT + 0x240n, page: 'r13' },
        { address: XEN_TEXT + 0x310n, page: 'rbx' },
      ],
    });
  });

  test('are not told where another function looks like one of them', () => {
    expect(findExchanges(image(...FUNCTIONS, { at: 0x130, bytes: EINTR }))).toBeUndefined();
  });

  test('are not told where there are none', () => {
    expect(findExchanges(image())).toBeUndefined();
  });
});
