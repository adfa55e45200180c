// What a vCPU's TLB holds (rules 16.6): translations of the guest's pages, and those of Xen's linear window.
import type { Word64 } from '../../src/program/operation.js';

interface Translation extends Word64 {
  readonly frame: number;
  readonly writable: boolean;
}
const CAPACITY = 16;

class Translations {
  held: Translation[] = []; // the oldest first
  constructor(private readonly mask: number) {}
  find({ low, high }: Word64): Translation | undefined {
    return this.held.find((t) => t.low === (low & this.mask) && t.high === high);
  }
  add(va: Word64, frame: number, writable: boolean): void {
    this.drop(va);
    this.held.push({ low: va.low & this.mask, high: va.high, frame, writable });
    if (this.held.length > CAPACITY) this.held.shift();
  }
  drop(va: Word64): void {
    const found = this.find(va);
    this.held = this.held.filter((t) => t !== found);
  }
}

export class Tlb {
  readonly pages = new Translations(~0xfff);
  readonly windows = new Translations(~0x1fffff); // the L1 table of each 2 MiB
  flush(): void {
    this.pages.held = [];
    this.windows.held = [];
  }
}
