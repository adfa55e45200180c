/** Memory and frame table with a record of what has changed: in this operation, since the start, and under the last walk. */
import { Changes, WHOLE_FRAME } from '../x86/changes.js';

import { Memory } from './memory.js';

/** The frame is not as it was at the start. */
const DIRTY = 1;
/** Nor are its contents, or may not be. */
const REWRITTEN = 2;
/** The last walk went through the frame. */
const WALKED = 4;
/** No virtual address has this region number. */
const NO_REGION = -1;

/** Operations are numbered up to this. */
const LAST_NUMBER = 0x7fffffff;

export class ChangingMemory extends Memory {
  readonly changes = new Changes();
  /** Number of this operation, from 1 on. */
  private operation = 0;

  /** The last walk, by 2 MiB region of the address (its bits 21 to 31) and the address's high half. */
  walkRegion = NO_REGION;
  walkHigh = 0;
  walkTable = 0;
  walkWritable = false;
  private readonly walkPath = new Int32Array(4);
  private walkLength = 0;

  /** Frames that are not as they were at the start. */
  dirtyFrames = new Int32Array(0);
  dirtyCount = 0;

  /** Makes room for frames 0 .. limit-1, all without owner. */
  protected clearMemory(limit: number): void {
    this.dirtyCount = 0;
    this.clearFrames(limit);
    this.clearContents();
    this.dirtyFrames = new Int32Array(limit);
    this.walkLength = 0;
    this.walkRegion = NO_REGION;
  }

  protected keepMemory(): void {
    this.keepFrames();
    this.keepContents();
    for (let i = 0; i < this.dirtyCount; i++) this.setMarks(this.dirtyFrames[i]!, 0);
    this.dirtyCount = 0;
    this.changes.clear();
  }

  protected resetMemory(): void {
    this.forgetWalk();
    for (let i = 0; i < this.dirtyCount; i++) {
      const mfn = this.dirtyFrames[i]!;
      this.restoreFrame(mfn);
      if ((this.marks(mfn) & REWRITTEN) !== 0) this.restoreContents(mfn);
      this.setMarks(mfn, 0);
    }
    this.dirtyCount = 0;
    this.changes.clear();
  }

  /** Another operation begins, which has changed nothing yet. */
  protected beginChanges(): void {
    this.changes.clear();
    if (this.operation++ === LAST_NUMBER) this.renumber();
  }

  /** No frame has been named by the next operation, which is number 1 again. */
  private renumber(): void {
    for (let mfn = 0; mfn < this.limit; mfn++) this.setLastNamed(mfn, 0);
    this.operation = 1;
  }

  /** To be called before anything known of the frame changes; of one operation's calls for a frame the first matters. */
  touch(mfn: number): void {
    if (this.lastNamed(mfn) !== this.operation) this.name(mfn);
  }

  private name(mfn: number): void {
    this.setLastNamed(mfn, this.operation);
    this.changes.frame(mfn);
    if ((this.marks(mfn) & DIRTY) === 0) this.becomesDirty(mfn);
  }

  private becomesDirty(mfn: number): void {
    this.dirtyFrames[this.dirtyCount++] = mfn;
    this.setMarks(mfn, this.marks(mfn) | DIRTY);
  }

  /** To be called when the frame's contents change, unless that they have is all that is marked. */
  private written(mfn: number): void {
    const marks = this.marks(mfn);
    if ((marks & DIRTY) === 0) this.becomesDirty(mfn);
    if ((marks & REWRITTEN) === 0) this.setMarks(mfn, this.marks(mfn) | REWRITTEN);
    if ((marks & WALKED) !== 0) this.forgetWalk();
  }

  /** Remembers where a walk of 2 MiB region `region` of `high` ended, for as long as no table on its path changes. */
  rememberWalk(region: number, high: number, table: number, writable: boolean): void {
    this.walkRegion = region;
    this.walkHigh = high;
    this.walkTable = table;
    this.walkWritable = writable;
  }

  onWalk(mfn: number): void {
    this.setMarks(mfn, this.marks(mfn) | WALKED);
    this.walkPath[this.walkLength++] = mfn;
  }

  forgetWalk(): void {
    for (let i = 0; i < this.walkLength; i++)
      this.setMarks(this.walkPath[i]!, this.marks(this.walkPath[i]!) & ~WALKED);
    this.walkLength = 0;
    this.walkRegion = NO_REGION;
  }

  /** Stores an entry in memory, whatever the frame is. */
  setEntry(mfn: number, slot: number, low: number, high: number): void {
    this.set(mfn, slot, low, high);
    this.changes.slot(mfn, slot);
    if (this.marks(mfn) !== (DIRTY | REWRITTEN)) this.written(mfn);
  }

  zeroFrame(mfn: number): void {
    this.zero(mfn);
    this.wholeFrameChanged(mfn);
  }

  copyFrame(mfn: number, source: number): void {
    this.copyContents(mfn, source);
    this.wholeFrameChanged(mfn);
  }

  private wholeFrameChanged(mfn: number): void {
    this.changes.slot(mfn, WHOLE_FRAME);
    if (this.marks(mfn) !== (DIRTY | REWRITTEN)) this.written(mfn);
  }
}
