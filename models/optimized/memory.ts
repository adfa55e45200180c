import { SLOTS } from '../x86/entry.js';
import { highestBit, lowestBit } from './bits.js';
import { FrameTable } from './frame-table.js';

/**
 * A page of contents, in words: low and high word of each slot, then a bitmap of the slots that are not zero.
 *
 * ```
 *   0                       1024        1040
 *   low 0  high 0  low 1 …  bitmap      the next page
 * ```
 */
const BITMAP = 2 * SLOTS;
const PAGE_WORDS = BITMAP + SLOTS / 32;

/**
 * Contents of frames. The bitmap of a page, and the word of the frame's record that says which of the bitmap's words are
 * not zero, let loops over a table cost what it holds. A frame gets a page with its first non-zero entry; the first page
 * is all zero and stands for every frame without one.
 */
export class Memory extends FrameTable {
  words = new Int32Array(PAGE_WORDS);
  private end = PAGE_WORDS;
  /** Start contents, frame after frame: how many entries, then slot, low word and high word of each. */
  private startContents = new Int32Array(0);

  /** Makes room for the contents of all frames, all zero. */
  protected clearContents(): void {
    this.words = new Int32Array(PAGE_WORDS);
    this.end = PAGE_WORDS;
  }

  low(mfn: number, slot: number): number {
    return this.words[this.page(mfn) + (slot << 1)]!;
  }

  high(mfn: number, slot: number): number {
    return this.words[this.page(mfn) + ((slot << 1) | 1)]!;
  }

  /** Nobody is told that it changes: that is `setEntry` of `State`. */
  set(mfn: number, slot: number, low: number, high: number): void {
    let page = this.page(mfn);
    if (page === 0) page = this.newPage(mfn);
    const { words } = this;
    words[page + (slot << 1)] = low;
    words[page + ((slot << 1) | 1)] = high;
    // Most entries that are written are not zero, and were not.
    if ((low | high) === 0 || (words[page + BITMAP + (slot >> 5)]! & (1 << slot)) === 0)
      this.mark(mfn, page, slot, low | high);
  }

  /** Keeps the bitmap: the slot is in use unless what stands in it is zero. */
  private mark(mfn: number, page: number, slot: number, contents: number): void {
    const { words } = this;
    const at = page + BITMAP + (slot >> 5);
    if (contents === 0) words[at]! &= ~(1 << slot);
    else words[at]! |= 1 << slot;
    const used = this.usedWords(mfn) & ~(1 << (slot >> 5));
    this.setUsedWords(mfn, words[at] === 0 ? used : used | (1 << (slot >> 5)));
  }

  protected zero(mfn: number): void {
    const { words } = this;
    const page = this.page(mfn);
    for (let used = this.usedWords(mfn); used !== 0; used &= used - 1) {
      const word = lowestBit(used);
      for (let bits = words[page + BITMAP + word]!; bits !== 0; bits &= bits - 1) {
        const slot = (word << 5) | lowestBit(bits);
        words[page + (slot << 1)] = 0;
        words[page + ((slot << 1) | 1)] = 0;
      }
      words[page + BITMAP + word] = 0;
    }
    this.setUsedWords(mfn, 0);
  }

  /** The frame's contents become those of another, which may be one of these records and pages instead. */
  copyContents(mfn: number, source: number, from: Memory = this): void {
    if (mfn === source && from === this) return;
    this.zero(mfn);
    for (let slot = from.next(source, 0); slot < SLOTS; slot = from.next(source, slot + 1))
      this.set(mfn, slot, from.low(source, slot), from.high(source, slot));
  }

  /** Makes room for frames 0 .. limit-1, of which nothing is known and whose contents are zero. */
  makeRoom(limit: number): void {
    this.clearFrames(limit);
    this.clearContents();
  }

  /** The frame's state and contents become what they are in another memory of as many frames. */
  copyFrom(mfn: number, from: Memory): void {
    this.copyState(mfn, from.frames);
    this.copyContents(mfn, mfn, from);
  }

  /** First slot from `slot` on that is not zero; SLOTS if there is none. */
  next(mfn: number, slot: number): number {
    if (slot >= SLOTS) return SLOTS;
    const bitmap = this.page(mfn) + BITMAP;
    const word = slot >> 5;
    const bits = this.words[bitmap + word]! & (-1 << slot);
    if (bits !== 0) return (word << 5) | lowestBit(bits);
    const used = this.usedWords(mfn) & (-2 << word);
    if (used === 0) return SLOTS;
    const next = lowestBit(used);
    return (next << 5) | lowestBit(this.words[bitmap + next]!);
  }

  /** Last slot up to `slot` that is not zero; -1 if there is none. */
  previous(mfn: number, slot: number): number {
    if (slot < 0) return -1;
    const bitmap = this.page(mfn) + BITMAP;
    const word = slot >> 5;
    const bits = this.words[bitmap + word]! & (-1 >>> (31 - (slot & 31)));
    if (bits !== 0) return (word << 5) | highestBit(bits);
    const used = this.usedWords(mfn) & ((1 << word) - 1);
    if (used === 0) return -1;
    const previous = highestBit(used);
    return (previous << 5) | highestBit(this.words[bitmap + previous]!);
  }

  protected keepContents(): void {
    const kept = [0]; // no frame's begin there
    for (let mfn = 0; mfn < this.limit; mfn++) {
      const at = kept.length;
      for (let slot = this.next(mfn, 0); slot < SLOTS; slot = this.next(mfn, slot + 1))
        kept.push(slot, this.low(mfn, slot), this.high(mfn, slot));
      if (kept.length === at) continue;
      kept.splice(at, 0, (kept.length - at) / 3);
      this.setStartContents(mfn, at);
    }
    this.startContents = Int32Array.from(kept);
  }

  /** Puts a frame's start contents back. */
  protected restoreContents(mfn: number): void {
    const { startContents: kept } = this;
    this.zero(mfn);
    const at = this.startContentsOf(mfn);
    if (at === 0) return;
    const end = at + 3 * kept[at]!;
    for (let i = at + 1; i < end; i += 3) this.set(mfn, kept[i]!, kept[i + 1]!, kept[i + 2]!);
  }

  private newPage(mfn: number): number {
    if (this.end === this.words.length) {
      const { words } = this;
      this.words = new Int32Array(words.length * 2);
      this.words.set(words);
    }
    const page = this.end;
    this.setPage(mfn, page);
    this.end += PAGE_WORDS;
    return page;
  }
}
