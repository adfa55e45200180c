/**
 * Checks the invariants after every operation at the cost of what the operation has changed.
 *
 * The tracker keeps its own account of who holds which frame, by following the entries and information words
 * that the model says have changed, and holds every frame concerned against that account. The hardware walk
 * follows from what is checked of each entry: whatever the processor uses as a table is a validated table of
 * that level, or a table of the same level behind a read-only entry, and no such frame is mapped writable. What must
 * be left of a dead domain follows from the counts.
 */
import type { Model } from '../../models/model.js';
import { WHOLE_FRAME } from '../../models/x86/changes.js';
import { RO_MPT_SLOT } from '../../models/x86/xen-entries.js';
import type { Machine } from '../../src/program/machine.js';
import { isGuests } from '../frames.js';
import type { Violation } from '../invariant.js';
import { loadedBase } from '../loaded-base.js';
import { basesFault, segmentFault } from '../owned-tables.js';
import { tlbFault } from '../tlb.js';
import { xenSlotFault } from '../xen-slots.js';
import { Holdings } from './holdings.js';
import { Roots } from './roots.js';
import { FrameVerdict } from './verdict.js';

export class Tracker {
  private frames = -1;
  private machine: Machine | undefined;
  private cpus = 0;
  private held!: Holdings;
  private roots!: Roots;
  private verdicts!: FrameVerdict;
  private pending = new Int32Array(64);
  private pendingCount = 0;

  constructor(private readonly model: Model) {}

  /** Takes the model's state as it is and checks all of it. */
  start(): Violation | undefined {
    const { model } = this;
    this.frames = model.frameLimit;
    this.machine = model.machine;
    this.cpus = model.machine.vcpus;
    this.held = new Holdings(model, this.frames);
    this.roots = new Roots(model, this.held, this.frames);
    this.verdicts = new FrameVerdict(model, this.held, this.roots);
    for (let mfn = 0; mfn < this.frames; mfn++) {
      this.held.touched.add(mfn);
      this.held.countTable(mfn);
    }
    this.followRoots(true);
    const violation = this.verdict();
    this.held.dirty.clear();
    return violation;
  }

  /** Goes back to the start state, to which the model has just been reset, perhaps of a machine that begins alike. */
  reset(): void {
    const { held, model } = this;
    if (model.frameLimit !== this.frames) {
      this.start();
      return;
    }
    if (model.machine !== this.machine) {
      this.machine = model.machine;
      held.readRules();
    }
    const { list, size } = held.dirty;
    for (let i = 0; i < size; i++) held.dropTable(list[i]);
    for (let i = 0; i < size; i++) held.countTable(list[i]);
    this.followRoots(true);
    held.touched.clear();
    held.dirty.clear();
    held.fault = undefined;
  }

  /**
   * Follows the model's last operation; the first invariant found violated, if any. `several` is false where
   * the operation was a single request. With a cleanup waiting before it, it has done more than one all the same.
   */
  step(several = true): Violation | undefined {
    if (this.model.frameLimit !== this.frames) return this.start();
    const descriptors = this.followFrames(several || this.roots.deferredTables > 0);
    const { slots, slotCount, vcpus } = this.model.changes;
    if (slotCount > 1 || this.pendingCount > 0) this.followSlots();
    else if (slotCount === 1) this.followSlot(slots[0], slots[1]);
    if (vcpus) this.followRoots(descriptors);
    else this.roots.stay();
    return this.verdict();
  }

  /** Looks at the frames that may have changed; whether a descriptor table is among them. */
  private followFrames(several: boolean): boolean {
    const { held, roots, frames, model } = this;
    const { changes } = model;
    let descriptors = false;
    for (let i = 0; i < changes.frameCount; i++) {
      const mfn = changes.frames[i];
      if (mfn >>> 0 >= frames >>> 0 || !held.touched.add(mfn)) continue;
      const info = model.info(mfn);
      if (!held.hasShape(mfn, info, several)) this.recountLater(mfn);
      if (roots.concerns(mfn, info)) descriptors = true;
    }
    return descriptors;
  }

  /** The one entry that has changed: most often it is of no table. */
  private followSlot(mfn: number, slot: number): void {
    const { held } = this;
    if (mfn >>> 0 >= this.frames >>> 0 || !held.isCounted(mfn)) return;
    if (slot === WHOLE_FRAME || held.isPartial(mfn)) {
      held.dropTable(mfn);
      held.countTable(mfn);
    } else {
      held.dropSlot(mfn, slot);
      held.countSlot(mfn, slot);
    }
  }

  /** Drops all that changed tables and slots held before anything is counted: a child may be a table of another level now. */
  private followSlots(): void {
    this.dropChanged();
    this.countChanged();
  }

  private dropChanged(): void {
    const { held, frames, model } = this;
    const { changes } = model;
    this.dropPending();
    for (let i = 0; i < changes.slotCount; i++) {
      const mfn = changes.slots[2 * i];
      const slot = changes.slots[2 * i + 1];
      if (mfn >>> 0 >= frames >>> 0 || !held.isCounted(mfn)) continue;
      if (slot === WHOLE_FRAME || held.isPartial(mfn)) {
        held.dropTable(mfn);
        this.recountLater(mfn);
      } else {
        held.dropSlot(mfn, slot);
      }
    }
  }

  private recountLater(mfn: number): void {
    if (this.pendingCount === this.pending.length) {
      const larger = new Int32Array(this.pending.length * 2);
      larger.set(this.pending);
      this.pending = larger;
    }
    this.pending[this.pendingCount++] = mfn;
  }

  private dropPending(): void {
    for (let i = 0; i < this.pendingCount; i++) this.held.dropTable(this.pending[i]);
  }

  /** Counts changed tables and slots afresh, by what is in memory now. */
  private countChanged(): void {
    const { held, frames, model } = this;
    const { changes } = model;
    for (let i = 0; i < this.pendingCount; i++) {
      if (!held.isCounted(this.pending[i])) held.countTable(this.pending[i]);
    }
    this.pendingCount = 0;
    for (let i = 0; i < changes.slotCount; i++) {
      const mfn = changes.slots[2 * i];
      const slot = changes.slots[2 * i + 1];
      if (mfn >>> 0 >= frames >>> 0 || slot === WHOLE_FRAME || !held.isCounted(mfn) || held.isPartial(mfn))
        continue;
      held.countSlot(mfn, slot);
    }
  }

  private followRoots(descriptors: boolean): void {
    this.roots.follow();
    if (descriptors || this.roots.resized) this.roots.followSegments();
  }

  /** Checks every frame touched in this step. */
  private verdict(): Violation | undefined {
    const { held, roots } = this;
    const { touched } = held;
    let violation = held.fault;
    held.fault = undefined;
    if (roots.rebased) violation ??= this.baseVerdict();
    if (roots.stray !== 0) violation ??= segmentFault(this.model, roots.stray, 'a frame of the GDT or LDT');
    for (let i = 0; i < touched.size && violation === undefined; i++)
      violation = this.verdicts.of(touched.list[i]);
    if (roots.translates) violation ??= this.tlbVerdict();
    touched.clear();
    return violation;
  }

  /** What TLBs hold may change although no frame does. */
  private tlbVerdict(): Violation | undefined {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const violation = tlbFault(this.model, cpu);
      if (violation) return violation;
    }
    return undefined;
  }

  /** A new base pointer may name no frame at all; and its slot for the M2P must have been filled. */
  private baseVerdict(): Violation | undefined {
    const { model } = this;
    let violation = basesFault(model) ?? loadedBase.check(model);
    if (model.machine.arch === 'x86_32') return violation;
    for (let cpu = 0; cpu < model.machine.vcpus; cpu++) {
      const base = model.kernelBase(cpu);
      if (base !== 0 && isGuests(model.info(base)))
        violation ??= xenSlotFault(model, base, model.info(base), RO_MPT_SLOT);
    }
    return violation;
  }
}
