/**
 * All references that a state's holders account for, found by looking at every holder (rules 2.10): nothing
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
import { countedSlots, isGuestSlot, isGuests, ownerOf } from './frames.js';

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
    this.countBases();
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
    // The child that was handed over with its general reference (rules 2.11, STOP).
    if ((info & INFO_HANDED) !== 0) this.hold(mfnOf(state.low(mfn, end), state.high(mfn, end)), 0, 1);
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

  private countBases(): void {
    const { state } = this;
    if (state.kernelBase() !== 0) this.hold(state.kernelBase(), 1, 1);
    if (state.userBase() !== 0) this.hold(state.userBase(), 1, 1);
    for (let i = 0; i < state.gdtFrames(); i++) this.hold(state.gdtFrame(i), 1, 1);
    for (let page = 0; page < LDT_PAGES; page++) {
      if (state.ldtFrame(page) !== 0) this.hold(state.ldtFrame(page), 1, 1);
    }
    const deferred = state.deferred();
    if (deferred === 0 || deferred >= state.frameLimit) return;
    // A partial table's type reference is the partial mark's; a replaced L3 still has its own (rules 5.4).
    this.hold(deferred, (state.info(deferred) & INFO_PARTIAL) !== 0 ? 0 : 1, 1);
  }

  private hold(mfn: number, type: number, general: number): void {
    if (mfn >= this.typeCount.length) return;
    this.typeCount[mfn] += type;
    this.generalCount[mfn] += general;
  }
}
