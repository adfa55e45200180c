import { MFN_ADDRESSABLE, type Machine, type Range } from '../../src/program/machine.js';
import { Changes, WHOLE_FRAME } from '../x86/changes.js';
import { A, AVAIL, CACHE_ATTRIBUTES, D, G, RW, SLOTS, US } from '../x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  TYPE_WRITABLE,
} from '../x86/page-type.js';
import type { DefectId } from '../defects/ids.js';
import { EINVAL } from '../x86/result.js';
import { FrameTable } from './frame-table.js';
import { Memory } from './memory.js';
import { Vcpu } from './vcpu.js';

/** Owner field of the guest's own frames. */
export const OWNED = OWNER_GUEST << INFO_OWNER_SHIFT;
/** Bits of an entry's low word that may change without new references: mm.c, FASTPATH_FLAG_WHITELIST (rules 3.3). */
export const HARMLESS_LOW = US | A | D | G | AVAIL;
/** In `info`, with `partial-without-ref`: the slot marked as handed holds no general reference. */
export const UNHELD = 1 << 13;

const NO_DEFECTS: ReadonlySet<DefectId> = new Set();

const WINDOW_DEFECTS: readonly DefectId[] = [
  'linear-tlb-stale',
  'linear-tlb-stale-floating',
  'linear-tlb-stale-pv32-l3',
  'cr3-no-flush',
];

/** More than any operation can count down. */
const NEVER = 0x7fffffff;

/** Bit 62 of an entry, in its high word. */
const GNTTAB_HIGH = 1 << 30;

/** The frame is not as it was at the start. */
const DIRTY = 1;
/** The last walk went through the frame. */
const WALKED = 2;
/** No virtual address has this region number. */
const NO_REGION = -1;

/**
 * What the hypervisor knows of each frame (Xen: struct page_info) and of the domain, in typed arrays
 * indexed by frame number, with what it takes to go back to the start at the cost of what was touched.
 */
export class State extends FrameTable {
  constructor(private readonly defects: ReadonlySet<DefectId> = NO_DEFECTS) {
    super();
    this.staleWindow = WINDOW_DEFECTS.some((id) => defects.has(id));
  }

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
  /** CONFIG_PV_LINEAR_PT. */
  allowsLinear = true;
  /** The same of an L1 entry's. */
  harmlessL1 = HARMLESS_LOW;
  /** Bits of an upper entry's low word that may change without new references. */
  harmlessUpper = 0;
  /** References get lost as in Xen 4.17 (rules 14). */
  leaks = true;

  /** I/O frames in Xen's read-only set. */
  readOnlyIo: readonly Range[] = [];

  readonly memory = new Memory();
  readonly changes = new Changes();

  /** The virtual CPUs, and the one that runs. */
  vcpus: Vcpu[] = [new Vcpu()];
  v: Vcpu = this.vcpus[0]!;
  /** Units of work until an event arrives; from then on below one (rules 16.1). */
  work = NEVER;
  /** Contended references until one loses its race; then 0 and below. */
  race = NEVER;
  /** Xen's own translations can be stale, so they have to be kept; else they are what a walk finds (rules 16.6). */
  readonly staleWindow: boolean;
  /** Some TLB holds a translation. */
  translates = false;
  /** The vCPU was in user mode before this operation. */
  fromUser = false;
  /** Of this operation: units of work done after an event without looking for it, and how deep tables were nested. */
  overdue = 0;
  depth = 0;
  deepest = 0;
  /** An L2, L3 or L4 of the guest's has been updated in this call (flush_linear_pt). */
  updatedUpper = false;
  /** The domain is being destroyed, and how far that is: see `destroy.ts`. */
  dying = false;
  destroyPass = 0;
  destroyNext = 0;

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
  private startBase = 0;

  /** What Xen allows the guest on this machine. */
  adopt(machine: Machine): void {
    this.machine = machine;
    this.compat = machine.arch === 'x86_32';
    this.hardware = machine.hardwareDomain;
    this.emulates = machine.hardwareDomain || machine.writablePagetables;
    this.paeXenSlot = machine.paeXenSlot;
    this.allowsLinear = machine.linear;
    this.harmlessL1 = this.bug('mmio-cache-fastpath') ? HARMLESS_LOW | CACHE_ATTRIBUTES : HARMLESS_LOW;
    this.harmlessUpper = machine.linear ? HARMLESS_LOW : HARMLESS_LOW | RW;
    this.leaks = machine.quirks === 'shipped';
    this.l1ForbiddenLow = machine.hardwareDomain ? 0 : CACHE_ATTRIBUTES;
    this.l1ForbiddenHigh = machine.debugBuild ? GNTTAB_HIGH : 0;
    this.readOnlyIo = machine.start.ioReadOnly;
  }

  /** Makes room for frames 0 .. limit-1 of the machine, all without owner. */
  clear(machine: Machine, limit: number): void {
    this.adopt(machine);
    this.dirtyCount = 0;
    this.clearFrames(limit);
    this.dirty = new Uint8Array(limit);
    this.dirtyFrames = new Int32Array(limit);
    this.walkLength = 0;
    this.walkRegion = NO_REGION;
    this.memory.clear(limit);
    this.vcpus = Array.from({ length: machine.vcpus }, () => new Vcpu());
    this.clearVcpus();
  }

  /** What holds now is what `reset` goes back to. */
  keepAsStart(): void {
    this.keepFrames();
    this.memory.keepAsStart();
    for (let i = 0; i < this.dirtyCount; i++) this.dirty[this.dirtyFrames[i]!] = 0;
    this.dirtyCount = 0;
    this.changes.clear();
  }

  reset(): void {
    this.forgetWalk();
    for (let i = 0; i < this.dirtyCount; i++) {
      const mfn = this.dirtyFrames[i]!;
      this.restoreFrame(mfn);
      this.memory.restore(mfn);
      this.dirty[mfn] = 0;
    }
    this.dirtyCount = 0;
    this.clearVcpus();
    this.setStartBase(this.startBase);
    this.changes.clear();
  }

  private clearVcpus(): void {
    for (const vcpu of this.vcpus) vcpu.clear();
    this.v = this.vcpus[0]!;
    this.translates = false;
    this.dying = false;
    this.destroyPass = 0;
    this.destroyNext = 0;
  }

  /** All of the machine's vCPUs begin with this base pointer. */
  setStartBase(mfn: number): void {
    this.startBase = mfn;
    for (const vcpu of this.vcpus) {
      vcpu.up = true;
      vcpu.kernelBase = mfn;
      vcpu.loadedBase = mfn;
    }
  }

  /** The operation is run by this vCPU, and its environment is as given: -1 for no event, no lost race. */
  enter(vcpu: Vcpu, preempt: number, contend: number): void {
    this.work = preempt < 0 ? NEVER : preempt;
    this.race = contend < 0 ? NEVER : contend + 1;
    this.overdue = 0;
    this.depth = 0;
    this.deepest = 0;
    if (vcpu === this.v) return;
    this.v = vcpu;
    this.forgetWalk();
  }

  /** Whether an event is pending: Xen's hypercall_preempt_check(). */
  get preempted(): boolean {
    return this.work <= 0;
  }

  /** A reference that may be contended: whether it loses its race, with an event pending (rules 16.1). */
  losesRace(): boolean {
    if (--this.race !== 0) return false;
    this.work = 0;
    return true;
  }

  /** Where Xen would stop the host (BUG_ON). */
  bugOn(wrong: boolean, mfn: number, what: string): void {
    if (wrong) throw new Error(`Xen would stop: frame 0x${mfn.toString(16)} ${what}`);
  }

  /** What must hold within the model itself. */
  assert(holds: boolean, otherwise: string): void {
    if (!holds) throw new Error(`optimized model: ${otherwise}`);
  }

  /** get_page() has refused a frame; what Xen once did then besides. */
  notFound(mfn: number): number {
    const exists = mfn >= 0 && mfn < this.limit;
    if (exists && this.generalCount[mfn] === 0 && this.bug('get-fail-puts')) {
      this.touch(mfn);
      this.generalCount[mfn]!--;
    }
    return EINVAL;
  }

  /** A frame number that a request names, before anything is looked up with it. */
  named(mfn: number): number {
    const beyond = mfn < 0 || mfn >= this.limit;
    this.bugOn(beyond && this.bug('invalid-gfn-not-null'), mfn, 'is looked up beyond the end of memory');
    return mfn;
  }

  /** Whether the model is told to make this mistake of Xen's history (`models/defects`). Asked off the fast paths only. */
  bug(id: DefectId): boolean {
    return this.defects !== NO_DEFECTS && this.defects.has(id);
  }

  /** A stretch of work in which no event is looked for: what is done of it after one is overdue. */
  uninterrupted(what: () => number): number {
    const { work, race } = this;
    this.work = NEVER;
    this.race = NEVER;
    const code = what();
    const units = NEVER - this.work;
    this.race = race;
    this.work = work === NEVER ? NEVER : work - units;
    this.overdue = Math.max(this.overdue, units - Math.max(work, 0));
    return code;
  }

  /** Every TLB is flushed, Xen's linear window included. */
  flushAll(): void {
    if (!this.translates) return;
    for (const vcpu of this.vcpus) vcpu.tlb.flush();
    this.translates = false;
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
    this.v.kernelBase = mfn;
    if (!this.v.userMode) this.v.loadedBase = mfn;
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
      this.flushAll();
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
    for (let i = 0; i < this.readOnlyIo.length; i++) {
      const { mfn, count } = this.readOnlyIo[i]!;
      if (frame >= mfn && frame < mfn + count) return true;
    }
    return false;
  }

  /** Owner and permission of I/O mappings: frames beyond memory and I/O frames (rules 2.3, step 2). */
  mayMapIo(mfn: number): boolean {
    return this.hardware && mfn < MFN_ADDRESSABLE;
  }
}
