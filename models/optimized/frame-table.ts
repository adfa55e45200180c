import { INFO_OWNER, INFO_OWNER_SHIFT, OWNER_GUEST } from '../x86/page-type.js';
import { lowestBit } from './bits.js';

/** Owner field of the guest's own frames. */
export const OWNED = OWNER_GUEST << INFO_OWNER_SHIFT;

/**
 * A frame's record is sixteen words side by side, word k of frame m at `(m << FRAME_SHIFT) | k`: all that an operation
 * asks of a frame stands in one line of the processor's cache.
 */
const FRAME_SHIFT = 4;
/** The words. Layout of the first: `x86/page-type.ts`. */
const INFO = 0;
const TYPE_COUNT = 1;
const GENERAL_COUNT = 2;
const LINEAR_COUNT = 3;
/** nr_validated_ptes of a partial table. */
const FROM = 4;
const LOST_TYPES = 5;
const LOST_GENERALS = 6;
const M2P_LOW = 7;
const M2P_HIGH = 8;
/** So many words are the frame's state; the others are how it is kept. */
const STATE_WORDS = 9;
/** Where its contents begin in `words` of `Memory`. */
const PAGE = 9;
/** Which words of its bitmap of slots are not zero. */
const USED_WORDS = 10;
const MARKS = 11;
/** The operation that named it last among the changes. */
const NAMED = 12;
/** Where its contents at the start stand, in words of `Memory`; 0 where it has none. */
const START_CONTENTS = 13;

/** What is known of every frame (Xen: struct page_info), and how it was at the start. */
export class FrameTable {
  limit = 0;
  frames = new Int32Array(0);
  private start = new Int32Array(0);
  /** One bit for each frame: it is the guest's, or has been one day. */
  private given = new Int32Array(0);

  exists(mfn: number): boolean {
    return mfn >>> 0 < this.limit >>> 0; // of numbers without and with a sign V8 makes floating point
  }

  // Of frames that exist: a caller looks first.

  info(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | INFO]!;
  }

  setInfo(mfn: number, info: number): void {
    this.frames[(mfn << FRAME_SHIFT) | INFO] = info;
  }

  typeCount(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | TYPE_COUNT]!;
  }

  setTypeCount(mfn: number, count: number): void {
    this.frames[(mfn << FRAME_SHIFT) | TYPE_COUNT] = count;
  }

  addTypes(mfn: number, by: number): void {
    this.frames[(mfn << FRAME_SHIFT) | TYPE_COUNT]! += by;
  }

  generalCount(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | GENERAL_COUNT]!;
  }

  setGeneralCount(mfn: number, count: number): void {
    this.frames[(mfn << FRAME_SHIFT) | GENERAL_COUNT] = count;
  }

  addGenerals(mfn: number, by: number): void {
    this.frames[(mfn << FRAME_SHIFT) | GENERAL_COUNT]! += by;
  }

  linearCount(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | LINEAR_COUNT]!;
  }

  setLinearCount(mfn: number, count: number): void {
    this.frames[(mfn << FRAME_SHIFT) | LINEAR_COUNT] = count;
  }

  addLinears(mfn: number, by: number): void {
    this.frames[(mfn << FRAME_SHIFT) | LINEAR_COUNT]! += by;
  }

  from(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | FROM]!;
  }

  setFrom(mfn: number, slot: number): void {
    this.frames[(mfn << FRAME_SHIFT) | FROM] = slot;
  }

  lostTypes(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | LOST_TYPES]!;
  }

  lostGenerals(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | LOST_GENERALS]!;
  }

  loseType(mfn: number): void {
    this.frames[(mfn << FRAME_SHIFT) | LOST_TYPES]!++;
  }

  loseGeneral(mfn: number): void {
    this.frames[(mfn << FRAME_SHIFT) | LOST_GENERALS]!++;
  }

  protected forgetLost(mfn: number): void {
    this.frames[(mfn << FRAME_SHIFT) | LOST_TYPES] = 0;
    this.frames[(mfn << FRAME_SHIFT) | LOST_GENERALS] = 0;
  }

  m2pLow(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | M2P_LOW]!;
  }

  m2pHigh(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | M2P_HIGH]!;
  }

  setM2p(mfn: number, low: number, high: number): void {
    this.frames[(mfn << FRAME_SHIFT) | M2P_LOW] = low;
    this.frames[(mfn << FRAME_SHIFT) | M2P_HIGH] = high;
  }

  protected forgetM2p(mfn: number): void {
    this.setM2p(mfn, -1, -1);
  }

  protected page(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | PAGE]!;
  }

  protected setPage(mfn: number, page: number): void {
    this.frames[(mfn << FRAME_SHIFT) | PAGE] = page;
  }

  protected usedWords(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | USED_WORDS]!;
  }

  protected setUsedWords(mfn: number, used: number): void {
    this.frames[(mfn << FRAME_SHIFT) | USED_WORDS] = used;
  }

  protected marks(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | MARKS]!;
  }

  protected setMarks(mfn: number, marks: number): void {
    this.frames[(mfn << FRAME_SHIFT) | MARKS] = marks;
  }

  protected lastNamed(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | NAMED]!;
  }

  protected setLastNamed(mfn: number, operation: number): void {
    this.frames[(mfn << FRAME_SHIFT) | NAMED] = operation;
  }

  protected startContentsOf(mfn: number): number {
    return this.frames[(mfn << FRAME_SHIFT) | START_CONTENTS]!;
  }

  protected setStartContents(mfn: number, at: number): void {
    this.frames[(mfn << FRAME_SHIFT) | START_CONTENTS] = at;
  }

  protected give(mfn: number): void {
    this.given[mfn >> 5]! |= 1 << mfn;
  }

  /** First frame from `mfn` on that is the guest's, or has been; `limit` if there is none. */
  nextGiven(mfn: number): number {
    let word = mfn >> 5;
    let bits = this.given[word]! & (-1 << mfn);
    while (bits === 0) {
      if (++word === this.given.length) return this.limit;
      bits = this.given[word]!;
    }
    return (word << 5) | lowestBit(bits);
  }

  protected clearFrames(limit: number): void {
    this.limit = limit;
    this.frames = new Int32Array(limit << FRAME_SHIFT);
    this.given = new Int32Array((limit >> 5) + 1);
    for (let mfn = 0; mfn < limit; mfn++) this.forgetM2p(mfn);
  }

  protected keepFrames(): void {
    this.start = this.frames.slice();
    for (let mfn = 0; mfn < this.limit; mfn++) if ((this.info(mfn) & INFO_OWNER) === OWNED) this.give(mfn);
  }

  protected restoreFrame(mfn: number): void {
    this.copyState(mfn, this.start);
  }

  /** The frame's state becomes what it was in these records. */
  copyState(mfn: number, from: Int32Array): void {
    const end = (mfn << FRAME_SHIFT) | STATE_WORDS;
    for (let i = (mfn << FRAME_SHIFT) | INFO; i < end; i++) this.frames[i] = from[i]!;
  }
}
