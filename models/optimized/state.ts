import { MFN_ADDRESSABLE, type Machine, type Range } from '../../src/program/machine.js';
import { CONTEND_MASK, CONTEND_SHIFT, PREEMPT_MASK, PREEMPT_SHIFT } from '../../src/program/record.js';
import { A, AVAIL, CACHE_ATTRIBUTES, D, G, RW, SLOTS, US } from '../x86/entry.js';
import { INFO_ALLOCATED, INFO_OWNER, INFO_TYPE, INFO_VALIDATED, TYPE_WRITABLE } from '../x86/page-type.js';
import type { DefectId } from '../defects/ids.js';
import { XenStops } from '../model.js';
import { EINVAL } from '../x86/result.js';
import { ChangingMemory } from './changing-memory.js';
import { OWNED } from './frame-table.js';
import { Vcpu } from './vcpu.js';

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

/** More than any operation can count down, and all bits of a number that is not negative. */
const NEVER = 0x7fffffff;

/** Bit 62 of an entry, in its high word. */
const GNTTAB_HIGH = 1 << 30;

/**
 * What the hypervisor knows of each frame and of the domain, with what it takes to go back to the start at the cost of
 * what was touched.
 */
export class State extends ChangingMemory {
  /** NO_DEFECTS itself where there are none, so that nothing is looked up then. */
  private readonly defects: ReadonlySet<DefectId>;

  constructor(defects = NO_DEFECTS) {
    super();
    this.defects = defects.size > 0 ? defects : NO_DEFECTS;
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
  /** All bits where Xen changes what a guest writes into L1 entries, none for a 32-bit guest (rules 2.2). */
  adjustsL1 = 0;
  /** The same of an L1 entry's. */
  harmlessL1 = HARMLESS_LOW;
  /** Bits of an upper entry's low word that may change without new references. */
  harmlessUpper = 0;
  /** References get lost as in Xen 4.17 (rules 14). */
  leaks = true;

  /** I/O frames in Xen's read-only set. */
  readOnlyIo: readonly Range[] = [];

  /** The virtual CPUs, and the one that runs. */
  vcpus: Vcpu[] = [new Vcpu()];
  v: Vcpu = this.vcpus[0]!;
  /** Units of work until an event arrives; from then on below one (rules 16.1). */
  work = NEVER;
  /** Contended references before one that loses its race; then below 0. */
  race = NEVER;
  /** Xen's own translations can be stale, so they have to be kept; else they are what a walk finds (rules 16.6). */
  readonly staleWindow: boolean;
  /** Some TLB holds a translation. */
  translates = false;
  /** The vCPU was in user mode before this operation. */
  fromUser = false;
  /** Number of the vCPU that ran last, is up and in its kernel: its next operation has nothing to see to first. Else -1. */
  ready = -1;
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

  private startBase = 0;

  /** What Xen allows the guest on this machine. */
  adopt(machine: Machine): void {
    this.machine = machine;
    this.compat = machine.arch === 'x86_32';
    this.adjustsL1 = this.compat ? 0 : -1;
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
    this.clearMemory(limit);
    this.vcpus = Array.from({ length: machine.vcpus }, () => new Vcpu());
    this.clearVcpus();
  }

  /** What holds now is what `reset` goes back to. */
  keepAsStart(): void {
    this.keepMemory();
  }

  reset(): void {
    this.resetMemory();
    this.clearVcpus();
    this.setStartBase(this.startBase);
  }

  private clearVcpus(): void {
    for (const vcpu of this.vcpus) vcpu.clear();
    this.v = this.vcpus[0]!;
    this.ready = -1;
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

  /** The environment of an operation, as its record's first word has it. Without a branch: which operations are disturbed cannot be predicted. */
  begin(word: number): void {
    this.beginChanges();
    this.work = (((word >> PREEMPT_SHIFT) & PREEMPT_MASK) - 1) & NEVER;
    this.race = (((word >> CONTEND_SHIFT) & CONTEND_MASK) - 1) & NEVER;
    this.overdue = 0;
    this.depth = 0;
    this.deepest = 0;
  }

  /** No event arrives and no race is lost, whatever the record says. */
  undisturbed(): void {
    this.work = NEVER;
    this.race = NEVER;
  }

  switchTo(vcpu: Vcpu): void {
    if (vcpu.kernelBase !== this.v.kernelBase) this.forgetWalk(); // with the same tables it ends where it did
    this.v = vcpu;
  }

  /** Whether an event is pending: Xen's hypercall_preempt_check(). */
  get preempted(): boolean {
    return this.work <= 0;
  }

  /** A reference that may be contended: whether it loses its race, with an event pending (rules 16.1). */
  losesRace(): boolean {
    if (this.race-- !== 0) return false;
    this.work = 0;
    return true;
  }

  /** Where Xen would stop the host (BUG_ON). */
  bugOn(wrong: boolean, mfn: number, what: string): void {
    if (wrong) throw new XenStops(`Xen would stop: frame 0x${mfn.toString(16)} ${what}`);
  }

  /** What must hold within the model itself. */
  assert(holds: boolean, otherwise: string): void {
    if (!holds) throw new Error(`optimized model: ${otherwise}`);
  }

  /** get_page() has refused a frame; what Xen once did then besides. */
  notFound(mfn: number): number {
    if (this.bug('get-fail-puts') && this.exists(mfn) && this.generalCount(mfn) === 0) {
      this.touch(mfn);
      this.addGenerals(mfn, -1);
    }
    return EINVAL;
  }

  /** A frame number that a request names, before anything is looked up with it. */
  named(mfn: number): number {
    if (this.bug('invalid-gfn-not-null'))
      this.bugOn(!this.exists(mfn), mfn, 'is looked up beyond the end of memory');
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
    this.changes.vcpus = true;
    for (const vcpu of this.vcpus) vcpu.tlb.flush();
    this.translates = false;
  }

  setKernelBase(mfn: number): void {
    this.v.kernelBase = mfn;
    if (!this.v.userMode) this.v.loadedBase = mfn;
    this.forgetWalk();
  }

  /** The frame is RAM of the guest's: what get_page() asks for (mm.c; rules 1.3). */
  owned(mfn: number): boolean {
    return this.exists(mfn) && (this.info(mfn) & INFO_OWNER) === OWNED;
  }

  getPage(mfn: number): void {
    this.touch(mfn);
    this.addGenerals(mfn, 1);
  }

  /** mm.c: put_page; with its last general reference the frame goes back to Xen (rules 1.2). */
  putPage(mfn: number): void {
    this.touch(mfn);
    this.addGenerals(mfn, -1);
    if (this.generalCount(mfn) === 0) this.free(mfn);
  }

  /** The frame is nobody's any more. */
  free(mfn: number): void {
    this.touch(mfn);
    this.setInfo(mfn, 0);
    this.setGeneralCount(mfn, 0);
    this.forgetLost(mfn);
    this.forgetM2p(mfn);
  }

  /** A fresh frame becomes the guest's (rules 1.2, first row). */
  allocate(mfn: number): void {
    this.give(mfn);
    this.touch(mfn);
    this.setInfo(mfn, OWNED | INFO_ALLOCATED);
    this.setGeneralCount(mfn, 1);
  }

  /** The frame is of type writable from now on, if it was not; false where it is something else (rules 1.4). */
  makeWritable(mfn: number): boolean {
    const info = this.info(mfn);
    if ((info & INFO_TYPE) === TYPE_WRITABLE) return true;
    if (this.typeCount(mfn) !== 0) return false;
    this.touch(mfn);
    this.setInfo(mfn, (info & ~INFO_TYPE) | TYPE_WRITABLE | INFO_VALIDATED);
    this.flushAll();
    return true;
  }

  /** A writable type reference; false where the frame is something else (rules 1.4). */
  getWritable(mfn: number): boolean {
    if (!this.makeWritable(mfn)) return false;
    this.touch(mfn);
    this.addTypes(mfn, 1);
    return true;
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
