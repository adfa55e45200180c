import { describe, expect, test } from 'vitest';
import { type MachineMemory, showFrameTable } from '../../src/xen/frame-table.js';

const ROOT = 0x10;
const FRAME_TABLE = 0x400000n;
/** The last slot of the L2 that maps the machine-to-physical table. */
const SHOWN_AT = 0x12fffn - 7n;

/** Memory of a machine whose root has Xen's frame table and machine-to-physical table, with some words otherwise. */
function machine(otherwise: Record<number, bigint> = {}): MachineMemory & { words: Map<bigint, bigint> } {
  const words = new Map([
    [0x10000n + 256n * 8n, 0x11027n],
    [0x11000n, 0x12027n],
    [0x10000n + 261n * 8n, 0x13063n],
    [0x13000n + 384n * 8n, 0x14063n],
    [0x14000n, 0x80000000004001e3n],
    [FRAME_TABLE + 16n * 32n + 16n, 0x8c00000000000002n],
  ]);
  for (const [address, word] of Object.entries(otherwise)) words.set(BigInt(address), word);
  return {
    words,
    word: (address) => words.get(address) ?? 0n,
    write: (address, word) => void words.set(address, word),
  };
}

describe('the frame table of Xen', () => {
  test('is shown to guests where the machine-to-physical table has nothing', () => {
    const memory = machine();
    expect(showFrameTable(memory, ROOT)).toBe(true);
    expect(memory.words.get(SHOWN_AT)).toBe(FRAME_TABLE | 0xe5n);
  });

  test.each([
    ['is not at its place', { 0x10828: 0n }],
    ['is in small pages', { 0x14000: 0x400163n }],
    ['does not know the root as one', { 0x400210: 0x8800000000000002n }],
    ['would be shown where something else is', { 0x12ff8: 0x5000e5n }],
    ['would be shown in a table that is none', { 0x11000: 0x2000e5n }],
  ])('is left alone where it %s', (_, otherwise) => {
    const memory = machine(otherwise);
    const before = new Map(memory.words);
    expect(showFrameTable(memory, ROOT)).toBe(false);
    expect(memory.words).toEqual(before);
  });
});
