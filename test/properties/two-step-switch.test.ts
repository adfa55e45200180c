import { describe, expect, test } from 'vitest';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { RW } from '../../models/x86/entry.js';
import { EINVAL, FAULT, OK } from '../../models/x86/result.js';
import { compareChanges } from '../../properties/agreement.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import { scan } from '../../properties/index.js';
import {
  isAccepted,
  NEW_PMD,
  NEW_ROOT,
  OLD_PMD,
  OLD_ROOT,
  orders,
  PROLOGUE,
  secondPass,
  type Step,
  STEP_NAMES,
  STEPS,
} from '../../properties/two-step-switch.js';
import { machineOf } from '../../src/generate/machines.js';
import { stream } from '../../src/generate/streams.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type MachineOptions } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { encode } from '../../src/program/codec.js';
import { RECORD } from '../../src/program/record.js';

const OPTIONS: MachineOptions = {
  arch: 'x86_32',
  hardwareDomain: false,
  writablePagetables: true,
  paeXenSlot: 428,
  debugBuild: false,
  quirks: 'shipped',
  vcpus: 1,
  linear: true,
};
const machine = machineOf(OPTIONS);
const results = new Int32Array(64);

function encoded(operations: readonly Operation[]): Int32Array {
  const code: number[] = [];
  for (const operation of operations) encode(operation, code);
  return Int32Array.from(code);
}

const prologue = encoded(PROLOGUE);
const codeOf = Object.fromEntries(STEP_NAMES.map((step) => [step, encoded(STEPS[step])])) as Record<
  Step,
  Int32Array
>;

/** Runs the operations; whether all of them succeeded. */
function succeeds(model: Model, code: Int32Array, tracker?: Tracker): boolean {
  let all = true;
  for (let at = 0; at < code.length; at += RECORD) {
    model.run(code, at, results);
    if (results[at / RECORD] !== OK) all = false;
    const violation = tracker?.step();
    if (violation) expect.fail(violation.message);
  }
  return all;
}

function answerOf(model: Model, operation: Operation): number {
  model.run(encoded([operation]), 0, results);
  return results[0]!;
}

/** Runs the steps in this order from where the prologue leaves; whether Xen accepts them all. */
function accepts(model: Model, order: readonly Step[], tracker?: Tracker): boolean {
  if (!succeeds(model, prologue, tracker)) expect.fail('the prologue is refused');
  let all = true;
  for (const step of order) if (!succeeds(model, codeOf[step], tracker)) all = false;
  return all;
}

describe('the switch to swapper_pg_dir', () => {
  test('succeeds in exactly the orders in which every page is read-only before it is a table and stays so', () => {
    const model = new OptimizedModel();
    model.start(machine);
    let accepted = 0;
    for (const order of orders(STEP_NAMES)) {
      model.reset();
      const all = accepts(model, order);
      if (all !== isAccepted(order)) expect.fail(`${order.join(', ')}: ${all ? 'accepted' : 'refused'}`);
      if (all) accepted++;
    }
    expect(accepted).toBeGreaterThan(0);
  });

  test('breaks no invariant in any order, and both models agree', () => {
    const reference = new ReferenceModel();
    const optimized = new OptimizedModel();
    const tracker = new Tracker(optimized);
    for (const model of [reference, optimized]) model.start(machine);
    tracker.start();
    const draw = stream('two-step switch orders');
    for (let i = 0; i < 3000; i++) {
      for (const model of [reference, optimized, tracker]) model.reset();
      const order = STEP_NAMES.toSorted(() => draw.below(3) - 1);
      const all = accepts(optimized, order, tracker);
      expect(accepts(reference, order)).toBe(all);
      expect(compareChanges(reference, optimized)).toBeUndefined();
    }
  });

  test('leaves the new root pinned and loaded and the old pages writable and unused', () => {
    const model = new OptimizedModel();
    model.start(machine);
    expect(accepts(model, STEP_NAMES)).toBe(true);
    expect(model.kernelBase()).toBe(NEW_ROOT);
    expect(model.typeCount(NEW_ROOT)).toBe(2);
    expect(model.typeCount(NEW_PMD)).toBe(1);
    for (const mfn of [OLD_ROOT, OLD_PMD]) {
      expect(model.low(BOOT_MFN.B1, mfn - FIRST_FRAME_MFN) & RW).toBe(RW);
      expect(model.typeCount(mfn)).toBe(1);
    }
  });
});

describe('the cloned pointer to the kernel L2 that is left as it is', () => {
  const shared = [...STEPS.readOnlyRoot, ...STEPS.loadRoot, ...STEPS.pinRoot];

  test.each(['reference', 'optimized'])('is refused on loading and on pinning by the %s model', (name) => {
    const model = name === 'reference' ? new ReferenceModel() : new OptimizedModel();
    model.start(machine);
    accepts(model, []);
    expect(shared.map((operation) => answerOf(model, operation))).toEqual([OK, EINVAL, EINVAL]);
    expect(model.kernelBase()).toBe(OLD_ROOT);
    expect(model.lostTypeReferences(OLD_PMD)).toBe(2);
    expect(scan(model)).toBeUndefined();
  });

  test('loses no reference in a Xen without the leak', () => {
    const model = new OptimizedModel();
    model.start(machineOf({ ...OPTIONS, quirks: 'intended' }));
    accepts(model, ['readOnlyRoot', 'loadRoot', 'pinRoot']);
    expect(model.lostTypeReferences(OLD_PMD)).toBe(0);
    expect(model.typeCount(OLD_PMD)).toBe(1);
  });
});

describe('the two passes of the direct map', () => {
  const draw = stream('two-pass direct map');
  const tables = () =>
    new Set([4, 5, 6, 7].filter(() => draw.below(2) === 0).map((index) => FIRST_FRAME_MFN + index));

  function start(pinned: ReadonlySet<number>): OptimizedModel {
    const model = new OptimizedModel();
    model.start(machine);
    accepts(model, []);
    expect(succeeds(model, encoded([...pinned].flatMap(becomesTable)))).toBe(true);
    return model;
  }

  function becomesTable(mfn: number): Operation[] {
    const readOnly = secondPass(8, new Set([mfn]), true)[mfn - FIRST_FRAME_MFN]!;
    return [readOnly, { kind: 'pin', level: 1, mfn }];
  }

  test('succeed when slots that are read-only stay so', () => {
    for (let i = 0; i < 50; i++) {
      const pinned = new Set([...tables(), OLD_PMD, OLD_ROOT]);
      const model = start(new Set([...pinned].filter((mfn) => mfn >= FIRST_FRAME_MFN + 4)));
      expect(secondPass(8, pinned, true).map((store) => answerOf(model, store))).toEqual(Array(8).fill(OK));
    }
  });

  test('fault at each page that became a table when the second pass asks for writable again, and change nothing there', () => {
    for (let i = 0; i < 50; i++) {
      const pinned = tables();
      const model = start(pinned);
      const inUse = new Set([...pinned, OLD_PMD, OLD_ROOT]);
      secondPass(8, pinned, false).forEach((store, index) => {
        const isTable = inUse.has(FIRST_FRAME_MFN + index);
        expect(answerOf(model, store)).toBe(isTable ? FAULT : OK);
        if (isTable) expect(model.low(BOOT_MFN.B1, index) & RW).toBe(0);
      });
      expect(scan(model)).toBeUndefined();
    }
  });
});
