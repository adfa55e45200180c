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
  private pages = 1;
  /** Start contents: for each frame with any, slot, low word and high word of its entries, one after another. */
  private readonly start = new Map<number, Int32Array>();

  clear(): void {
    this.page = new Int32Array(0);
    this.low = new Int32Array(SLOTS);
    this.high = new Int32Array(SLOTS);
    this.used = new Int32Array(WORDS);
    this.pages = 1;
    this.start.clear();
  }

  growFrames(limit: number): void {
    if (this.page.length >= limit) return;
    const larger = new Int32Array(limit);
    larger.set(this.page);
    this.page = larger;
  }

  /** Whether that changed anything. */
  set(mfn: number, slot: number, low: number, high: number): boolean {
    let page = this.page[mfn]!;
    const at = (page << 9) | slot;
    if (this.low[at] === low && this.high[at] === high) return false;
    if (page === 0) page = this.newPage(mfn);
    this.low[(page << 9) | slot] = low;
    this.high[(page << 9) | slot] = high;
    const word = (page << 4) | (slot >> 5);
    if ((low | high) === 0) this.used[word]! &= ~(1 << (slot & 31));
    else this.used[word]! |= 1 << (slot & 31);
    return true;
  }

  zero(mfn: number): void {
    const page = this.page[mfn]!;
    if (page === 0) return;
    for (let w = 0; w < WORDS; w++) {
      let bits = this.used[(page << 4) | w]!;
      if (bits === 0) continue;
      this.used[(page << 4) | w] = 0;
      for (; bits !== 0; bits &= bits - 1) {
        const at = (page << 9) | (w << 5) | (31 - Math.clz32(bits & -bits));
        this.low[at] = 0;
        this.high[at] = 0;
      }
    }
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
    const base = this.page[mfn]! << 4;
    let word = slot >> 5;
    let bits = this.used[base | word]! & (-1 << (slot & 31));
    while (bits === 0) {
      if (++word === WORDS) return SLOTS;
      bits = this.used[base | word]!;
    }
    return (word << 5) | (31 - Math.clz32(bits & -bits));
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
    }
    this.page[mfn] = this.pages;
    return this.pages++;
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
