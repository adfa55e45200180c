/**
 * Which reference every slot of a table holds, as far as the tracker has counted it. A page of slots is set
 * up when a frame first becomes a table; slots that have been in use are marked in a bitmap, so that dropping a table
 * costs in proportion to its entries.
 */
import { SLOTS } from '../../models/x86/entry.js';

const WORDS = SLOTS / 32;
const NONE = -1;

export class ShadowPages {
  private page: Int32Array;
  private pages = 0;
  private held = new Int32Array(64 * SLOTS);
  private marked = new Int32Array(64 * WORDS);
  /** By page: which of its words of `marked` are not zero. */
  private markedWords = new Int32Array(64);

  constructor(frames: number) {
    this.page = new Int32Array(frames).fill(NONE);
  }

  /** Gives the frame a page, if it has none. */
  prepare(table: number): void {
    if (this.page[table] !== NONE) return;
    if (this.pages * SLOTS === this.held.length) {
      this.held = doubled(this.held);
      this.marked = doubled(this.marked);
      this.markedWords = doubled(this.markedWords);
    }
    this.page[table] = this.pages++;
  }

  /** What was put there; 0 if the slot holds no reference. */
  get(table: number, slot: number): number {
    return this.held[this.page[table] * SLOTS + slot];
  }

  put(table: number, slot: number, reference: number): void {
    const page = this.page[table];
    this.held[page * SLOTS + slot] = reference;
    this.marked[page * WORDS + (slot >> 5)] |= 1 << (slot & 31);
    this.markedWords[page] |= 1 << (slot >> 5);
  }

  /** What was put there, and is not any more. */
  take(table: number, slot: number): number {
    const at = this.page[table] * SLOTS + slot;
    const reference = this.held[at];
    this.held[at] = 0;
    return reference;
  }

  /** First slot from `slot` on that may hold a reference; 512 if there is none. */
  next(table: number, slot: number): number {
    const page = this.page[table];
    const word = slot >> 5;
    if (word >= WORDS) return SLOTS;
    const bits = this.marked[page * WORDS + word] & (-1 << (slot & 31));
    if (bits !== 0) return (word << 5) | lowestBit(bits);
    const words = this.markedWords[page] & (-2 << word);
    if (words === 0) return SLOTS;
    const next = lowestBit(words);
    return (next << 5) | lowestBit(this.marked[page * WORDS + next]);
  }

  /** Nothing is held in the table any more: no slot may be left with a reference. */
  unmark(table: number): void {
    const page = this.page[table];
    for (let words = this.markedWords[page]; words !== 0; words &= words - 1)
      this.marked[page * WORDS + lowestBit(words)] = 0;
    this.markedWords[page] = 0;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
