import { describe, expect, test } from 'vitest';
import { firstToAskTheTlb } from '../../src/xen/tlb.js';
import { program, program32 } from './answers.js';

describe('what the TLB of the emulated processor may still hold', () => {
  test.each([
    ['a translation whose entry is as it was', ['touch W1', 'touch W1', 'store.cached W1[0] 0']],
    ['one that has never been used', ['mmu_update B1[1] 0', 'touch W1', 'store.cached W1[0] 0']],
    ['one that a store has flushed', ['touch W1', 'mmu_update B1[1] 0', 'store W1[0] 0', 'touch W1']],
    ['one to a page that is a table by now', ['touch W1', 'mmu_update B1[1] 0', 'pin L1 F1', 'touch W1']],
    [
      'one from before an update of a table above L1',
      ['update_va W0 0', 'pin L2 F0', 'touch W1', 'mmu_update B1[1] 0', 'mmu_update F0[0] 0', 'touch W1'],
    ],
    [
      'for a store, one that lets none through',
      ['update_va W1 F1|P|US', 'touch W1', 'mmu_update B1[1] 0', 'store.cached W1[0] 0'],
    ],
  ])('is known of %s', (_, lines) => {
    expect(firstToAskTheTlb(program(...lines))).toBeUndefined();
  });

  test.each([
    ['an entry that is gone', ['touch W1', 'mmu_update B1[1] 0', 'store.cached W1[0] 0'], 2],
    ['an entry that names another page', ['store W1[0] 0', 'mmu_update B1[1] F2|P|RW', 'touch W1'], 2],
    [
      'a type that another page changes',
      ['touch W1', 'mmu_update B1[1] 0', 'update_va W2 0', 'pin L1 F2', 'touch W1'],
      4,
    ],
    [
      'an update that was refused',
      ['touch W1', 'mmu_update B1[1] 0', 'mmu_update B3[510] B1|P', 'touch W1'],
      3,
    ],
    ['an update of an L1 table', ['touch W1', 'mmu_update B1[1] 0', 'mmu_update B1[2] 0', 'touch W1'], 3],
    [
      'a translation without RW when a page becomes a table',
      ['update_va W1 F1|P|US', 'touch W1', 'mmu_update B1[1] 0', 'pin L1 F1', 'touch W1'],
      4,
    ],
  ])('is not known after %s', (_, lines, first) => {
    expect(firstToAskTheTlb(program(...lines))).toBe(first);
  });

  test('is not known on x86_32 after a change of an entry without RW, as a store reads there', () => {
    const lines = ['update_va W1 F1|P', 'touch W1', 'mmu_update B1[1] 0', 'store.cached W1[0] 0'];
    expect(firstToAskTheTlb(program(...lines))).toBeUndefined();
    expect(firstToAskTheTlb(program32(...lines))).toBe(3);
  });
});
