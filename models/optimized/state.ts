import { MFN_ADDRESSABLE, type Machine, type Range } from '../../src/program/machine.js';
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

/** The frame is not as it was at the start. */
const DIRTY = 1;
/** The last walk went through the frame. */
const WALKED = 2;
/** No virtual address has this region number. */
const NO_REGION = -1;

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
  readOnlyIo: readonly Range[] = [];

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
  /** What waited already when MOV to CR3 began, for as long as it does; else 0. */
  leftover = 0;
  /** Without leaks: tables that Xen's one variable would have forgotten. */
  readonly alsoDeferred: number[] = [];

  /** The last walk, by 2 MiB region of the address (its bits 21 to 31) and the address's high half. */
  walkRegion = NO_REGION;
  walkHigh = 0;
  walkTable = 0;
  walkWritable = false;
  private readonly walkPath = new Int32Array(4);
  private walkLength = 0;

  private dirty = new Uint8Array(0);
  private dirtyFrames = new Int32Array(0);
  private dirtyCount = 0;
  private start!: { info: Int32Array; typeCount: Int32Array; generalCount: Int32Array };
  private startBase = 0;

  /** Makes room for frames 0 .. limit-1, all without owner. */
  clear(machine: Machine, limit: number): void {
    this.machine = machine;
    this.compat = machine.arch === 'x86_32';
    this.hardware = machine.hardwareDomain;
    this.emulates = machine.hardwareDomain || machine.writablePagetables;
    this.paeXenSlot = machine.paeXenSlot;
    this.leaks = machine.quirks === 'shipped';
    this.limit = limit;
    this.dirtyCount = 0;
    this.info = new Int32Array(limit);
    this.typeCount = new Int32Array(limit);
    this.generalCount = new Int32Array(limit);
    this.linear = new Int16Array(limit);
    this.from = new Int16Array(limit);
    this.lostTypes = new Int32Array(limit);
    this.lostGenerals = new Int32Array(limit);
    this.m2pLow = new Int32Array(limit).fill(-1);
    this.m2pHigh = new Int32Array(limit).fill(-1);
    this.dirty = new Uint8Array(limit);
    this.dirtyFrames = new Int32Array(limit);
    this.walkLength = 0;
    this.walkRegion = NO_REGION;
    this.memory.clear(limit);
    this.clearVcpu();
  }

  /** What holds now is what `reset` goes back to. */
  keepAsStart(): void {
    this.start = {
      info: this.info.slice(),
      typeCount: this.typeCount.slice(),
      generalCount: this.generalCount.slice(),
    };
    this.startBase = this.kernelBase;
    this.memory.keepAsStart();
    for (let i = 0; i < this.dirtyCount; i++) this.dirty[this.dirtyFrames[i]!] = 0;
    this.dirtyCount = 0;
    this.changes.clear();
  }

  reset(): void {
    this.forgetWalk();
    for (let i = 0; i < this.dirtyCount; i++) {
      const mfn = this.dirtyFrames[i]!;
      this.info[mfn] = this.start.info[mfn]!;
      this.typeCount[mfn] = this.start.typeCount[mfn]!;
      this.generalCount[mfn] = this.start.generalCount[mfn]!;
      this.linear[mfn] = 0;
      this.from[mfn] = 0;
      this.lostTypes[mfn] = 0;
      this.lostGenerals[mfn] = 0;
      this.m2pLow[mfn] = -1;
      this.m2pHigh[mfn] = -1;
      this.memory.restore(mfn);
      this.dirty[mfn] = 0;
    }
    this.dirtyCount = 0;
    this.clearVcpu();
    this.kernelBase = this.startBase;
    this.changes.clear();
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
    this.leftover = 0;
    this.alsoDeferred.length = 0;
  }

  /** To be called before anything known of the frame changes. */
  touch(mfn: number): void {
    this.changes.frame(mfn);
    if ((this.dirty[mfn]! & DIRTY) === 0) this.becomesDirty(mfn);
  }

  private becomesDirty(mfn: number): void {
    this.dirtyFrames[this.dirtyCount++] = mfn;
    this.dirty[mfn]! |= DIRTY;
  }

  /** To be called when the frame's contents change, unless it is plainly dirty already. */
  private written(mfn: number): void {
    if ((this.dirty[mfn]! & DIRTY) === 0) this.becomesDirty(mfn);
    if ((this.dirty[mfn]! & WALKED) !== 0) this.forgetWalk();
  }

  /** Remembers where a walk of 2 MiB region `region` of `high` ended, for as long as no table on its path changes. */
  rememberWalk(region: number, high: number, table: number, writable: boolean): void {
    this.walkRegion = region;
    this.walkHigh = high;
    this.walkTable = table;
    this.walkWritable = writable;
  }

  onWalk(mfn: number): void {
    this.dirty[mfn]! |= WALKED;
    this.walkPath[this.walkLength++] = mfn;
  }

  forgetWalk(): void {
    for (let i = 0; i < this.walkLength; i++) this.dirty[this.walkPath[i]!]! &= ~WALKED;
    this.walkLength = 0;
    this.walkRegion = NO_REGION;
  }

  setKernelBase(mfn: number): void {
    this.kernelBase = mfn;
    this.forgetWalk();
  }

  low(mfn: number, slot: number): number {
    return this.memory.low[(this.memory.page[mfn]! << 9) | slot]!;
  }

  high(mfn: number, slot: number): number {
    return this.memory.high[(this.memory.page[mfn]! << 9) | slot]!;
  }

  /** Stores an entry in memory, whatever the frame is. */
  setEntry(mfn: number, slot: number, low: number, high: number): void {
    this.memory.set(mfn, slot, low, high);
    this.changes.slot(mfn, slot);
    if (this.dirty[mfn] !== DIRTY) this.written(mfn);
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
    if (this.dirty[mfn] !== DIRTY) this.written(mfn);
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
    if ((info & INFO_TYPE) !== TYPE_WRITABLE) {
      if (this.typeCount[mfn] !== 0) return false;
      this.info[mfn] = (info & ~INFO_TYPE) | TYPE_WRITABLE | INFO_VALIDATED;
    }
    this.touch(mfn);
    this.typeCount[mfn]!++;
    return true;
  }

  /** The type stays writable, validated (rules 1.6). */
  putWritable(mfn: number): void {
    this.touch(mfn);
    this.typeCount[mfn]!--;
  }

  isReadOnlyIo(frame: number): boolean {
    return this.readOnlyIo.some(({ mfn, count }) => frame >= mfn && frame < mfn + count);
  }

  /** Owner and permission of I/O mappings: frames beyond memory and I/O frames (rules 2.3, step 2). */
  mayMapIo(mfn: number): boolean {
    return this.hardware && mfn < MFN_ADDRESSABLE;
  }
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
