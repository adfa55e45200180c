import { describe, expect, it } from 'vitest';
import { fc } from '../../src/fastcheck/index.js';
import { standardMachines } from '../../src/fastcheck/machines.js';
import { operations } from '../../src/fastcheck/operations.js';
import { BAD_MFN, standardMachine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode, encode, itemsAt, RECORD, span } from '../../src/program/record.js';

const RUNS = { seed: 20_260_301, numRuns: 300 };
const anyOperation = () => standardMachines().chain(operations);

function encoded(...list: Operation[]): Int32Array {
  const code: number[] = [];
  for (const operation of list) encode(operation, code);
  return Int32Array.from(code);
}

describe('encode and decode', () => {
  it('give an operation of any kind back as it was', () => {
    fc.assert(
      fc.property(anyOperation(), (operation) => {
        expect(decode(encoded(operation), 0)).toStrictEqual(operation);
      }),
      RUNS,
    );
  });

  it('keep operations apart that follow one another', () => {
    fc.assert(
      fc.property(anyOperation(), anyOperation(), (first, second) => {
        const code = encoded(first, second);
        const next = span(code, 0) * RECORD;
        expect(decode(code, next)).toStrictEqual(second);
        expect(next + span(code, next) * RECORD).toBe(code.length);
      }),
      RUNS,
    );
  });

  it('keep frame numbers above 2^31', () => {
    const operation: Operation = { kind: 'copy_page', mfn: BAD_MFN.x86_64, source: 0x80000000 };
    expect(decode(encoded(operation), 0)).toStrictEqual(operation);
  });

  it('refuse a record that no operation has', () => {
    expect(() => decode(new Int32Array(RECORD), 0)).toThrow('no operation has opcode 0');
  });
});

describe('the arbitrary operations', () => {
  it('are of every kind', () => {
    const kinds = new Set(
      fc.sample(operations(standardMachine(OPTIONS, 8)), { ...RUNS, numRuns: 2000 }).map(({ kind }) => kind),
    );
    expect([...kinds].sort()).toStrictEqual([
      'access_ldt',
      'clear_page',
      'copy_page',
      'decrease_reservation',
      'fill',
      'machphys',
      'mmu_update',
      'mmu_update_list',
      'mmuext',
      'mmuext_op_list',
      'multicall',
      'new_baseptr',
      'new_user_baseptr',
      'pin',
      'receive',
      'release',
      'set_gdt',
      'set_ldt',
      'store',
      'store_frame',
      'unpin',
      'update_descriptor',
      'update_va',
      'write_cr3',
    ]);
  });
});

const OPTIONS = {
  arch: 'x86_64',
  hardwareDomain: false,
  writablePagetables: false,
  paeXenSlot: 428,
  debugBuild: false,
  quirks: 'shipped',
  vcpus: 1,
  linear: true,
} as const;

describe('itemsAt', () => {
  it('gives the places of direct items only, whatever they hold themselves', () => {
    const unpin = (mfn: number) => ({ kind: 'unpin', mfn }) as const;
    const code = encoded({
      kind: 'multicall',
      items: [
        { kind: 'mmuext_op_list', options: { fd: 'self', badList: false }, items: [unpin(1), unpin(2)] },
        { kind: 'set_gdt', frames: [7], entries: 512 },
        unpin(3),
      ],
    });
    expect(itemsAt(code, 0).map((at) => at / RECORD)).toStrictEqual([1, 4, 6]);
    expect(itemsAt(code, RECORD).map((at) => at / RECORD)).toStrictEqual([2, 3]);
    expect(span(code, 0)).toBe(7);
  });
});
