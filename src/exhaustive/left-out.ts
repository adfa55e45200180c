/**
 * What is left out of states, because operations that change nothing else make any of it of any other: the contents
 * of frames that are no table, and whether a window that is not writable maps its frame at all. And what an operation
 * reads of that, which is all that can make a difference (docs/adr/0013-contents-of-data-frames-are-left-out.md).
 */
import type { ModelState } from '../../models/model.js';
import type { Changes } from '../../models/x86/changes.js';
import { mfnOf, P, RW, SLOTS } from '../../models/x86/entry.js';
import { INFO_PARTIAL, INFO_TYPE, isTable, TYPE_L2, TYPE_WRITABLE } from '../../models/x86/page-type.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { frameOfValue, READ_ONLY, type Steps } from './steps.js';

/** The frame is no table and none half validated: Xen lets the guest write to it, or, of a GDT, lets it be replaced. */
export function holdsData(state: ModelState, mfn: number): boolean {
  return state.typeCount(mfn) === 0 || !isTable(state.info(mfn) & INFO_TYPE);
}

/** What an operation promotes: the frame, and the level it is to have (0: a descriptor table). */
interface Root {
  readonly frame: number;
  readonly level: number;
}

/** Of one state: what each operation reads of what is left out. */
export class Readings {
  /** For each place, what the step under way puts there first. */
  readonly values: Uint8Array;
  /** The operations that do. */
  readonly puts: number[] = [];
  private readonly filled: number[] = [];
  private readonly frames: number;
  private readonly base: number;
  private readonly top: number;
  /** Bit for bit, frames that are validated from their first slot on when they become a table. */
  private promotable = 0;
  private partial = 0;
  /** Frames whose slots beyond the scope are not all zero. */
  private used = 0;
  private seen = 0;

  constructor(
    private readonly state: ModelState,
    machine: Machine,
    private readonly operations: readonly Operation[],
    private readonly slots: number,
    private readonly steps: Steps,
  ) {
    this.frames = machine.frames;
    this.base = machine.start.base;
    this.top = machine.arch === 'x86_64' ? 4 : 3;
    this.values = new Uint8Array(steps.windows + this.frames);
  }

  /** Reads the state, which stands for all that differ in what is left out only. */
  enter(): void {
    const { state, frames, slots } = this;
    this.promotable = this.partial = this.used = 0;
    for (let i = 0; i < frames; i++) {
      const mfn = FIRST_FRAME_MFN + i;
      if (state.typeCount(mfn) === 0) this.promotable |= 1 << i;
      if (state.info(mfn) & INFO_PARTIAL) this.partial |= 1 << i;
      if (holdsData(state, mfn) && state.nextUsed(mfn, slots) < SLOTS) this.used |= 1 << i;
    }
  }

  /**
   * An operation that brings something of what is left out to what it is in the state that stands for all: slots zero,
   * windows read-only, as a reference that somebody holds shows more mistakes than one that nobody does. Undefined when all is so.
   */
  toNormal(): number | undefined {
    const { state, steps, frames, slots } = this;
    for (let i = 0; i < frames; i++) {
      const mfn = FIRST_FRAME_MFN + i;
      const isFree = state.typeCount(mfn) === 0 || (state.info(mfn) & INFO_TYPE) === TYPE_WRITABLE;
      for (let slot = 0; isFree && slot < slots; slot++)
        if ((state.low(mfn, slot) | state.high(mfn, slot)) !== 0) return steps.put(i * slots + slot, 0);
      if ((state.low(BOOT_MFN.B1, i) & P) === 0 && state.kernelBase() === this.base)
        return steps.put(steps.windows + i, READ_ONLY);
    }
    return undefined;
  }

  /**
   * The places that the operation reads, in the order in which it reads them, with the contents of `values`: it gets
   * beyond a place only if it does not stop at what is there. Empty where it reads none.
   */
  placesOf(operation: number): number[] {
    const places: number[] = [];
    const window = this.steps.windowOf[operation];
    this.seen = 0;
    if (window !== undefined) {
      const isIdle = (this.state.low(BOOT_MFN.B1, window - this.steps.windows) & (P | RW)) === P;
      if (isIdle && this.state.kernelBase() === this.base) places.push(window);
    } else {
      const root = this.rootOf(this.operations[operation]!);
      if (root) this.read(root.frame, root.level, places);
    }
    return places;
  }

  /** What the operation reads last is not of `values`: it may be refused for that, after it has read all of them. */
  isRefusedLate(operation: number): boolean {
    return this.steps.windowOf[operation] !== undefined || (this.seen & (this.used | this.partial)) !== 0;
  }

  put(place: number, value: number): void {
    this.values[place] = value;
    this.filled.push(place);
    this.puts.push(this.steps.put(place, value));
  }

  /** Takes back what was put there last. */
  takeBack(): void {
    this.values[this.filled.pop()!] = 0;
    this.puts.pop();
  }

  clear(): void {
    while (this.filled.length > 0) this.takeBack();
  }

  /** Adds to the changes of the step's operation what was put there before. */
  addPlaces(changes: Changes): void {
    if (this.filled.length > 0) changes.vcpus = true;
    for (let i = 0; i < this.filled.length; i++) {
      const place = this.filled[i]!;
      const isWindow = place >= this.steps.windows;
      const frame = isWindow ? place - this.steps.windows : Math.floor(place / this.slots);
      changes.frame(FIRST_FRAME_MFN + frame);
      if (isWindow) changes.slot(BOOT_MFN.B1, frame);
      else changes.slot(FIRST_FRAME_MFN + frame, place % this.slots);
    }
  }

  /** Values that the place can have, besides none. */
  choices(place: number): number {
    return place < this.steps.windows ? 2 * this.frames : 1;
  }

  private rootOf(operation: Operation): Root | undefined {
    switch (operation.kind) {
      case 'pin':
        return { frame: operation.mfn - FIRST_FRAME_MFN, level: operation.level };
      case 'new_baseptr':
      case 'write_cr3':
      case 'new_user_baseptr':
        return operation.mfn === 0 ? undefined : { frame: operation.mfn - FIRST_FRAME_MFN, level: this.top };
      case 'set_gdt':
        return operation.frames[0] === undefined
          ? undefined
          : { frame: operation.frames[0] - FIRST_FRAME_MFN, level: 0 };
      case 'mmu_update': {
        const { mfn, entry } = operation;
        const level = this.state.info(mfn) & INFO_TYPE;
        if (holdsData(this.state, mfn) || level < TYPE_L2 || (entry.flags & P) === 0) return undefined;
        return { frame: entry.mfn - FIRST_FRAME_MFN, level: level - 1 };
      }
      default:
        return undefined;
    }
  }

  /** A table is read slot by slot; below the lowest level of tables, each child before the next slot. */
  private read(frame: number, level: number, places: number[]): void {
    const bit = 1 << frame;
    if ((this.seen & bit) !== 0 || ((this.promotable | this.partial) & bit) === 0) return;
    this.seen |= bit;
    for (let slot = 0; slot < this.slots; slot++) {
      const place = frame * this.slots + slot;
      if ((this.partial & bit) === 0) places.push(place);
      const child = (this.partial & bit) === 0 ? this.valueAt(place) : this.childAt(frame, slot);
      if (child >= 0 && level >= TYPE_L2) this.read(child, level - 1, places);
    }
  }

  private valueAt(place: number): number {
    return this.values[place] === 0 ? -1 : frameOfValue(this.values[place]!);
  }

  /** Of a table whose validation stopped, whose contents stay as they are. */
  private childAt(frame: number, slot: number): number {
    const mfn = FIRST_FRAME_MFN + frame;
    const low = this.state.low(mfn, slot);
    const child = mfnOf(low, this.state.high(mfn, slot)) - FIRST_FRAME_MFN;
    return (low & P) !== 0 && child >= 0 && child < this.frames ? child : -1;
  }
}
