import { SLOTS } from '../x86/entry.js';

const WORDS = SLOTS / 32;

/**
 * Contents of frames: two 32-bit words an entry, and a bitmap of the slots that are not zero, so that loops
 * over a table cost what it holds. A frame gets a page of memory with its first non-zero entry; page 0 is all
 * zero and stands for every frame without one.
 */
export class Memory {
  /** Page of a frame, by frame number. */
  page = new Int32Array(0);
  low = new Int32Array(SLOTS);
  high = new Int32Array(SLOTS);
  used = new Int32Array(WORDS);
  /** By page: which of its words of `used` are not zero. */
  usedWords = new Int32Array(1);
  private pages = 1;
  /** Start contents: for each frame with any, slot, low word and high word of its entries, one after another. */
  private readonly start = new Map<number, Int32Array>();

  /** Makes room for the contents of frames 0 .. limit-1, all zero. */
  clear(limit: number): void {
    this.page = new Int32Array(limit);
    this.low = new Int32Array(SLOTS);
    this.high = new Int32Array(SLOTS);
    this.used = new Int32Array(WORDS);
    this.usedWords = new Int32Array(1);
    this.pages = 1;
    this.start.clear();
  }

  /** The bitmap is kept without a branch: whether an entry is zero cannot be predicted. */
  set(mfn: number, slot: number, low: number, high: number): void {
    let page = this.page[mfn]!;
    if (page === 0) page = this.newPage(mfn);
    const at = (page << 9) | slot;
    this.low[at] = low;
    this.high[at] = high;
    const word = slot >> 5;
    const bits = this.used[(page << 4) | word]! & ~(1 << (slot & 31));
    const after = bits | (isNonZero(low | high) << (slot & 31));
    this.used[(page << 4) | word] = after;
    this.usedWords[page] = (this.usedWords[page]! & ~(1 << word)) | (isNonZero(after) << word);
  }

  zero(mfn: number): void {
    const page = this.page[mfn]!;
    for (let slot = this.next(mfn, 0); slot < SLOTS; slot = this.next(mfn, slot + 1)) {
      this.low[(page << 9) | slot] = 0;
      this.high[(page << 9) | slot] = 0;
    }
    for (let words = this.usedWords[page]!; words !== 0; words &= words - 1) {
      this.used[(page << 4) | lowestBit(words)] = 0;
    }
    this.usedWords[page] = 0;
  }

  copy(mfn: number, source: number): void {
    if (mfn === source) return;
    this.zero(mfn);
    for (let slot = this.next(source, 0); slot < SLOTS; slot = this.next(source, slot + 1)) {
      const at = (this.page[source]! << 9) | slot;
      this.set(mfn, slot, this.low[at]!, this.high[at]!);
    }
  }

  /** First slot from `slot` on that is not zero; SLOTS if there is none. */
  next(mfn: number, slot: number): number {
    if (slot >= SLOTS) return SLOTS;
    const page = this.page[mfn]!;
    const word = slot >> 5;
    const bits = this.used[(page << 4) | word]! & (-1 << (slot & 31));
    if (bits !== 0) return (word << 5) | lowestBit(bits);
    const words = this.usedWords[page]! & (-2 << word);
    if (words === 0) return SLOTS;
    const next = lowestBit(words);
    return (next << 5) | lowestBit(this.used[(page << 4) | next]!);
  }

  /** Last slot up to `slot` that is not zero; -1 if there is none. */
  previous(mfn: number, slot: number): number {
    if (slot < 0) return -1;
    const page = this.page[mfn]!;
    const word = slot >> 5;
    const bits = this.used[(page << 4) | word]! & (-1 >>> (31 - (slot & 31)));
    if (bits !== 0) return (word << 5) | highestBit(bits);
    const words = this.usedWords[page]! & ((1 << word) - 1);
    if (words === 0) return -1;
    const previous = highestBit(words);
    return (previous << 5) | highestBit(this.used[(page << 4) | previous]!);
  }

  keepAsStart(): void {
    for (let mfn = 0; mfn < this.page.length; mfn++) {
      if (this.page[mfn] === 0) continue;
      const entries: number[] = [];
      for (let slot = this.next(mfn, 0); slot < SLOTS; slot = this.next(mfn, slot + 1)) {
        const at = (this.page[mfn]! << 9) | slot;
        entries.push(slot, this.low[at]!, this.high[at]!);
      }
      if (entries.length > 0) this.start.set(mfn, Int32Array.from(entries));
    }
  }

  /** Puts a frame's start contents back. */
  restore(mfn: number): void {
    this.zero(mfn);
    const entries = this.start.get(mfn);
    if (entries === undefined) return;
    for (let i = 0; i < entries.length; i += 3) this.set(mfn, entries[i]!, entries[i + 1]!, entries[i + 2]!);
  }

  private newPage(mfn: number): number {
    if (this.pages << 9 === this.low.length) {
      this.low = doubled(this.low);
      this.high = doubled(this.high);
      this.used = doubled(this.used);
      this.usedWords = doubled(this.usedWords);
    }
    this.page[mfn] = this.pages;
    return this.pages++;
  }
}

/** 1 where the word is not zero, else 0, without a branch. */
function isNonZero(word: number): number {
  return (word | -word) >>> 31;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function highestBit(word: number): number {
  return 31 - Math.clz32(word);
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
