/** Translations of one kind that a TLB holds at most; the oldest goes first (rules 16.6). */
const TRANSLATIONS = 16;

/** A virtual CPU's TLB: translations of the guest's pages, and of Xen's linear window to L1 tables. */
export class Tlb {
  readonly pages = new Translations();
  /** By 2 MiB region: the L1 table through which Xen finds the region's entries. */
  readonly window = new Translations();

  flush(): void {
    this.pages.count = 0;
    this.window.count = 0;
  }
}

export class Translations {
  /** The address, without the bits below the page or region. */
  readonly low = new Int32Array(TRANSLATIONS);
  readonly high = new Int32Array(TRANSLATIONS);
  readonly frame = new Int32Array(TRANSLATIONS);
  /** 1 where stores may go through. */
  readonly writable = new Uint8Array(TRANSLATIONS);
  count = 0;

  /** Where the translation of the address is; -1 for nowhere. */
  find(low: number, high: number): number {
    for (let i = 0; i < this.count; i++) if (this.low[i] === low && this.high[i] === high) return i;
    return -1;
  }

  add(low: number, high: number, frame: number, writable: boolean): void {
    this.remove(this.find(low, high));
    if (this.count === TRANSLATIONS) this.remove(0);
    const i = this.count++;
    this.low[i] = low;
    this.high[i] = high;
    this.frame[i] = frame;
    this.writable[i] = writable ? 1 : 0;
  }

  remove(at: number): void {
    if (at < 0) return;
    this.count--;
    for (let i = at; i < this.count; i++) {
      this.low[i] = this.low[i + 1]!;
      this.high[i] = this.high[i + 1]!;
      this.frame[i] = this.frame[i + 1]!;
      this.writable[i] = this.writable[i + 1]!;
    }
  }
}
