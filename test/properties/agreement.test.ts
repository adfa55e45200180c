import { expect, test } from 'vitest';
import { P } from '../../models/x86/entry.js';
import { compareChanges, compareStates } from '../../properties/agreement.js';
import { B1, F0, F1, FakeModel, FakeState, machineOf } from './fake-state.js';

const machine = machineOf('x86_64');

const SPOILED: readonly (readonly [what: string, spoil: (state: FakeState) => void, message: string])[] = [
  [
    'a type count',
    (state) => state.hold(F0, 1, 0),
    'F0: type count is 1 in the reference model, 2 in the optimized one.',
  ],
  [
    'a general count',
    (state) => state.hold(F0, 0, -1),
    'F0: general count is 2 in the reference model, 1 in the optimized one.',
  ],
  [
    'an information word',
    (state) => {
      state.infos[F1] = 0;
    },
    'F1: information word is 791 (0x317) in the reference model, 0 in the optimized one.',
  ],
  [
    'a linear count',
    (state) => {
      state.linears[B1] = -1;
    },
    'B1: linear count is 0 in the reference model, -1 (0xffffffff) in the optimized one.',
  ],
  [
    'a lost reference',
    (state) => {
      state.lostTypes[B1] = 1;
    },
    'B1: lost type references is 0 in the reference model, 1 in the optimized one.',
  ],
  [
    'an entry',
    (state) => state.put(B1, 300, 0, P),
    'B1[300]: entry low word is 0 in the reference model, 1 in the optimized one.',
  ],
  [
    'the upper half of an entry',
    (state) => state.put(F0, 0, 2 ** 20, 0),
    'F0[0]: entry high word is 0 in the reference model, 1 in the optimized one.',
  ],
  [
    'the user base',
    (state) => {
      state.cpu0.user = 5;
    },
    'user base pointer is 0 in the reference model, 5 in the optimized one.',
  ],
  [
    'the deferred table',
    (state) => {
      state.cpu0.deferred = 5;
    },
    'deferred table is 0 in the reference model, 5 in the optimized one.',
  ],
  [
    'the GDT',
    (state) => state.cpu0.gdt.push(F0),
    'GDT frames is 0 in the reference model, 1 in the optimized one.',
  ],
];

test('a state agrees with itself', () => {
  expect(compareStates(new FakeState(machine), new FakeState(machine))).toBeUndefined();
  expect(compareChanges(new FakeModel(machine), new FakeModel(machine))).toBeUndefined();
});

test.each(SPOILED)(
  'a difference in %s is found in the whole states and in what changed',
  (_, spoil, message) => {
    const reference = new FakeModel(machine);
    const optimized = new FakeModel(machine);
    spoil(optimized);
    expect(compareStates(reference, optimized)?.message).toBe(message);
    expect(compareChanges(reference, optimized)?.message).toBe(message);
  },
);

test('a GDT or LDT of other frames is a difference', () => {
  const [reference, optimized] = [new FakeState(machine), new FakeState(machine)];
  reference.cpu0.gdt.push(F0);
  optimized.cpu0.gdt.push(F1);
  expect(compareStates(reference, optimized)).toMatchObject({
    what: 'GDT frame 0',
    reference: F0,
    optimized: F1,
  });
  optimized.cpu0.gdt[0] = F0;
  reference.cpu0.ldt.set(0, F0);
  optimized.cpu0.ldt.set(1, F0);
  expect(compareStates(reference, optimized)).toMatchObject({
    what: 'LDT frame 0',
    reference: F0,
    optimized: 0,
  });
});

test.each<readonly [string, (state: FakeState) => void]>([
  ['loaded base pointer', (state) => (state.cpus[1].loaded = F0)],
  ['whether a call is interrupted', (state) => (state.cpus[1].interrupted = 1)],
  ['whether the deferred table is whole', (state) => (state.cpus[1].whole = 0)],
  ['parent of the deferred table', (state) => (state.cpus[1].parent = 0)],
  ['number of TLB entries', (state) => state.translate(F1, 0, 1)],
  [
    'address low word of TLB entry 0',
    (state) => (state.cpus[1].tlb[0] = { ...state.cpus[1].tlb[0], low: 1 }),
  ],
  [
    'address high word of TLB entry 0',
    (state) => (state.cpus[1].tlb[0] = { ...state.cpus[1].tlb[0], high: 1 }),
  ],
  ['frame of TLB entry 0', (state) => (state.cpus[1].tlb[0] = { ...state.cpus[1].tlb[0], mfn: F1 })],
  [
    'write permission of TLB entry 0',
    (state) => (state.cpus[1].tlb[0] = { ...state.cpus[1].tlb[0], writable: 0 }),
  ],
])('a difference in the %s of another vCPU is found in both comparisons', (what, spoil) => {
  const several = machineOf('x86_64', 4, { vcpus: 2 });
  const [reference, optimized] = [new FakeModel(several), new FakeModel(several)];
  for (const state of [reference, optimized]) {
    state.translate(F0, 1, 1);
    Object.assign(state.cpus[1], { deferred: F0, whole: 1, parent: F1 });
  }
  expect(compareChanges(reference, optimized)).toBeUndefined();
  spoil(optimized);
  expect(compareStates(reference, optimized)?.what).toBe(`${what} of vCPU 1`);
  expect(compareChanges(reference, optimized)?.what).toBe(`${what} of vCPU 1`);
});

test('it is a difference that only one domain is dying', () => {
  const [reference, optimized] = [new FakeModel(machine), new FakeModel(machine)];
  optimized.dies = 1;
  expect(compareStates(reference, optimized)?.what).toBe('whether the domain is dying');
  expect(compareChanges(reference, optimized)?.what).toBe('whether the domain is dying');
});

test('a slot that only one of the models names is compared', () => {
  const reference = new FakeModel(machine);
  const optimized = new FakeModel(machine);
  optimized.put(F1, 17, 3, P);
  reference.changes.clear();
  optimized.changes.clear();
  expect(compareChanges(reference, optimized)).toBeUndefined();
  reference.changes.slot(F1, 17);
  expect(compareChanges(reference, optimized)).toMatchObject({ frame: F1, slot: 17 });
});

test('contents of frames that are not the guest’s do not matter', () => {
  const [reference, optimized] = [new FakeState(machine), new FakeState(machine)];
  optimized.put(0x180, 0, 3, P);
  expect(compareStates(reference, optimized)).toBeUndefined();
});
