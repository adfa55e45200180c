import { describe, expect, test } from 'vitest';
import { A, D, P, PSE, US } from '../../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
} from '../../models/x86/page-type.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import { INVARIANTS, scanAll } from '../../properties/index.js';
import { XEN_MFN } from '../../src/program/machine.js';
import { B2, B4, F0, F1, F2, FakeModel, FakeState, GUESTS, machineOf } from './fake-state.js';
import { SPOILED, TABLE, pinnedL1 } from './spoiled-states.js';

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

test.each(SPOILED)('$invariant finds $what', ({ invariant, arch, spoil, message }) => {
  const state = new FakeState(machineOf(arch ?? 'x86_64'));
  spoil(state);
  expect(checkOf(invariant).check(state)).toMatchObject({ invariant, message });
});

test.each(SPOILED)('the tracker, too, finds $what', ({ arch, spoil }) => {
  const model = new FakeModel(machineOf(arch ?? 'x86_64'));
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
    state.deferredTable = F0;
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
    state.deferredTable = F0;
    expect(scanAll(state)).toEqual([]);
  });

  test('an L3 that a 32-bit guest has replaced keeps both references', () => {
    const state = new FakeState(machineOf('x86_32'));
    state.makeTable(F0, TYPE_L3);
    state.hold(F0, 1, 1);
    state.makeTable(F1, TYPE_L2);
    state.infos[F1] |= INFO_PAE_XEN_L2;
    state.map(F0, TYPE_L3, 3, F1, TABLE);
    state.put(F1, 428, XEN_MFN, P | PSE | A | D);
    state.deferredTable = F0;
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
