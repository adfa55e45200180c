/** Where pages come from: .brk, memblock (once bootmem and e820's early reservations), and the page allocator. */
import { P, RW } from '../../x86/entry.js';
import { INFO_PINNED, INFO_TYPE, isTable } from '../../x86/page-type.js';
import type { Range } from '../../../src/program/machine.js';
import { contains, INVALID_P2M_ENTRY } from '../layout.js';
import { Multicalls } from './multicalls.js';

export class Allocator extends Multicalls {
  /** Pages that memblock does not hand out. */
  private readonly reserved = new Uint8Array(this.layout.maxPfn + 1);
  private brkUsed = 0;
  private brkOpen = true;
  /** Pages of the page allocator, in the order in which they came. */
  private readonly free: number[] = [];
  protected mem_init_done = false;
  /** First pfn that the kernel takes for no memory, below 4 GiB; the page in which it ends may be half there. */
  protected max_low_pfn =
    this.layout.end +
    (this.bug('e820-not-page-aligned') ? this.layout.machine.edge : 0) +
    (this.bug('memory-map-beyond-list') ? this.layout.machine.ptes : 0);

  protected memblock_init(): void {
    const { layout } = this;
    this.memblock_reserve({ mfn: layout.kernelStart, count: layout.brk.mfn - layout.kernelStart });
    for (const range of [layout.initrd, layout.p2m, layout.p2mTables]) this.memblock_reserve(range);
    this.memblock_reserve({ mfn: layout.startInfo, count: 1 });
  }

  protected memblock_reserve({ mfn, count }: Range): void {
    this.reserved.fill(1, mfn, mfn + count);
  }

  protected memblock_free(range: Range): void {
    for (let pfn = range.mfn; pfn < range.mfn + range.count; pfn++) this.check_free_page(pfn);
    this.memblock_free_early(range);
  }

  /** Pages that need not be mapped yet. */
  protected memblock_free_early({ mfn, count }: Range): void {
    this.reserved.fill(0, mfn, mfn + count);
  }

  /** E820_RAM that nothing is in the way of. */
  protected isRam(pfn: number): boolean {
    const isIsa = contains(this.layout.isa, pfn) && !this.bug('table-in-isa-range');
    return !isIsa && this.pfn_to_mfn(pfn) !== INVALID_P2M_ENTRY;
  }

  private isFree(pfn: number): boolean {
    const isPart = pfn === this.layout.end && this.bug('e820-not-page-aligned') && pfn < this.max_low_pfn;
    return this.reserved[pfn] === 0 && (this.isRam(pfn) || isPart);
  }

  /** `count` pages in a row below `to`, the highest or the lowest there are; they stay free. */
  protected memblock_find_in_range(
    from: number,
    to: number,
    count: number,
    order: 'up' | 'down' = 'down',
  ): number | undefined {
    const fits = (start: number) => {
      for (let pfn = start; pfn < start + count; pfn++) if (!this.isFree(pfn)) return false;
      return true;
    };
    if (order === 'up') {
      for (let pfn = from; pfn + count <= to; pfn++) if (fits(pfn)) return pfn;
    } else {
      for (let pfn = to - count; pfn >= from; pfn--) if (fits(pfn)) return pfn;
    }
    return undefined;
  }

  /** A page from the top of what is free, cleared. */
  protected memblock_alloc(): number {
    const pfn = this.memblock_find_in_range(1, this.layout.maxPfn + 1, 1);
    if (pfn === undefined) this.panic('memblock_alloc: Failed to allocate');
    this.clear_page({ pfn, va: this.__va(pfn) });
    this.memblock_reserve({ mfn: pfn, count: 1 });
    return pfn;
  }

  /** A page of .brk, which is part of the image and mapped with it. */
  protected extend_brk(): number {
    const { brk } = this.layout;
    if (!this.brkOpen || this.brkUsed === brk.count) this.BUG('extend_brk');
    return brk.mfn + this.brkUsed++;
  }

  /** Pages of .brk that nobody has taken. */
  protected get brkRest(): Range {
    const { mfn, count } = this.layout.brk;
    return { mfn: mfn + this.brkUsed, count: count - this.brkUsed };
  }

  /** From here on what is left of .brk is memory like any other. */
  protected reserve_brk(): void {
    this.memblock_reserve({ mfn: this.layout.brk.mfn, count: this.brkUsed });
    this.brkOpen = false;
  }

  /** First pfn after what .brk has handed out. */
  protected get brkEnd(): number {
    return this.layout.brk.mfn + this.brkUsed;
  }

  /** All that memblock has left becomes the page allocator's. */
  protected mem_init(): void {
    const { layout } = this;
    for (let pfn = 0; pfn < layout.maxPfn; pfn++) {
      if (this.reserved[pfn] !== 0 || !this.isRam(pfn)) continue;
      this.check_free_page(pfn);
      this.free.push(pfn);
    }
    this.mem_init_done = true;
  }

  /** A page that is handed out again must be mapped writable and be no table (docs/linux-guest.md). */
  protected check_free_page(pfn: number): void {
    const fault = this.free_page_fault(pfn);
    if (fault) this.fail({ kind: 'invariant', invariant: 'free-page', pfn, message: fault });
  }

  protected free_page_fault(pfn: number): string | undefined {
    const info = this.state.info(this.pfn_to_mfn(pfn));
    const isTyped = isTable(info & INFO_TYPE) && this.state.typeCount(this.pfn_to_mfn(pfn)) > 0;
    const slot = this.lookup_address(this.__va(pfn));
    const name = `page 0x${pfn.toString(16)}`;
    if (info & INFO_PINNED) return `${name} is free and pinned`;
    if (isTyped) return `${name} is free and a pagetable`;
    if (slot === undefined || (this.read(slot).flags & P) === 0) return `${name} is free and not mapped`;
    return (this.read(slot).flags & RW) === 0 ? `${name} is free and read-only` : undefined;
  }

  /** A page that is all zero; before there is a page allocator, memblock's. */
  protected get_zeroed_page(): number {
    if (!this.mem_init_done) return this.memblock_alloc();
    const pfn = this.layout.machine.reuse === 1 ? this.free.shift() : this.free.pop();
    if (pfn === undefined) this.fail({ kind: 'panic', message: 'Out of memory' });
    this.clear_page({ pfn, va: this.__va(pfn) });
    return pfn;
  }

  protected get freePages(): number {
    return this.free.length;
  }

  protected free_page(pfn: number): void {
    this.check_free_page(pfn);
    this.free.push(pfn);
  }
}
