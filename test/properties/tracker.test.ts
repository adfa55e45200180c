import { describe, expect, test } from 'vitest';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { Changes } from '../../models/x86/changes.js';
import { G, P, RW, US, lowWord } from '../../models/x86/entry.js';
import { INFO_PINNED, INFO_VALIDATED } from '../../models/x86/page-type.js';
import { scan, scanAll } from '../../properties/index.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import type { Operation } from '../../src/program/operation.js';
import { encode } from '../../src/program/codec.js';
import { RECORD } from '../../src/program/record.js';
import { B1, B3, F0, machineOf } from './fake-state.js';
import { RandomOperations } from './random-operations.js';
import { RandomStates, featuresOf } from './random-states.js';

const ARCHES = ['x86_64', 'x86_32'] as const;
const FRAMES = 8;

function run(model: Model, operation: Operation): void {
  const code: number[] = [];
  encode(operation, code);
  model.run(Int32Array.from(code), 0, new Int32Array(code.length / RECORD));
}

function program(seed: string, machine: Model['machine'], length: number): Operation[] {
  const random = new RandomOperations(seed, machine);
  const operations = random.opening();
  while (operations.length < length) operations.push(random.next());
  return operations;
}

describe.each(ARCHES)('on %s', (arch) => {
  const machine = machineOf(arch, FRAMES);

  test('neither the tracker nor the scan finds anything in the unspoiled model, after any operation', () => {
    const model = new OptimizedModel();
    model.start(machine);
    const tracker = new Tracker(model);
    expect(tracker.start()).toBeUndefined();
    for (let i = 0; i < 40; i++) {
      for (const operation of program(`clean ${arch} ${i}`, machine, 100)) {
        run(model, operation);
        expect(tracker.step()).toBeUndefined();
        expect(scan(model)).toBeUndefined();
      }
      model.reset();
      tracker.reset();
    }
  });

  test('a tracker that was reset knows what one that has just started knows', () => {
    const model = new OptimizedModel();
    model.start(machine);
    const tracker = new Tracker(model);
    tracker.start();
    for (let i = 0; i < 200; i++) {
      for (const operation of program(`reset ${arch} ${i}`, machine, 60)) {
        run(model, operation);
        expect(tracker.step()).toBeUndefined();
      }
      model.reset();
      tracker.reset();
      expect(tracker.step()).toBeUndefined();
    }
  });

  test('the tracker finds a spoiled state exactly when the scan does', () => {
    let found = 0;
    for (let i = 0; i < 400; i++) {
      const model = new SpoiledModel();
      model.start(machine);
      const tracker = new Tracker(model);
      tracker.start();
      for (const operation of program(`spoiled ${arch} ${i}`, machine, 40)) {
        run(model, operation);
        expect(tracker.step()).toBeUndefined();
      }
      model.spoil(i);
      run(model, { kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false });
      const violation = tracker.step();
      const scanned = scanAll(model);
      expect(violation === undefined).toBe(scanned.length === 0);
      if (violation) {
        found++;
        // Where one number is wrong, several invariants can say so: the same one, or another of the same frame.
        expect(
          scanned.some((one) => one.invariant === violation.invariant || one.frame === violation.frame),
        ).toBe(true);
      }
    }
    expect(found).toBeGreaterThan(200);
  });
});

/** What a run of states made by hand must have met. */
const FEATURES = [
  'GDT',
  'TLB',
  'deferred linear',
  'deferred partial',
  'deferred whole',
  'dying',
  'handed',
  'partial',
  'user mode',
];

test.each([1, 2])(
  'between the steps of interrupted hypercalls, with %i vCPUs, the tracker finds a violation exactly when the scan does',
  (vcpus) => {
    const machine = machineOf('x86_64', 6, { vcpus });
    const [reached, violated] = [new Map<string, number>(), new Map<string, number>()];
    for (let i = 0; i < 25; i++) {
      const states = new RandomStates(`between ${vcpus} ${i}`, machine);
      let trackers = [new Tracker(states), new Tracker(states)] as const;
      for (const tracker of trackers) expect(tracker.start()).toBeUndefined();
      for (let step = 0; step < 100; step++) {
        states.step();
        const scanned = scanAll(states);
        const found = trackers.map((tracker, several) => tracker.step(several === 1));
        for (const violation of found) expect(violation === undefined).toBe(scanned.length === 0);
        if (scanned.length > 0) {
          count(violated, found[0]!.invariant);
          states.undo();
          trackers = [new Tracker(states), new Tracker(states)];
          for (const tracker of trackers) expect(tracker.start()).toBeUndefined();
        } else {
          for (const feature of featuresOf(states)) count(reached, feature);
        }
      }
    }
    expect([...reached.keys()].sort()).toEqual(FEATURES);
    expect(violated.size).toBeGreaterThan(8);
  },
);

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** A model that lies, from its next operation on, about one number, and names the frame among the changes. */
class SpoiledModel extends OptimizedModel {
  private lie = '';
  private lying = false;
  private frame = 0;
  private slot = 0;
  private value = 0;
  private readonly named = new Changes();

  /** Chooses one of many lies. */
  spoil(choice: number): void {
    const lies = ['type', 'general', 'linear', 'info', 'entry', 'base', 'user', 'lost'];
    this.lie = lies[choice % lies.length];
    const step = Math.floor(choice / lies.length);
    const candidates = [
      F0 + (step % FRAMES),
      this.machine.start.tables[step % this.machine.start.tables.length].mfn,
    ];
    this.frame = candidates[Math.floor(step / 3) % 2];
    this.slot = step % 5;
    this.value = step;
  }

  override run(code: Int32Array, at: number, results: Int32Array): void {
    super.run(code, at, results);
    if (this.lie !== '') this.lying = true;
  }

  override get changes(): Changes {
    if (!this.lying) return super.changes;
    const { named } = this;
    named.clear();
    const { frames, frameCount, slots, slotCount } = super.changes;
    for (let i = 0; i < frameCount; i++) named.frame(frames[i]);
    for (let i = 0; i < slotCount; i++) named.slot(slots[2 * i], slots[2 * i + 1]);
    named.frame(this.frame);
    named.slot(this.frame, this.slot);
    return named;
  }

  private lies(lie: string, mfn = this.frame): boolean {
    return this.lying && this.lie === lie && mfn === this.frame;
  }

  override typeCount(mfn: number): number {
    return super.typeCount(mfn) + (this.lies('type', mfn) ? 1 : 0);
  }

  override generalCount(mfn: number): number {
    return super.generalCount(mfn) + (this.lies('general', mfn) ? -1 : 0);
  }

  override linearCount(mfn: number): number {
    return super.linearCount(mfn) + (this.lies('linear', mfn) ? 1 : 0);
  }

  override lostGeneralReferences(mfn: number): number {
    return super.lostGeneralReferences(mfn) + (this.lies('lost', mfn) ? 1 : 0);
  }

  override info(mfn: number): number {
    const changed = [INFO_VALIDATED, INFO_PINNED, 1, 2, 4][this.value % 5];
    return super.info(mfn) ^ (this.lies('info', mfn) ? changed : 0);
  }

  override low(mfn: number, slot: number): number {
    if (!this.lies('entry', mfn) || slot !== this.slot) return super.low(mfn, slot);
    return lowWord(
      [F0 + (this.value % FRAMES), B1, B3][this.value % 3],
      P | US | G | (this.value % 4 < 2 ? RW : 0),
    );
  }

  override high(mfn: number, slot: number): number {
    return this.lies('entry', mfn) && slot === this.slot ? 0 : super.high(mfn, slot);
  }

  override nextUsed(mfn: number, slot: number): number {
    const next = super.nextUsed(mfn, slot);
    return this.lies('entry', mfn) && slot <= this.slot && next > this.slot ? this.slot : next;
  }

  override kernelBase(): number {
    return this.lies('base') ? this.frame : super.kernelBase();
  }

  override userBase(): number {
    return this.lies('user') ? this.frame : super.userBase();
  }
}
