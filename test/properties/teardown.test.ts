import { describe, expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { P, RW, US, entry } from '../../models/x86/entry.js';
import { TYPE_L1, TYPE_L2, TYPE_L3, TYPE_L4, type Level } from '../../models/x86/page-type.js';
import { EINVAL, OK, PREEMPTED } from '../../models/x86/result.js';
import { scan } from '../../properties/index.js';
import { teardown } from '../../properties/teardown.js';
import { standardMachine, type Machine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode, encode } from '../../src/program/codec.js';
import { RECORD } from '../../src/program/record.js';
import { B1, B2, B3, F0, F1, F2, FakeModel, machineOf } from './fake-state.js';
import { RandomOperations } from './random-operations.js';

const F3 = F0 + 3;
const TABLE = P | RW | US;

function run(model: OptimizedModel, operation: Operation): number {
  const code: number[] = [];
  encode(operation, code);
  const results = new Int32Array(code.length / RECORD);
  model.run(Int32Array.from(code), 0, results);
  return results[0] & 0xff;
}

function write(model: OptimizedModel, mfn: number, slot: number, to: number, flags: number): number {
  return run(model, { kind: 'mmu_update', command: 'normal', mfn, slot, entry: entry(to, flags) });
}

/** Writes F0.., whose windows are taken away, before they are tables. */
function tables(machine: Machine): OptimizedModel {
  const model = new OptimizedModel();
  model.start(machine);
  for (let window = 0; window < machine.frames; window++) expect(write(model, B1, window, 0, 0)).toBe(OK);
  return model;
}

function pin(model: OptimizedModel, level: Level, mfn: number): number {
  return run(model, { kind: 'pin', level, mfn });
}

describe.each(['x86_64', 'x86_32'] as const)('after random operations on %s', (arch) => {
  const machine = machineOf(arch, 8);

  test('teardown gives every frame back, and breaks no invariant', () => {
    const model = new OptimizedModel();
    model.start(machine);
    let windows = 0;
    for (let i = 0; i < 300; i++) {
      const random = new RandomOperations(`teardown ${arch} ${i}`, machine);
      for (const operation of random.opening()) run(model, operation);
      for (let step = 0; step < 100; step++) run(model, random.next());
      const result = teardown(model);
      expect(result.violation).toBeUndefined();
      expect(scan(model)).toBeUndefined();
      if (result.windows) windows++;
      model.reset();
    }
    expect(windows).toBeGreaterThan(250);
  });
});

test('teardown resumes an L2 that a failed validation has lost', () => {
  const model = tables(machineOf('x86_64', 5));
  write(model, F0, 5, F1, TABLE);
  write(model, F1, 0, F2, TABLE);
  write(model, F2, 1, F0 + 4, TABLE);
  write(model, F2, 3, F3, TABLE);
  write(model, B1, 9, F3, TABLE);
  expect(pin(model, TYPE_L4, F0)).toBe(EINVAL);
  expect(model.typeCount(F2)).toBe(1);
  expect(teardown(model)).toEqual({ excepted: [], windows: true });
  expect(model.typeCount(F2)).toBe(1);
  expect(model.lostGeneralReferences(F2)).toBe(1);
});

test('teardown excepts a slot-3 L2 with lost references, and reports it', () => {
  const model = tables(machineOf('x86_32'));
  write(model, F0, 3, F1, TABLE);
  write(model, F2, 3, F1, TABLE);
  expect(pin(model, TYPE_L3, F0)).toBe(OK);
  expect(pin(model, TYPE_L3, F2)).toBe(EINVAL);
  expect(teardown(model)).toEqual({ excepted: [F1], windows: true });
});

test('teardown restores a boot pagetable that the guest has taken apart', () => {
  const model = tables(machineOf('x86_64'));
  write(model, F0, 272, B3, TABLE);
  expect(pin(model, TYPE_L4, F0)).toBe(OK);
  expect(run(model, { kind: 'new_baseptr', mfn: F0 })).toBe(OK);
  write(model, B2, 1, 0, 0);
  expect(pin(model, TYPE_L1, B1)).toBe(OK);
  write(model, B3, 510, 0, 0);
  expect(pin(model, TYPE_L2, B2)).toBe(OK);
  expect(teardown(model)).toEqual({ excepted: [], windows: true });
});

test('teardown cannot map frames again when a boot table has been given back to Xen', () => {
  const model = tables(machineOf('x86_64'));
  write(model, B2, 1, 0, 0);
  expect(run(model, { kind: 'release', mfn: B1 })).toBe(OK);
  expect(teardown(model)).toEqual({ excepted: [], windows: false });
});

test('a frame that keeps its type is a violation', () => {
  class Stuck extends OptimizedModel {
    override typeCount(mfn: number): number {
      return super.typeCount(mfn) + (mfn === F0 ? 1 : 0);
    }
  }
  const model = new Stuck();
  model.start(standardMachine(machineOf('x86_64'), 4));
  for (let window = 0; window < 4; window++) write(model, B1, window, 0, 0);
  pin(model, TYPE_L2, F0);
  expect(teardown(model).violation).toEqual({
    invariant: 'teardown',
    message: 'F0 is still L2 with type count 1 after the guest has given up everything.',
    frame: F0,
  });
});

test('a vCPU that is up gives everything up, after the others have been reset in as many turns as it takes', () => {
  class Recording extends FakeModel {
    readonly resets: string[] = [];
    override run(code: Int32Array, at: number, results: Int32Array): void {
      const { kind, cpu = 0, ...more } = decode(code, at);
      if (kind !== 'reset_vcpu') expect(cpu).toBe(1);
      else this.resets.push(`cpu${cpu}: ${JSON.stringify(more)}`);
      results[at / RECORD] = this.resets.length === 1 ? PREEMPTED : OK;
    }
  }
  const model = new Recording(machineOf('x86_64', 4, { vcpus: 3 }));
  model.cpu0.loaded = 0;
  teardown(model);
  expect(model.resets).toEqual(['cpu1: {"vcpu":0}', 'cpu1: {"vcpu":0}', 'cpu1: {"vcpu":2}']);
});
