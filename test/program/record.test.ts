import { describe, expect, it } from 'vitest';
import { fc } from '../../src/fastcheck/index.js';
import { standardMachines } from '../../src/fastcheck/machines.js';
import { operations } from '../../src/fastcheck/operations.js';
import { BAD_MFN, MAX_VCPUS, standardMachine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode, encode } from '../../src/program/codec.js';
import { CONTEND_MAX, itemsAt, PREEMPT_MAX, RECORD, span } from '../../src/program/record.js';

const LARGEST = { cpu: MAX_VCPUS - 1, preempt: PREEMPT_MAX, contend: CONTEND_MAX };
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

  it('keep the largest numbers that word 0 has room for', () => {
    const operation: Operation = { kind: 'mmuext', command: 'cmd21', badBitmap: false, ...LARGEST };
    expect(encoded(operation)[0]).toBe(0x7fff_0000 | (21 << 8) | 14);
    expect(decode(encoded(operation), 0)).toStrictEqual(operation);
  });

  it('tell an event at once and the first reference from none', () => {
    const operation: Operation = { kind: 'destroy', preempt: 0, contend: 0 };
    expect(decode(encoded(operation), 0)).toStrictEqual(operation);
    expect(decode(encoded({ kind: 'destroy', cpu: 0 }), 0)).toStrictEqual({ kind: 'destroy' });
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
      'destroy',
      'fill',
      'initialise',
      'iret_user',
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
      'reset_vcpu',
      'resume',
      'set_gdt',
      'set_ldt',
      'store',
      'store_cached',
      'store_frame',
      'touch',
      'unpin',
      'update_descriptor',
      'update_va',
      'write_cr3',
    ]);
  });
});

describe('the arbitrary operations of a machine with several vCPUs', () => {
  it('are interrupted, contended and on every vCPU', () => {
    const drawn = fc.sample(operations(standardMachine({ ...OPTIONS, vcpus: 3 }, 8)), RUNS);
    const seen = (key: 'cpu' | 'preempt' | 'contend') => new Set(drawn.map((operation) => operation[key]));
    expect([...seen('cpu')].sort()).toStrictEqual([1, 2, undefined]);
    expect(seen('preempt').size).toBeGreaterThan(20);
    expect(seen('contend').size).toBeGreaterThan(20);
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
