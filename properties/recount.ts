/**
 * All references that a state's holders account for, found by looking at every holder (rules 2.10, 16.5): nothing
 * here reads a count that the model keeps, except the references it declares lost.
 */
import type { ModelState } from '../models/model.js';
import { P, RW, mfnOf } from '../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_SPECIAL,
  INFO_TYPE,
  OWNER_IO,
  TYPE_L1,
} from '../models/x86/page-type.js';
import { countedSlots, isGuestSlot, isGuests, isPartialTable, ownerOf, typeOf } from './frames.js';

/** Pages of the LDT (8192 descriptors of 8 bytes). */
export const LDT_PAGES = 16;

export class Recount {
  readonly typeCount: Int32Array;
  readonly generalCount: Int32Array;
  /** Writable entries in validated L1 tables, for each frame that they map. */
  readonly writableEntries: Int32Array;
  /** Same-level entries to other tables: in this one, and elsewhere to this one. */
  readonly linearOut: Int32Array;
  readonly linearIn: Int32Array;

  constructor(private readonly state: ModelState) {
    const frames = state.frameLimit;
    this.typeCount = new Int32Array(frames);
    this.generalCount = new Int32Array(frames);
    this.writableEntries = new Int32Array(frames);
    this.linearOut = new Int32Array(frames);
    this.linearIn = new Int32Array(frames);
    for (let mfn = 0; mfn < frames; mfn++) this.countFrame(mfn, state.info(mfn));
    for (let cpu = 0; cpu < state.machine.vcpus; cpu++) this.countCpu(cpu);
  }

  private countFrame(mfn: number, info: number): void {
    const { state } = this;
    if (ownerOf(info) === OWNER_IO) return this.hold(mfn, 1, 1);
    // A page that Xen shares is given a type for good (rules 1.2).
    if ((info & INFO_SPECIAL) !== 0) this.hold(mfn, 1, 0);
    if ((info & INFO_ALLOCATED) !== 0) this.hold(mfn, 0, 1);
    if ((info & INFO_PINNED) !== 0) this.hold(mfn, 1, 1);
    if ((info & INFO_PARTIAL) !== 0) this.hold(mfn, 1, 1);
    this.hold(mfn, state.lostTypeReferences(mfn), state.lostGeneralReferences(mfn));
    if (!isGuests(info)) return;
    const end = countedSlots(state, mfn, info);
    for (
      let slot = end > 0 ? state.nextUsed(mfn, 0) : end;
      slot < end;
      slot = state.nextUsed(mfn, slot + 1)
    ) {
      const low = state.low(mfn, slot);
      if ((low & P) === 0 || !isGuestSlot(state.machine, info, slot)) continue;
      this.countEntry(mfn, info & INFO_TYPE, mfnOf(low, state.high(mfn, slot)), (low & RW) !== 0);
    }
    // The child that was handed over with its general reference (rules 2.11, STOP; 16.3, `set`).
    if (isPartialTable(info) && (info & INFO_HANDED) !== 0)
      this.hold(mfnOf(state.low(mfn, end), state.high(mfn, end)), 0, 1);
  }

  private countEntry(table: number, level: number, target: number, writable: boolean): void {
    if (target >= this.state.frameLimit) return;
    const info = this.state.info(target);
    if (level === TYPE_L1) {
      if (writable) this.writableEntries[target] += 1;
      if (isGuests(info)) this.hold(target, writable ? 1 : 0, 1);
      return;
    }
    if (target === table) return;
    this.hold(target, 1, 1);
    if ((info & INFO_TYPE) === level) {
      this.linearOut[table] += 1;
      this.linearIn[target] += 1;
    }
  }

  private countCpu(cpu: number): void {
    const { state } = this;
    if (state.kernelBase(cpu) !== 0) this.hold(state.kernelBase(cpu), 1, 1);
    if (state.userBase(cpu) !== 0) this.hold(state.userBase(cpu), 1, 1);
    for (let i = 0; i < state.gdtFrames(cpu); i++) this.hold(state.gdtFrame(i, cpu), 1, 1);
    for (let page = 0; page < LDT_PAGES; page++) {
      if (state.ldtFrame(page, cpu) !== 0) this.hold(state.ldtFrame(page, cpu), 1, 1);
    }
    const deferred = state.deferred(cpu);
    if (deferred === 0) return;
    this.hold(deferred, state.deferredWhole(cpu), 1);
    if (!isLinearToParent(state, cpu)) return;
    this.linearIn[deferred] += 1;
    this.linearOut[state.deferredParent(cpu)] += 1;
  }

  private hold(mfn: number, type: number, general: number): void {
    if (mfn >= this.typeCount.length) return;
    this.typeCount[mfn] += type;
    this.generalCount[mfn] += general;
  }
}

/**
 * Whether the vCPU's deferred table is still counted as a linear entry of the table that named it. What the two
 * are now decides, since the cleanup drops the edge by their type fields at its own time (rules 16.2, 16.5), even
 * if the parent has been something else in between.
 */
export function isLinearToParent(state: ModelState, cpu: number): boolean {
  const deferred = state.deferred(cpu);
  const parent = state.deferredParent(cpu);
  if (deferred === 0 || parent === 0 || parent === deferred || state.deferredWhole(cpu) === 0) return false;
  if (deferred >= state.frameLimit || parent >= state.frameLimit) return false;
  return typeOf(state.info(deferred)) === typeOf(state.info(parent));
}
