/**
 * Which reference every slot of a table holds, as far as the tracker has counted it. A page of slots is set
 * up when a frame first becomes a table; slots in use are marked in a bitmap, so that dropping a table costs in
 * proportion to its entries.
 */
import { SLOTS } from '../../models/x86/entry.js';

const WORDS = SLOTS / 32;
const NONE = -1;

/** Kinds of reference, in the two low bits of a held word; the frame referred to stands above them. */
export const READ_ONLY = 0;
export const WRITABLE = 1;
export const LOWER = 2;
export const LINEAR = 3;

export class ShadowPages {
  private page: Int32Array;
  private pages = 0;
  private held = new Int32Array(64 * SLOTS);
  private marked = new Int32Array(64 * WORDS);

  constructor(frames: number) {
    this.page = new Int32Array(frames).fill(NONE);
  }

  /** Gives the frame a page, if it has none. */
  prepare(table: number): void {
    if (this.page[table] !== NONE) return;
    if (this.pages * SLOTS === this.held.length) {
      this.held = doubled(this.held);
      this.marked = doubled(this.marked);
    }
    this.page[table] = this.pages++;
  }

  /** `target << 2 | kind`, plus one; 0 if the slot holds no reference. */
  get(table: number, slot: number): number {
    return this.held[this.page[table] * SLOTS + slot];
  }

  set(table: number, slot: number, target: number, kind: number): void {
    const page = this.page[table];
    this.held[page * SLOTS + slot] = ((target << 2) | kind) + 1;
    this.marked[page * WORDS + (slot >> 5)] |= 1 << (slot & 31);
  }

  clear(table: number, slot: number): void {
    const page = this.page[table];
    this.held[page * SLOTS + slot] = 0;
    this.marked[page * WORDS + (slot >> 5)] &= ~(1 << (slot & 31));
  }

  /** First slot from `slot` on that holds a reference; 512 if there is none. */
  next(table: number, slot: number): number {
    const first = this.page[table] * WORDS;
    let word = slot >> 5;
    if (word >= WORDS) return SLOTS;
    let bits = this.marked[first + word] & (-1 << (slot & 31));
    while (bits === 0) {
      if (++word === WORDS) return SLOTS;
      bits = this.marked[first + word];
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits);
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
