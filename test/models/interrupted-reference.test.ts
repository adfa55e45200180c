/** Answers and states worked out by hand from docs/xen-mmu-rules.md, section 16; the numbers are its sections. */
import { describe, expect, test } from 'vitest';
import { entry, P, RW, US } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { BOOT_MFN } from '../../src/program/machine.js';
import type { Mmuext, Request } from '../../src/program/operation.js';
import { branch, F0, F1, F2, F3, F4, F5, Guest, ownedFrames, shown, TABLE, update } from './guest.js';

const { B1, B3, B4 } = BOOT_MFN;
const SELF = { fd: 'self', badList: false } as const;

const pin = (level: Level, mfn: number): Mmuext => ({ kind: 'pin', level, mfn });
const unpin = (mfn: number): Mmuext => ({ kind: 'unpin', mfn });
const list = (...items: Mmuext[]): Request => ({ kind: 'mmuext_op_list', options: SELF, items });

describe('a promotion', () => {
  test('that is interrupted below its slot 0 leaves both tables partial, and goes on there', () => {
    const guest = branch();
    expect(guest.does(pin(3, F0), { preempt: 1 })).toBe('preempted');
    expect(guest.frames(F0, F1, F2, F3)).toEqual([
      'L3 partial@0+set TR=1 GR=2',
      'L2 partial@1 TR=1 GR=3',
      'L1 validated TR=1 GR=2',
      'writable validated TR=0 GR=1',
    ]);
    expect(guest.model.interrupted()).toBe(1);
    expect(guest.resume()).toBe('ok');
    expect(guest.frames(F0, F1, F2, F3)).toEqual([
      'L3 validated pinned TR=1 GR=2',
      'L2 validated TR=1 GR=2',
      'L1 validated TR=1 GR=2',
      'L1 validated TR=1 GR=2',
    ]);
    expect([guest.model.deferred(), guest.model.interrupted()]).toEqual([0, 0]);
    expect(guest.resume()).toBe('none');
  });

  test('that never goes on keeps its frames from every other use, until somebody takes it up', () => {
    const guest = branch();
    guest.does(pin(3, F0), { preempt: 1 });
    expect(guest.does(unpin(F0))).toBe('EINVAL');
    expect(guest.does(guest.window(0, F0, P | RW))).toBe('EBUSY');
    expect(guest.does(guest.window(0, F0, P))).toBe('ok');
    expect(guest.does({ kind: 'clear_page', mfn: F1 })).toBe('EINVAL');
    expect(guest.does(pin(2, F1))).toBe('ok');
    expect(guest.frames(F0, F1)).toEqual([
      'L3 partial@0+set TR=1 GR=3',
      'L2 validated pinned TR=1 GR=3', // one of them slot 0's, which holds no type
    ]);
    expect(guest.does(pin(3, F0))).toBe('ok');
    expect(guest.frame(F1)).toBe('L2 validated pinned TR=2 GR=3');
    expect(guest.resume()).toBe('EINVAL'); // pinned already
  });

  test('goes on by at least a slot even where the event is always there', () => {
    const guest = branch();
    let resumes = 0;
    let answer = guest.does(pin(3, F0), { preempt: 0 });
    for (; answer === 'preempted'; answer = guest.resume({ preempt: 0 })) resumes++;
    expect(answer).toBe('ok');
    expect(resumes).toBe(511 + 511); // a stop before each slot but the first of both tables
  });

  test('that loses its race before slot 0 is not begun: nothing is partial', () => {
    const guest = branch();
    expect(guest.does(pin(3, F0), { contend: 1 })).toBe('preempted');
    expect(guest.frames(F0, F1)).toEqual(['L3 TR=0 GR=1', 'writable validated TR=0 GR=1']);
    expect(guest.resume()).toBe('ok');
  });

  test('that loses its race at slot 0 when it goes on keeps what the slot holds, intended', () => {
    const guest = branch({ quirks: 'intended' });
    guest.does(pin(3, F0), { preempt: 1 });
    expect(guest.resume({ contend: 1 })).toBe('preempted');
    expect(guest.frames(F0, F1)).toEqual(['L3 partial@0+set TR=1 GR=2', 'L2 partial@1 TR=1 GR=3']);
    expect(guest.resume()).toBe('ok');
    expect(guest.frame(F1)).toBe('L2 validated TR=1 GR=2');
  });
});

describe('a demotion', () => {
  test('that is interrupted is taken up by whoever pins the table; the cleanup then finds nothing to finish', () => {
    const guest = branch({ vcpus: 2 });
    guest.does(pin(3, F0));
    expect(guest.does(unpin(F0), { preempt: 0 })).toBe('preempted');
    expect(guest.frame(F0)).toBe('L3 partial@511 TR=1 GR=3');
    expect([guest.model.deferred(), guest.model.deferredWhole()]).toEqual([F0, 0]);
    expect(guest.does(pin(3, F0), { cpu: 1 })).toBe('ok');
    expect(guest.frame(F0)).toBe('L3 validated pinned TR=1 GR=3');
    expect(guest.resume()).toBe('ok');
    expect(guest.frame(F0)).toBe('L3 validated pinned TR=1 GR=2');
  });

  test('stops where it loses a race, with the slots above given back', () => {
    const guest = branch();
    guest.does(pin(2, F1));
    expect(guest.does(unpin(F1), { contend: 1 })).toBe('preempted');
    expect(guest.frames(F1, F3)).toEqual(['L2 partial@2 TR=1 GR=3', 'L1 validated TR=1 GR=2']);
    expect(guest.resume()).toBe('ok');
    expect(guest.frames(F1, F2, F3)).toEqual(['L2 TR=0 GR=1', 'L1 TR=0 GR=1', 'L1 TR=0 GR=1']);
  });

  test('that loses the race for the table itself leaves it whole, unpinned and deferred', () => {
    const guest = branch();
    guest.does(pin(2, F1));
    expect(guest.does(list(unpin(F1)), { contend: 0 })).toBe('preempted done=1');
    expect(guest.frame(F1)).toBe('L2 validated TR=1 GR=2');
    expect([guest.model.deferred(), guest.model.deferredWhole()]).toEqual([F1, 1]);
    expect(guest.resume()).toBe('ok'); // the list has ended: nothing but its answer goes on
    expect(guest.frame(F1)).toBe('L2 TR=0 GR=1');
  });

  test('whose cleanup loses its race on a partial table goes on with the cleanup, intended', () => {
    const guest = branch({ quirks: 'intended' });
    guest.does(update(F0, 1, B1, TABLE)); // an L1, where an L2 should be
    expect(guest.does(pin(3, F0), { contend: 2 })).toBe('preempted');
    expect(guest.frame(F0)).toBe('L3 partial@1 TR=1 GR=3');
    expect(guest.resume()).toBe('EINVAL');
  });
});

describe('a call', () => {
  test('counts what it has done across its interruptions, and keeps the requests that are left', () => {
    const guest = branch();
    expect(guest.does(list(pin(1, F2), pin(1, F3), unpin(F4)), { preempt: 1 })).toBe('preempted done=1');
    expect(guest.resume({ preempt: 1 })).toBe('preempted done=2');
    expect(guest.resume()).toBe('EINVAL done=2');
  });

  test('that is interrupted takes the place of another', () => {
    const guest = branch();
    guest.does(list(pin(1, F2), unpin(F2)), { preempt: 1 });
    guest.does(list(pin(1, F3), unpin(F3)), { preempt: 1 });
    expect(guest.resume()).toBe('ok done=2');
    expect(guest.resume()).toBe('none');
    expect(guest.frames(F2, F3)).toEqual(['L1 validated pinned TR=1 GR=2', 'L1 TR=0 GR=1']);
  });

  test('that finds a cleanup of before still interrupted has not begun: the guest has no count', () => {
    const guest = branch();
    guest.does(pin(3, F0));
    guest.does(unpin(F0), { preempt: 0 });
    expect(guest.does(list(pin(1, F4)), { preempt: 0 })).toBe('preempted');
    expect(guest.does(list(pin(1, F4)))).toBe('ok done=1');
    expect(guest.frame(F0)).toBe('L3 TR=0 GR=1');
  });

  test('in a multicall is not interrupted', () => {
    const guest = branch();
    const calls: Request = { kind: 'multicall', items: [pin(3, F0), unpin(F0)] };
    expect(guest.answers(calls, { preempt: 0, contend: 0 })).toEqual([0, 0, 0]);
  });

  test('switches the base pointer before it gives back the old tables, also where that is interrupted', () => {
    const guest = branch();
    guest.does(update(F4, 0, F0, TABLE));
    guest.does(update(F4, 511, B3, TABLE));
    guest.does({ kind: 'new_baseptr', mfn: F4 });
    expect(guest.does({ kind: 'new_baseptr', mfn: B4 }, { preempt: 0 })).toBe('preempted');
    expect(guest.model.kernelBase()).toBe(B4);
    expect(guest.frames(F4, F0)).toEqual(['L4 partial@0+set TR=1 GR=3', 'L3 partial@511 TR=1 GR=3']);
    expect(guest.resume()).toBe('ok');
    expect(guest.frames(F4, F0)).toEqual(['L4 TR=0 GR=1', 'L3 TR=0 GR=1']);
  });
});

describe('linear pagetables', () => {
  test('are refused where Xen has none, and RW of an upper entry may then change on the fast path', () => {
    for (const linear of [true, false]) {
      const guest = branch({ linear });
      guest.does(update(F5, 0, F5, P | US));
      expect(guest.does(pin(2, F5))).toBe(linear ? 'ok' : 'EINVAL');
      guest.does(pin(3, F0));
      expect(guest.does(update(F0, 0, F1, P | US), { contend: 0 })).toBe(linear ? 'preempted' : 'ok');
    }
  });

  test('are counted against a parent that has been validated anew meanwhile: its count goes below zero', () => {
    const guest = branch({ vcpus: 2 });
    guest.does(pin(2, F1));
    guest.does(update(F4, 0, F1, P | US));
    guest.does(pin(2, F4));
    expect([guest.model.linearCount(F4), guest.model.linearCount(F1)]).toEqual([1, -1]);
    expect(guest.does(update(F4, 0, 0, 0), { contend: 0 })).toBe('preempted');
    expect(guest.model.deferredParent()).toBe(F4);
    guest.does(unpin(F4), { cpu: 1 });
    guest.does(pin(2, F4), { cpu: 1 });
    expect(guest.resume()).toBe('ok');
    expect([guest.model.linearCount(F4), guest.model.linearCount(F1)]).toEqual([-1, 0]);
    expect(guest.does(update(F4, 0, F1, P | US))).toBe('EINVAL');
  });
});

describe('virtual CPUs', () => {
  test('each hold the base pointer that they start with', () => {
    const guest = new Guest({ vcpus: 3 });
    expect(guest.frame(B4)).toBe('L4 validated pinned TR=4 GR=5');
  });

  test('load the user base pointer until their next operation', () => {
    const guest = new Guest();
    expect(guest.does({ kind: 'iret_user' })).toBe('fault');
    guest.does({ kind: 'new_user_baseptr', mfn: F4 });
    const calls: Request = { kind: 'multicall', items: [{ kind: 'iret_user' }, pin(1, F2)] };
    expect(guest.answers(calls).map(shown)).toEqual(['ok', 'ok', 'none']);
    expect(guest.model.loadedBase()).toBe(F4);
    expect(guest.resume()).toBe('none');
    expect(guest.model.loadedBase()).toBe(B4);
  });

  test('are reset by another one, run nothing while they are down, and come back with new tables', () => {
    const guest = new Guest({ vcpus: 2 });
    const initialise = (mfn: number, user = 0, userMode = false): Request =>
      ({ kind: 'initialise', vcpu: 1, mfn, user, userMode }) as const;
    expect(guest.does(initialise(B4))).toBe('EEXIST');
    expect(guest.does({ kind: 'reset_vcpu', vcpu: 1 }, { cpu: 1 })).toBe('EINVAL');
    expect(guest.does({ kind: 'reset_vcpu', vcpu: 2 })).toBe('EINVAL');
    expect(guest.does({ kind: 'reset_vcpu', vcpu: 1 })).toBe('ok');
    expect(guest.frame(B4)).toBe('L4 validated pinned TR=2 GR=3');
    expect(guest.answers({ kind: 'multicall', items: [pin(1, F2)] }, { cpu: 1 }).map(shown)).toEqual([
      'dead',
      'dead',
    ]);
    expect(guest.does(initialise(B4, 0, true))).toBe('EINVAL');
    expect(guest.does(initialise(B4, F4, true))).toBe('ok');
    expect([guest.model.loadedBase(1), guest.model.kernelBase(1)]).toEqual([F4, B4]);
    expect(guest.does(pin(1, F2), { cpu: 1 })).toBe('ok');
  });

  test('that are interrupted at the user base keep the kernel base waiting; after an error it is forgotten', () => {
    const guest = branch({ vcpus: 2 });
    guest.does(update(F4, 0, F0, TABLE));
    guest.does({ kind: 'reset_vcpu', vcpu: 1 });
    const initialise = (user: number): Request =>
      ({ kind: 'initialise', vcpu: 1, mfn: B4, user, userMode: false }) as const;
    expect(guest.does(initialise(B1))).toBe('EINVAL');
    expect([guest.model.kernelBase(1), guest.model.loadedBase(1)]).toEqual([B4, 0]);
    expect(guest.does(initialise(F4), { preempt: 1 })).toBe('preempted');
    expect([guest.model.lostTypeReferences(B4), guest.model.lostGeneralReferences(B4)]).toEqual([1, 1]);
    expect([guest.model.deferred(1), guest.model.deferredWhole(1), guest.model.kernelBase(1)]).toEqual([
      B4,
      1,
      0,
    ]);
    expect(guest.resume()).toBe('ok');
    expect([guest.model.kernelBase(1), guest.model.userBase(1)]).toEqual([B4, F4]);
    expect(guest.frame(B4)).toBe('L4 validated pinned TR=4 GR=5'); // the pin, two bases and what is lost
  });
});

describe('the TLB', () => {
  const storeCached = (guest: Guest, index: number, mfn: number, flags: number): Request => ({
    kind: 'store_cached',
    va: guest.va(index),
    entry: entry(mfn, flags),
  });

  test('lets stores through that the tables no longer allow, until the frame changes its type', () => {
    const guest = new Guest({ vcpus: 2 });
    guest.does(guest.window(0, F0, P | RW));
    for (const cpu of [0, 1]) expect(guest.does({ kind: 'touch', va: guest.va(0) }, { cpu })).toBe('ok');
    guest.does(guest.window(0, F0, P));
    expect(guest.does(storeCached(guest, 0, F2, P))).toBe('ok');
    expect(guest.model.low(F0, 0)).toBe((F2 << 12) | P);
    guest.does(pin(1, F0));
    expect([guest.model.tlbSize(0), guest.model.tlbSize(1)]).toEqual([0, 0]);
    expect(guest.does(storeCached(guest, 0, F0, P | RW))).toBe('fault'); // emulated now
    expect(guest.does(storeCached(guest, 0, F0, P))).toBe('ok');
    expect([guest.model.tlbSize(), guest.model.tlbFrame(0), guest.model.tlbWritable(0)]).toEqual([1, F0, 0]);
  });

  test('holds sixteen translations, of which the oldest goes first', () => {
    const guest = new Guest();
    for (let i = 0; i <= 16; i++) {
      guest.does(guest.window(i, F0, P));
      guest.does({ kind: 'touch', va: guest.va(i) });
    }
    expect(guest.model.tlbSize()).toBe(16);
    expect([guest.model.tlbLow(0), guest.model.tlbHigh(0)]).toEqual([guest.va(1).low, guest.va(1).high]);
  });

  test('holds no way to an L1 table that another vCPU has taken out of the tables', () => {
    const guest = new Guest({ vcpus: 2 });
    expect(guest.does(guest.window(0, F1, P), { cpu: 1 })).toBe('ok');
    guest.does(update(BOOT_MFN.B2, 1, F5, TABLE));
    expect(guest.does(guest.window(0, F2, P), { cpu: 1 })).toBe('ok');
    expect([guest.model.low(B1, 0) >>> 12, guest.model.low(F5, 0) >>> 12]).toEqual([F1, F2]);
  });
});

describe('the end of the domain', () => {
  test.each(['x86_64', 'x86_32'] as const)(
    'leaves every frame of an %s guest free, wherever it is interrupted',
    (arch) => {
      for (const preempt of [0, 1, 2, 3, 5, undefined]) {
        const guest = branch({ arch, vcpus: 2 });
        guest.does(update(F0, 3, F4, TABLE));
        expect(guest.does(pin(3, F0))).toBe('ok');
        guest.does(update(F5, 0, F5, P | US));
        guest.does(update(F5, 1, F1, P | US));
        expect(guest.does(pin(2, F5))).toBe('ok');
        expect(guest.does(unpin(F0), { preempt: 1, cpu: 1 })).toBe('preempted');
        const environment = preempt === undefined ? {} : { preempt };
        let answer = guest.does({ kind: 'destroy' }, environment);
        if (preempt !== undefined) expect(answer).toBe('preempted');
        for (let i = 0; i < 5000 && answer === 'preempted'; i++) {
          expect(guest.resume()).toBe('dead');
          answer = guest.does({ kind: 'destroy' }, environment);
        }
        expect(answer).toBe('ok');
        expect(ownedFrames(guest.model)).toEqual([]);
        expect(guest.does({ kind: 'destroy' })).toBe('ok');
      }
    },
  );
});
