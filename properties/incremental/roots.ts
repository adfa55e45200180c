/** What else holds frames: base pointers, GDT, LDT and deferred tables of all virtual CPUs (rules 2.10, 16.4, 16.5). */
import type { ModelState } from '../../models/model.js';
import { INFO_TYPE, TYPE_SEG_DESC } from '../../models/x86/page-type.js';
import { LDT_PAGES, isLinearToParent } from '../recount.js';
import { BASES, type Holdings, SEGMENTS } from './holdings.js';

/** GDT frames of a vCPU (7168 descriptors). */
const GDT_FRAMES = 14;
/** A place of a GDT or LDT that names no frame. */
const NONE = -1;

/** One virtual CPU as it was when last looked at. */
class CpuRoots {
  kernel = 0;
  user = 0;
  loaded = 0;
  deferred = 0;
  whole = 0;
  parent = 0;
  readonly gdt = new Int32Array(GDT_FRAMES).fill(NONE);
  gdtFrames = 0;
  readonly ldt = new Int32Array(LDT_PAGES).fill(NONE);
  ldtEntries = 0;
  /** Whether an LDT page was in use. */
  ldtUsed = false;
}

export class Roots {
  /** How many vCPUs have the frame deferred, and how many with a type reference. */
  readonly waiting: Uint8Array;
  readonly waitingWhole: Uint8Array;
  /** vCPUs with a deferred table. */
  deferredTables = 0;
  dying = false;
  /** Of the last `follow`: a base pointer is another now; so is the size of a GDT or LDT. */
  rebased = false;
  resized = false;
  /** Some TLB holds a translation. */
  translates = false;
  /** A frame of GDT or LDT that does not even exist. */
  stray = 0;
  private readonly cpus: readonly CpuRoots[];

  constructor(
    private readonly state: ModelState,
    private readonly held: Holdings,
    frames: number,
  ) {
    this.waiting = new Uint8Array(frames);
    this.waitingWhole = new Uint8Array(frames);
    this.cpus = Array.from({ length: state.machine.vcpus }, () => new CpuRoots());
  }

  /** Follows the base pointers and the deferred tables, and looks for what else has to be. */
  follow(): void {
    const { state, cpus } = this;
    this.dying = state.dying() !== 0;
    this.rebased = false;
    this.resized = false;
    this.translates = false;
    for (let cpu = 0; cpu < cpus.length; cpu++) {
      const known = cpus[cpu];
      if (
        state.kernelBase(cpu) !== known.kernel ||
        state.userBase(cpu) !== known.user ||
        state.loadedBase(cpu) !== known.loaded
      ) {
        this.followBases(known, cpu);
        this.rebased = true;
      }
      if ((known.deferred | state.deferred(cpu)) !== 0) this.followDeferred(known, cpu);
      if (state.gdtFrames(cpu) !== known.gdtFrames || state.ldtEntries(cpu) !== known.ldtEntries)
        this.resized = true;
      if (state.tlbSize(cpu) !== 0) this.translates = true;
    }
  }

  /** No vCPU has changed since the last `follow`. */
  stay(): void {
    this.rebased = false;
    this.resized = false;
  }

  private followBases(known: CpuRoots, cpu: number): void {
    this.base(known.kernel, -1);
    this.base(known.user, -1);
    known.kernel = this.state.kernelBase(cpu);
    known.user = this.state.userBase(cpu);
    known.loaded = this.state.loadedBase(cpu);
    this.base(known.kernel, 1);
    this.base(known.user, 1);
  }

  private base(mfn: number, by: number): void {
    if (mfn !== 0 && mfn < this.waiting.length) this.held.count(mfn, BASES, by);
  }

  /** Touches table and parent even if they wait on: whether they are linear depends on what they are now. */
  private followDeferred(known: CpuRoots, cpu: number): void {
    const { state } = this;
    this.wait(known, -1);
    known.deferred = state.deferred(cpu);
    known.whole = state.deferredWhole(cpu);
    known.parent = state.deferredParent(cpu);
    this.wait(known, 1);
  }

  private wait({ deferred, whole, parent }: CpuRoots, by: number): void {
    if (deferred === 0) return;
    this.deferredTables += by;
    if (parent !== 0 && parent < this.waiting.length) this.held.touched.add(parent);
    if (deferred >= this.waiting.length) return;
    this.waiting[deferred] += by;
    this.waitingWhole[deferred] += by * whole;
    this.held.touched.add(deferred);
  }

  /** Linear entries of the table's own to tables that still wait for their cleanup. */
  linearOut(mfn: number): number {
    let linear = 0;
    for (let cpu = 0; cpu < this.cpus.length; cpu++)
      if (this.cpus[cpu].parent === mfn && isLinearToParent(this.state, cpu)) linear++;
    return linear;
  }

  /** The same of the table that waits. */
  linearIn(mfn: number): number {
    let linear = 0;
    for (let cpu = 0; cpu < this.cpus.length; cpu++)
      if (this.cpus[cpu].deferred === mfn && isLinearToParent(this.state, cpu)) linear++;
    return linear;
  }

  /** Whether the frame's use as descriptor table may have changed: only then are GDT and LDT read again. */
  concerns(mfn: number, info: number): boolean {
    return this.held.of(mfn, SEGMENTS) !== 0 || (info & INFO_TYPE) === TYPE_SEG_DESC;
  }

  followSegments(): void {
    for (let cpu = 0; cpu < this.cpus.length; cpu++) this.followSegmentsOf(this.cpus[cpu], cpu);
  }

  private followSegmentsOf(known: CpuRoots, cpu: number): void {
    const { state } = this;
    const frames = state.gdtFrames(cpu);
    for (let i = 0; i < Math.max(frames, known.gdtFrames); i++)
      this.rename(known.gdt, i, i < frames ? state.gdtFrame(i, cpu) : NONE);
    known.gdtFrames = frames;
    known.ldtEntries = state.ldtEntries(cpu);
    if (!known.ldtUsed && known.ldtEntries === 0) return;
    known.ldtUsed = false;
    for (let page = 0; page < LDT_PAGES; page++) {
      const frame = state.ldtFrame(page, cpu);
      this.rename(known.ldt, page, frame === 0 ? NONE : frame);
      if (frame !== 0) known.ldtUsed = true;
    }
  }

  /** A place of a descriptor table names this frame now, or none. */
  private rename(known: Int32Array, place: number, mfn: number): void {
    const before = known[place];
    if (mfn === before) return;
    known[place] = mfn;
    if (before !== NONE) this.name(before, -1);
    if (mfn !== NONE) this.name(mfn, 1);
  }

  private name(mfn: number, by: number): void {
    if (mfn < this.waiting.length) this.held.count(mfn, SEGMENTS, by);
    else if (by > 0) this.stray = mfn;
    else if (this.stray === mfn) this.stray = 0;
  }
}
