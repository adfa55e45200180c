import { describe, expect, test } from 'vitest';
import { P, RW, US, entry } from '../../models/x86/entry.js';
import { BAD_MFN, BOOT_MFN } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { candidateOf, type Draft } from '../../src/shrink/draft.js';
import { idOf } from '../../src/shrink/identity.js';
import { compare, isSmaller } from '../../src/shrink/order.js';
import { machineOf } from '../properties/fake-state.js';
import { RandomOperations } from '../properties/random-operations.js';
import { F, update, updateVa } from './bugs.js';

const machine = machineOf('x86_64', 8);
const of = (...operations: Operation[]): Draft => ({ machine, operations });

describe('the order of programs', () => {
  const e = entry(F(0), P);
  const SMALLER: [string, Draft, Draft][] = [
    ['fewer records', of({ kind: 'destroy' }), of(update(F(0), 0, e), update(F(0), 0, e))],
    [
      'one request, not a list of one',
      of({ kind: 'destroy' }),
      of({ kind: 'multicall', items: [{ kind: 'iret_user' }] }),
    ],
    ['no event', of({ kind: 'destroy' }), of({ kind: 'unpin', mfn: F(0), preempt: 0 })],
    [
      'an earlier event',
      of({ kind: 'unpin', mfn: F(0), preempt: 1 }),
      of({ kind: 'unpin', mfn: F(0), preempt: 2 }),
    ],
    ['the first vCPU', of({ kind: 'destroy' }), of({ kind: 'resume', cpu: 1 })],
    [
      'a plain machine',
      of({ kind: 'destroy' }),
      { ...of({ kind: 'resume' }), machine: { ...machine, debugBuild: true } },
    ],
    ['mmu_update, not update_va', of(update(BOOT_MFN.B1, 0, e)), of(updateVa(0, e))],
    ['an entry cleared, not any other', of(update(F(0), 0, entry(0, 0))), of(update(F(0), 0, entry(0, P)))],
    ['fewer flags', of(update(F(0), 0, entry(F(0), P | US))), of(update(F(0), 0, entry(F(0), P | RW | US)))],
    ['a frame under test, not a boot table', of(update(F(7), 3, e)), of(update(BOOT_MFN.B1, 0, e))],
    [
      'a boot table, not a frame beyond memory',
      of(update(BOOT_MFN.B4, 0, e)),
      of(update(BAD_MFN.x86_64, 0, e)),
    ],
    ['a lower level', of({ kind: 'pin', level: 1, mfn: F(3) }), of({ kind: 'pin', level: 2, mfn: F(0) })],
    ['earlier frames', of(update(F(0), 1, e)), of(update(F(1), 0, e))],
    ['no user base', of({ kind: 'new_user_baseptr', mfn: 0 }), of({ kind: 'new_user_baseptr', mfn: F(0) })],
  ];
  test.each(SMALLER)('puts first: %s', (_, smaller, larger) => {
    expect(isSmaller(smaller, larger)).toBe(true);
    expect(isSmaller(larger, smaller)).toBe(false);
  });

  test('is total: of two programs one is smaller, or they are the same', () => {
    const random = new RandomOperations('order', machine);
    const drafts = Array.from({ length: 300 }, () => of(random.next())).sort(compare);
    for (let i = 1; i < drafts.length; i++) {
      const [a, b] = [drafts[i - 1]!, drafts[i]!];
      expect(compare(a, b) + compare(b, a)).toBe(0);
      expect(compare(a, b) === 0).toBe(idOf(candidateOf(a)) === idOf(candidateOf(b)));
      for (const c of drafts.slice(i + 1)) expect(compare(a, c)).toBeLessThanOrEqual(0);
    }
  });
});

describe('the id of a program', () => {
  const program = candidateOf(of({ kind: 'pin', level: 1, mfn: F(0) }));

  test('never changes', () => {
    expect(idOf(program)).toBe('13db6f21');
  });

  test('depends on the machine and on every operation', () => {
    const others = [
      candidateOf(of({ kind: 'pin', level: 1, mfn: F(1) })),
      candidateOf(of({ kind: 'pin', level: 1, mfn: F(0), preempt: 0 })),
      { ...program, machine: { ...machine, linear: false } },
      { ...program, machine: machineOf('x86_64', 7) },
      { ...program, machine: machineOf('x86_32', 8) },
    ];
    expect(new Set([program, ...others].map(idOf)).size).toBe(others.length + 1);
  });
});
