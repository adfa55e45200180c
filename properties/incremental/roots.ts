/** What else holds frames: base pointers, GDT, LDT and the table that MOV CR3 has left (rules 2.10, 5.4). */
import type { ModelState } from '../../models/model.js';
import { INFO_TYPE, TYPE_SEG_DESC } from '../../models/x86/page-type.js';
import { LDT_PAGES } from '../recount.js';
import type { FrameSet } from './frame-set.js';

/** GDT frames of a vCPU (7168 descriptors). */
const GDT_FRAMES = 14;

export class Roots {
  kernel = 0;
  user = 0;
  deferred = 0;
  /** A frame of GDT or LDT that does not even exist. */
  stray = 0;
  /** How many GDT slots and LDT pages name the frame. */
  readonly segments: Uint8Array;
  private readonly gdt = new Int32Array(GDT_FRAMES);
  private gdtFrames = 0;
  private readonly ldt = new Int32Array(LDT_PAGES);
  private ldtEntries = 0;
  /** Whether an LDT page was in use when last looked at. */
  private ldtUsed = false;

  constructor(
    private readonly state: ModelState,
    private readonly touched: FrameSet,
    frames: number,
  ) {
    this.segments = new Uint8Array(frames);
  }

  /** Follows the base pointers and the deferred table; whether a base pointer is another now. */
  follow(): boolean {
    const { state } = this;
    const kernel = state.kernelBase();
    let rebased = false;
    if (kernel !== this.kernel) {
      rebased = true;
      this.touch(this.kernel);
      this.touch(kernel);
      this.kernel = kernel;
    }
    if (state.userBase() !== this.user) {
      rebased = true;
      this.touch(this.user);
      this.user = state.userBase();
      this.touch(this.user);
    }
    if (state.deferred() !== this.deferred) {
      this.touch(this.deferred);
      this.deferred = state.deferred();
      this.touch(this.deferred);
    }
    return rebased;
  }

  /** Whether the frame's use as descriptor table may have changed: only then are GDT and LDT read again. */
  concerns(mfn: number): boolean {
    return this.segments[mfn] !== 0 || (this.state.info(mfn) & INFO_TYPE) === TYPE_SEG_DESC;
  }

  resized(): boolean {
    return this.state.gdtFrames() !== this.gdtFrames || this.state.ldtEntries() !== this.ldtEntries;
  }

  followSegments(): void {
    const { state } = this;
    this.stray = 0;
    for (let i = 0; i < this.gdtFrames; i++) this.name(this.gdt[i], -1);
    this.gdtFrames = state.gdtFrames();
    for (let i = 0; i < this.gdtFrames; i++) this.name((this.gdt[i] = state.gdtFrame(i)), 1);
    this.ldtEntries = state.ldtEntries();
    if (!this.ldtUsed && this.ldtEntries === 0) return;
    this.ldtUsed = false;
    for (let page = 0; page < LDT_PAGES; page++) {
      const frame = state.ldtFrame(page);
      if (this.ldt[page] !== 0) this.name(this.ldt[page], -1);
      if (frame !== 0) this.name(frame, 1);
      if (frame !== 0) this.ldtUsed = true;
      this.ldt[page] = frame;
    }
  }

  private name(mfn: number, by: number): void {
    if (mfn >= this.segments.length) {
      if (by > 0) this.stray = mfn;
      return;
    }
    this.segments[mfn] += by;
    this.touched.add(mfn);
  }

  private touch(mfn: number): void {
    if (mfn < this.segments.length) this.touched.add(mfn);
  }
}
