import { describe, expect, test } from 'vitest';
import { A, D, G, P, PSE, US } from '../../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_VALIDATED,
  TYPE_L1,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
} from '../../models/x86/page-type.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import { INVARIANTS, scanAll } from '../../properties/index.js';
import { XEN_MFN } from '../../src/program/machine.js';
import { zeroAfterTeardown } from '../../properties/dead-domain.js';
import { B2, B4, F0, F1, F2, FakeModel, FakeState, GUESTS, machineOf } from './fake-state.js';
import { TABLE, defer, destroyed, partial, pinnedL1 } from './spoiled-later.js';
import { SPOILED } from './spoiled-states.js';

/** A frame of the guest's that has been given back. */
const GUESTS_FRAME = GUESTS & ~INFO_ALLOCATED;

function checkOf(name: string) {
  return INVARIANTS.find((invariant) => invariant.name === name)!;
}

describe.each(['x86_64', 'x86_32'] as const)('the boot state of %s', (arch) => {
  test('violates no invariant', () => {
    expect(scanAll(new FakeState(machineOf(arch)))).toEqual([]);
  });
});

describe('every invariant', () => {
  test.each(INVARIANTS.map((invariant) => invariant.name))(
    '%s is seen to fail in some test below',
    (name) => {
      expect(SPOILED.map((spoiled) => spoiled.invariant)).toContain(name);
    },
  );

  test.each(INVARIANTS)('$name says in one sentence what it means and why it matters', ({ meaning, why }) => {
    expect(meaning).toMatch(/^[A-Z][^.]*\.$/);
    expect(why).toMatch(/\.$/);
  });
});

test.each(SPOILED)('$invariant finds $what', ({ invariant, arch, vcpus, spoil, message }) => {
  const state = new FakeState(machineOf(arch ?? 'x86_64', 4, { vcpus: vcpus ?? 1 }));
  spoil(state);
  expect(checkOf(invariant).check(state)).toMatchObject({ invariant, message });
});

test.each(SPOILED)('the tracker, too, finds $what', ({ arch, vcpus, spoil }) => {
  const model = new FakeModel(machineOf(arch ?? 'x86_64', 4, { vcpus: vcpus ?? 1 }));
  const tracker = new Tracker(model);
  expect(tracker.start()).toBeUndefined();
  spoil(model);
  const found = tracker.step();
  expect(scanAll(model).map((violation) => violation.invariant)).toContain(found?.invariant);
  expect(new Tracker(model).start()).toBeDefined();
});

describe('what failed validations leave behind', () => {
  test('a stuck partial L2 keeps the references of the slots that were validated', () => {
    const state = new FakeState(machineOf('x86_64'));
    pinnedL1(state, F1);
    state.makeTable(F0, TYPE_L2);
    state.infos[F0] = GUESTS | TYPE_L2 | INFO_PARTIAL;
    state.froms[F0] = 3;
    state.hold(F0, 1, 2);
    state.lostGenerals[F0] = 1;
    state.map(F0, TYPE_L2, 2, F1, TABLE);
    state.put(F0, 3, F2, TABLE);
    expect(scanAll(state)).toEqual([]);
  });

  test('a slot-3 L2 may have lost references', () => {
    const state = new FakeState(machineOf('x86_32'));
    state.hold(B2, 2, 2);
    state.lostTypes[B2] = 2;
    state.lostGenerals[B2] = 2;
    expect(scanAll(state)).toEqual([]);
  });

  test('a deferred partial table keeps the reference of whoever asked for it', () => {
    const state = new FakeState(machineOf('x86_64'));
    state.makeTable(F0, TYPE_L4);
    state.infos[F0] = GUESTS | TYPE_L4 | INFO_PARTIAL;
    state.froms[F0] = 8;
    state.hold(F0, 1, 2);
    state.cpu0.deferred = F0;
    expect(scanAll(state)).toEqual([]);
  });

  test('a partial table holds the child that was handed over by its general reference only', () => {
    const state = new FakeState(machineOf('x86_64'));
    for (const [mfn, level, from] of [
      [F0, TYPE_L4, 8],
      [F1, TYPE_L3, 2],
    ] as const) {
      state.makeTable(mfn, level);
      state.infos[mfn] = GUESTS | level | INFO_PARTIAL;
      state.froms[mfn] = from;
      state.hold(mfn, 1, 2);
    }
    state.infos[F0] |= INFO_HANDED;
    state.put(F0, 8, F1, TABLE);
    state.cpu0.deferred = F0;
    expect(scanAll(state)).toEqual([]);
  });

  test('an L3 that a 32-bit guest has replaced keeps both references', () => {
    const state = new FakeState(machineOf('x86_32'));
    state.makeTable(F0, TYPE_L3);
    state.makeTable(F1, TYPE_L2);
    state.infos[F1] |= INFO_PAE_XEN_L2;
    state.map(F0, TYPE_L3, 3, F1, TABLE);
    state.put(F1, 428, XEN_MFN, P | PSE | A | D);
    defer(state, F0, 1);
    expect(scanAll(state)).toEqual([]);
  });
});

test('linear entries, shared by count and read-only, are legal', () => {
  const state = new FakeState(machineOf('x86_64'));
  for (const mfn of [F0, F1]) {
    state.makeTable(mfn, TYPE_L2);
    state.pin(mfn);
  }
  state.map(F0, TYPE_L2, 0, F1, P | US);
  state.map(F0, TYPE_L2, 1, F0, P | US);
  state.linears[F0] = 1;
  state.linears[F1] = -1;
  expect(scanAll(state)).toEqual([]);
});

test('a frame that was given back while in use is legal until its last reference goes', () => {
  const state = new FakeState(machineOf('x86_64'));
  state.infos[F0] &= ~INFO_ALLOCATED;
  state.hold(F0, 0, -1);
  expect(scanAll(state)).toEqual([]);
});

test('the walk does not follow Xen’s supervisor entries, at whatever level a linear entry brings them', () => {
  const state = new FakeState(machineOf('x86_64'));
  state.put(B4, 5, B4, P | US | A);
  expect(scanAll(state)).toEqual([]);
});

describe('between the steps of an interrupted hypercall, it is legal that', () => {
  test('a partial table has stopped in slot 0, whose child keeps its general reference', () => {
    const state = new FakeState(machineOf('x86_64'));
    partial(state, F0, TYPE_L4, 0);
    state.infos[F0] |= INFO_HANDED;
    state.put(F0, 0, F1, TABLE);
    partial(state, F1, TYPE_L3, 511);
    state.hold(F1, 0, 1);
    expect(scanAll(state)).toEqual([]);
  });

  test('a table that was to be finished is in use again', () => {
    const state = new FakeState(machineOf('x86_64'));
    pinnedL1(state);
    defer(state, F0, 0);
    expect(scanAll(state)).toEqual([]);
  });

  test('two vCPUs are to finish the same table', () => {
    const state = new FakeState(machineOf('x86_64', 4, { vcpus: 2 }));
    partial(state, F0, TYPE_L2, 7);
    defer(state, F0, 0, 0, 0);
    defer(state, F0, 0, 0, 1);
    expect(scanAll(state)).toEqual([]);
  });

  test('a linear table waits, and counts as an entry of its parent as long as that is of its level', () => {
    const state = new FakeState(machineOf('x86_64'));
    for (const mfn of [F0, F1]) state.makeTable(mfn, TYPE_L2);
    // The parent has been released meanwhile.
    state.infos[F0] = GUESTS | TYPE_L2;
    defer(state, F1, 1, F0);
    state.linears[F0] = 1;
    state.linears[F1] = -1;
    expect(scanAll(state)).toEqual([]);
    state.infos[F0] = GUESTS | TYPE_L3;
    expect(scanAll(state).map(({ message }) => message)).toEqual([
      'F0 has linear count 1, but its linear entries make it 0.',
    ]);
  });
});

describe('of several vCPUs', () => {
  test('one may be down, with or without base pointers', () => {
    const state = new FakeState(machineOf('x86_64', 4, { vcpus: 2 }));
    state.cpus[1].loaded = 0;
    expect(scanAll(state)).toEqual([]);
    state.stop(1);
    expect(scanAll(state)).toEqual([]);
  });

  test('one may run in user mode', () => {
    const state = new FakeState(machineOf('x86_64', 4, { vcpus: 2 }));
    state.makeTable(F0, TYPE_L4);
    state.fillXenSlots(F0);
    state.hold(F0, 1, 1);
    state.cpus[1].user = state.cpus[1].loaded = F0;
    expect(scanAll(state)).toEqual([]);
  });
});

test.each([
  ['a frame that can only be read', B4, 0],
  ['a data page', F1, 1],
  ['a frame that is nobody’s any more', 0x180, 1],
  ['an I/O frame', 0, 1],
  ['a frame beyond memory', 0x99999, 1],
])('the TLB may hold %s', (_, mfn, writable) => {
  const state = new FakeState(machineOf('x86_64'));
  state.translate(mfn, writable);
  expect(scanAll(state)).toEqual([]);
});

describe('when a domain is destroyed', () => {
  function dead(): FakeState {
    const state = new FakeState(machineOf('x86_64'));
    destroyed(state);
    return state;
  }

  test('nothing is left', () => {
    expect(scanAll(dead())).toEqual([]);
    expect(zeroAfterTeardown(dead())).toBeUndefined();
  });

  test('tables are taken apart that others still name, and may be partial with several references', () => {
    const state = new FakeState(machineOf('x86_64'));
    for (const mfn of [F0, F1]) state.makeTable(mfn, TYPE_L2);
    state.pin(F0);
    state.map(F0, TYPE_L2, 0, F1, P | US);
    state.linears[F0] = 1;
    state.linears[F1] = -1;
    state.infos[F1] = GUESTS | TYPE_L2;
    expect(scanAll(state).map(({ invariant }) => invariant)).toEqual(['table-tree', 'legal-state']);
    state.dies = 1;
    expect(scanAll(state)).toEqual([]);
    state.infos[F1] |= INFO_PARTIAL;
    state.froms[F1] = 4;
    state.hold(F1, 1, 1);
    expect(scanAll(state)).toEqual([]);
  });

  test('lost references stay, and what an L1 table that they keep maps', () => {
    const state = dead();
    state.infos[F0] = GUESTS_FRAME | TYPE_L1 | INFO_VALIDATED;
    state.infos[F1] = GUESTS_FRAME;
    state.hold(F0, 1, 1);
    state.lostTypes[F0] = state.lostGenerals[F0] = 1;
    state.map(F0, TYPE_L1, 0, F1, P | US | G);
    expect(scanAll(state)).toEqual([]);
    expect(zeroAfterTeardown(state)).toBeUndefined();
  });

  test.each<readonly [string, (state: FakeState) => void, string]>([
    ['is not dying', (state) => (state.dies = 0), '0x0 is of a domain that is not dying.'],
    ['has a base pointer', (state) => (state.cpu0.base = F0), 'F0 is still held by vCPU 0.'],
    ['has a table that waits', (state) => (state.cpu0.deferred = F1), 'F1 is still held by vCPU 0.'],
    ['has a GDT', (state) => state.cpu0.gdt.push(F2), 'F2 is still held by vCPU 0.'],
    ['has an LDT', (state) => state.cpu0.ldt.set(15, F2), 'F2 is still held by vCPU 0.'],
    ['has a frame allocated', (state) => state.give(F0), 'F0 is still allocated.'],
    [
      'has a frame that nothing refers to',
      (state) => (state.infos[F0] = GUESTS_FRAME),
      'F0 is still the domain’s, although nothing refers to it.',
    ],
    [
      'has a validated table',
      (state) => {
        state.infos[F0] = GUESTS_FRAME | TYPE_L2 | INFO_VALIDATED;
        state.hold(F0, 1, 1);
      },
      'F0 is still a validated L2.',
    ],
    [
      'has a partial table',
      (state) => {
        state.infos[F0] = GUESTS_FRAME | TYPE_L2 | INFO_PARTIAL;
        state.hold(F0, 1, 1);
      },
      'F0 is still a partial L2.',
    ],
  ])('it is not done with a domain that %s', (_, spoil, message) => {
    const state = dead();
    spoil(state);
    expect(zeroAfterTeardown(state)?.message).toBe(message);
  });
});
