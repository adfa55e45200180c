import { FRAME_LIMIT_MAX, MFN_ADDRESSABLE, type Machine } from '../../src/program/machine.js';
import { Changes, WHOLE_FRAME } from '../x86/changes.js';
import { SLOTS } from '../x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  TYPE_WRITABLE,
} from '../x86/page-type.js';
import { Memory } from './memory.js';

/** Owner field of the guest's own frames. */
export const OWNED = OWNER_GUEST << INFO_OWNER_SHIFT;
/** Stand-ins for frame numbers too large to be RAM or permitted I/O; the last is all 40 bits set. */
export const NO_FRAME = 0x7ffffffe;
export const ALL_ONES_FRAME = 0x7fffffff;

/** Frames a GDT has at most, and pages of an LDT. */
export const GDT_FRAMES = 14;
export const LDT_PAGES = 16;

const DIRTY_INFO = 1;
const DIRTY_CONTENT = 2;

/**
 * What the hypervisor knows of each frame (Xen: struct page_info) and of the one vCPU, in typed arrays
 * indexed by frame number, with what it takes to go back to the start at the cost of what was touched.
 */
export class State {
  machine!: Machine;
  /** 32-bit (PAE) guest. */
  compat = false;
  hardware = false;
  /** Stores to L1 tables are emulated. */
  emulates = false;
  /** Bits of an entry's high word, and of its low word, that no L1 entry of this guest may have (rules 2.1). */
  l1ForbiddenHigh = 0;
  l1ForbiddenLow = 0;
  paeXenSlot = SLOTS;
  /** References get lost as in Xen 4.17 (rules 14). */
  leaks = true;

  limit = 0;
  /** Layout: `x86/page-type.ts`. */
  info = new Int32Array(0);
  typeCount = new Int32Array(0);
  generalCount = new Int32Array(0);
  linear = new Int16Array(0);
  /** nr_validated_ptes of a partial table. */
  from = new Int16Array(0);
  lostTypes = new Int32Array(0);
  lostGenerals = new Int32Array(0);
  m2pLow = new Int32Array(0);
  m2pHigh = new Int32Array(0);
  /** I/O frames in Xen's read-only set. */
  readOnlyIo = new Set<number>();

  readonly memory = new Memory();
  readonly changes = new Changes();

  kernelBase = 0;
  userBase = 0;
  gdtCount = 0;
  readonly gdt = new Int32Array(GDT_FRAMES);
  ldtEntries = 0;
  ldtLow = 0;
  ldtHigh = 0;
  ldtMapped = 0;
  readonly ldt = new Int32Array(LDT_PAGES);
  /** old_guest_table: the table whose cleanup is pending; 0 for none. */
  deferred = 0;
  /** It holds a whole reference (a replaced base), rather than a partial validation. */
  deferredWhole = false;
  /** Without leaks: tables that Xen's one variable would have forgotten. */
  readonly alsoDeferred: number[] = [];

  private step = 1;
  private stamp = new Int32Array(0);
  private dirty = new Uint8Array(0);
  private dirtyFrames = new Int32Array(0);
  private dirtyCount = 0;
  private start!: { info: Int32Array; typeCount: Int32Array; generalCount: Int32Array; linear: Int16Array };
  private startBase = 0;
  private startLimit = 0;

  /** Makes room for frames 0 .. limit-1, all without owner. */
  clear(machine: Machine, limit: number): void {
    this.machine = machine;
    this.compat = machine.arch === 'x86_32';
    this.hardware = machine.hardwareDomain;
    this.emulates = machine.hardwareDomain || machine.writablePagetables;
    this.paeXenSlot = machine.paeXenSlot;
    this.leaks = machine.quirks === 'shipped';
    this.limit = 0;
    this.dirtyCount = 0;
    for (const name of ARRAYS) this[name] = new (this[name].constructor as Int32ArrayConstructor)(0) as never;
    this.stamp = new Int32Array(0);
    this.dirty = new Uint8Array(0);
    this.memory.clear();
    this.grow(limit);
    this.clearVcpu();
  }

  /** Makes frames up to `limit` exist (XENMEM operations can bring frames beyond the machine's first ones). */
  grow(limit: number): void {
    for (const name of ARRAYS) this[name] = extended(this[name], limit) as never;
    this.m2pLow.fill(-1, this.limit);
    this.m2pHigh.fill(-1, this.limit);
    this.stamp = extended(this.stamp, limit);
    this.dirty = extended(this.dirty, limit);
    this.dirtyFrames = extended(this.dirtyFrames, limit);
    this.memory.growFrames(limit);
    this.limit = limit;
  }

  /** What holds now is what `reset` goes back to. */
  keepAsStart(): void {
    this.start = {
      info: this.info.slice(),
      typeCount: this.typeCount.slice(),
      generalCount: this.generalCount.slice(),
      linear: this.linear.slice(),
    };
    this.startBase = this.kernelBase;
    this.startLimit = this.limit;
    this.memory.keepAsStart();
    for (let i = 0; i < this.dirtyCount; i++) this.dirty[this.dirtyFrames[i]!] = 0;
    this.dirtyCount = 0;
    this.beginStep();
  }

  reset(): void {
    for (let i = 0; i < this.dirtyCount; i++) {
      const mfn = this.dirtyFrames[i]!;
      const atStart = mfn < this.startLimit;
      this.info[mfn] = atStart ? this.start.info[mfn]! : 0;
      this.typeCount[mfn] = atStart ? this.start.typeCount[mfn]! : 0;
      this.generalCount[mfn] = atStart ? this.start.generalCount[mfn]! : 0;
      this.linear[mfn] = atStart ? this.start.linear[mfn]! : 0;
      this.from[mfn] = 0;
      this.lostTypes[mfn] = 0;
      this.lostGenerals[mfn] = 0;
      this.m2pLow[mfn] = -1;
      this.m2pHigh[mfn] = -1;
      if (this.dirty[mfn]! & DIRTY_CONTENT) this.memory.restore(mfn);
      this.dirty[mfn] = 0;
    }
    this.dirtyCount = 0;
    this.limit = this.startLimit;
    this.clearVcpu();
    this.kernelBase = this.startBase;
    this.beginStep();
  }

  private clearVcpu(): void {
    this.kernelBase = 0;
    this.userBase = 0;
    this.gdtCount = 0;
    this.ldtEntries = 0;
    this.ldtLow = 0;
    this.ldtHigh = 0;
    this.ldtMapped = 0;
    this.ldt.fill(0);
    this.deferred = 0;
    this.deferredWhole = false;
    this.alsoDeferred.length = 0;
  }

  beginStep(): void {
    this.step = (this.step + 1) | 0;
    this.changes.clear();
  }

  /** To be called before anything known of the frame changes. */
  touch(mfn: number): void {
    if (this.stamp[mfn] !== this.step) this.note(mfn, DIRTY_INFO);
  }

  private note(mfn: number, what: number): void {
    this.stamp[mfn] = this.step;
    this.changes.frame(mfn);
    const before = this.dirty[mfn]!;
    if (before === 0) this.dirtyFrames[this.dirtyCount++] = mfn;
    this.dirty[mfn] = before | what;
  }

  low(mfn: number, slot: number): number {
    return this.memory.low[(this.memory.page[mfn]! << 9) | slot]!;
  }

  high(mfn: number, slot: number): number {
    return this.memory.high[(this.memory.page[mfn]! << 9) | slot]!;
  }

  /** Stores an entry in memory, whatever the frame is. */
  setEntry(mfn: number, slot: number, low: number, high: number): void {
    if (this.memory.set(mfn, slot, low, high)) {
      this.changes.slot(mfn, slot);
      if ((this.dirty[mfn]! & DIRTY_CONTENT) === 0) this.note(mfn, DIRTY_CONTENT);
    }
  }

  zeroFrame(mfn: number): void {
    this.memory.zero(mfn);
    this.wholeFrameChanged(mfn);
  }

  copyFrame(mfn: number, source: number): void {
    this.memory.copy(mfn, source);
    this.wholeFrameChanged(mfn);
  }

  private wholeFrameChanged(mfn: number): void {
    this.changes.slot(mfn, WHOLE_FRAME);
    this.note(mfn, DIRTY_CONTENT);
  }

  /** The frame is RAM of the guest's: what get_page() asks for (mm.c; rules 1.3). */
  owned(mfn: number): boolean {
    return mfn >= 0 && mfn < this.limit && (this.info[mfn]! & INFO_OWNER) === OWNED;
  }

  getPage(mfn: number): void {
    this.touch(mfn);
    this.generalCount[mfn]!++;
  }

  /** mm.c: put_page; with its last general reference the frame goes back to Xen (rules 1.2). */
  putPage(mfn: number): void {
    this.touch(mfn);
    if (--this.generalCount[mfn]! === 0) this.free(mfn);
  }

  /** The frame is nobody's any more. */
  free(mfn: number): void {
    this.touch(mfn);
    this.info[mfn] = 0;
    this.generalCount[mfn] = 0;
    this.lostTypes[mfn] = 0;
    this.lostGenerals[mfn] = 0;
    this.m2pLow[mfn] = -1;
    this.m2pHigh[mfn] = -1;
  }

  /** A fresh frame becomes the guest's (rules 1.2, first row). */
  allocate(mfn: number): void {
    this.touch(mfn);
    this.info[mfn] = OWNED | INFO_ALLOCATED;
    this.generalCount[mfn] = 1;
  }

  /** A writable type reference; false where the frame is something else (rules 1.4). */
  getWritable(mfn: number): boolean {
    const info = this.info[mfn]!;
    if (this.typeCount[mfn] !== 0) {
      if ((info & INFO_TYPE) !== TYPE_WRITABLE) return false;
      this.touch(mfn);
      this.typeCount[mfn]!++;
      return true;
    }
    this.touch(mfn);
    this.typeCount[mfn] = 1;
    this.info[mfn] = (info & ~(INFO_TYPE | INFO_VALIDATED)) | TYPE_WRITABLE | INFO_VALIDATED;
    return true;
  }

  /** The type stays writable, validated (rules 1.6). */
  putWritable(mfn: number): void {
    this.touch(mfn);
    this.typeCount[mfn]!--;
  }

  /** Owner and permission of I/O mappings: frames beyond memory and I/O frames (rules 2.3, step 2). */
  mayMapIo(mfn: number): boolean {
    return this.hardware && mfn < MFN_ADDRESSABLE;
  }
}

const ARRAYS = [
  'info',
  'typeCount',
  'generalCount',
  'linear',
  'from',
  'lostTypes',
  'lostGenerals',
  'm2pLow',
  'm2pHigh',
] as const;

function extended<T extends Int32Array | Int16Array | Uint8Array>(array: T, length: number): T {
  if (array.length >= length) return array;
  if (length > FRAME_LIMIT_MAX) throw new RangeError(`${length} frames`);
  const larger = new (array.constructor as Int32ArrayConstructor)(length) as T;
  larger.set(array);
  return larger;
}

/**
 * Frame number of an entry's words as a small integer: anything that can be neither RAM nor permitted I/O
 * becomes NO_FRAME, all 40 bits set ALL_ONES_FRAME.
 */
export function frameOf(low: number, high: number): number {
  const upper = high & 0xfffff;
  if (upper < 1024) return (low >>> 12) | (upper << 20);
  return upper === 0xfffff && low >>> 12 === 0xfffff ? ALL_ONES_FRAME : NO_FRAME;
}
