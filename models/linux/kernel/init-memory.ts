/** Which ranges the direct map is made of, in which order, and where its tables' pages come from. */
import { P, ZERO } from '../../x86/entry.js';
import type { Range } from '../../../src/program/machine.js';
import { contains, L2_FIXMAP, overlaps, PAE_KERNEL } from '../layout.js';
import { DirectMap } from './direct-map.js';

export class InitMemory extends DirectMap {
  private ranges = 0;
  /** Of 3.9 and later: pages of .brk for tables, and what of memory is mapped. */
  private brkTables: number[] = [];
  private min_pfn_mapped = 0;
  private isBrkUsable = true;

  /** Up to 3.8: one range after the other, from below, with the tables' pages found beforehand. */
  protected init_memory_mapping(range: Range): void {
    this.find_early_table_space(range);
    this.kernel_physical_mapping_init(range);
    if (!this.wide) {
      this.page_table_range_init();
      this.load_cr3(this.init_mm_pgd);
    }
    const { start, end, top } = this.pgt_buf;
    this.pagetable_reserve(start, end, top);
    this.max_pfn_mapped = Math.max(this.max_pfn_mapped, range.mfn + range.count);
    this.pgt_buf = { start: 0, end: 0, top: 0 };
    this.ranges++;
  }

  /** A page of entries for each level in the worst case, in a row. */
  protected find_early_table_space({ mfn, count }: Range): void {
    const { ptes } = this.layout.machine;
    const last = mfn + count;
    const spans = (size: number) => Math.ceil(last / size) - Math.floor(mfn / size);
    const forgotten = this.bug('merged-regions-forgotten') ? 1 : 0;
    const tables = spans(ptes) + (this.wide ? spans(ptes * this.layout.pmds) + 1 : 2);
    const { buffer } = this.profile;
    const limit = buffer === 'top' ? last : this.max_pfn_mapped;
    // One page more, so that what lies below the buffer is no table: real buffers never fit exactly
    // (docs/linux-guest.md, "Scale").
    const free = this.memblock_find_in_range(1, limit, tables + 1, buffer === 'low' ? 'up' : 'down');
    if (free === undefined) this.panic('Cannot find space for the kernel page tables');
    const start = free + 1;
    this.pgt_buf = { start, end: start, top: start + Math.ceil(tables / (1 + 3 * forgotten)) };
  }

  /** Native: what tables have taken stays reserved. Xen's, from 2.6.39 on: the rest is to be writable again. */
  private pagetable_reserve(start: number, end: number, top: number): void {
    this.memblock_reserve({ mfn: start, count: end - start });
    const { reserveTail } = this.profile;
    if (reserveTail === 'none' || (reserveTail === 'firstRange' && this.ranges > 0)) return;
    for (let pfn = end; pfn < top; pfn++) this.make_lowmem_page_readwrite(this.__va(pfn));
  }

  protected override alloc_low_page(): number {
    return this.profile.buffer === 'brk' ? this.alloc_low_pages() : super.alloc_low_page();
  }

  /** 3.9 and later: from .brk, or from what is mapped already. */
  private alloc_low_pages(): number {
    if (this.isBrkUsable && this.brkTables.length > 0) return this.brkTables.shift()!;
    const pfn = this.memblock_find_in_range(this.min_pfn_mapped, this.max_pfn_mapped, 1);
    if (pfn === undefined) this.panic('alloc_low_page: can not alloc memory');
    this.memblock_reserve({ mfn: pfn, count: 1 });
    return pfn;
  }

  protected early_alloc_pgt_buf(): void {
    this.brkTables = Array.from({ length: 6 }, () => this.extend_brk());
  }

  /** 3.9 and later: the first megabyte, then from the top down in steps that grow with what is mapped. */
  protected init_mem_mapping(): void {
    const { ptes } = this.layout.machine;
    const isa = this.layout.isa.mfn + this.layout.isa.count;
    const end = this.layout.high.count > 0 ? this.layout.high.mfn + this.layout.high.count : this.max_low_pfn;
    // Until then, what the domain builder has mapped counts.
    this.max_pfn_mapped = Math.min(this.max_pfn_mapped, this.layout.initialEnd);
    this.init_range_memory_mapping(0, isa);
    this.min_pfn_mapped = 0;
    const block = this.memblock_find_in_range(isa, end, 2 * ptes - 1) ?? isa;
    const real_end = Math.max(isa, Math.ceil(block / ptes) * ptes + ptes);
    this.min_pfn_mapped = real_end;
    this.max_pfn_mapped = 0;
    let [last, step, mapped] = [real_end, ptes, 0];
    const shift = Math.max(1, Math.floor((Math.log2(ptes) * 5) / 9));
    while (last > isa) {
      const start = last > step ? Math.max(isa, Math.floor((last - 1) / step) * step) : isa;
      const fresh = this.init_range_memory_mapping(start, last);
      last = start;
      this.min_pfn_mapped = last;
      if (fresh > mapped) step <<= shift;
      mapped += fresh;
    }
    if (real_end < end) this.init_range_memory_mapping(real_end, end);
    if (!this.wide) this.page_table_range_init();
    this.load_cr3(this.init_mm_pgd);
  }

  /** Maps the memory between the pfns; how many pages that is. */
  private init_range_memory_mapping(from: number, to: number): number {
    let pages = 0;
    for (const range of this.memoryBetween(from, to)) {
      // Pages of .brk that are left: their slots must not be in a table that is being made.
      const [first] = this.brkTables;
      this.isBrkUsable =
        first === undefined || !overlaps(range, { mfn: first, count: this.brkTables.length });
      this.kernel_physical_mapping_init(range);
      this.max_pfn_mapped = Math.max(this.max_pfn_mapped, range.mfn + range.count);
      pages += range.count;
    }
    this.isBrkUsable = true;
    return pages;
  }

  /** E820_RAM between two pfns, and the first megabyte whole. */
  private memoryBetween(from: number, to: number): Range[] {
    const isaEnd = this.layout.isa.mfn + this.layout.isa.count;
    const found: Range[] = [];
    for (let pfn = from; pfn < to; pfn++) {
      const isWanted = pfn < isaEnd || this.isRam(pfn) || (pfn === this.layout.end && pfn < this.max_low_pfn);
      const last = found.at(-1);
      if (!isWanted) continue;
      if (last && last.mfn + last.count === pfn)
        found[found.length - 1] = { mfn: last.mfn, count: last.count + 1 };
      else found.push({ mfn: pfn, count: 1 });
    }
    return found;
  }

  /**
   * 32-bit: the fixed mappings' own L1, and early_ioremap's if it has to lie beside it: its entries move to a page of
   * the buffer (page_table_kmap_check).
   */
  private page_table_range_init(): void {
    const l2 = this.direct(this.named(this.slot(this.kernelPage(this.init_mm_pgd), PAE_KERNEL)));
    const pmd = this.slot(l2, L2_FIXMAP.x86_32);
    if ((this.read(pmd).flags & P) === 0) this.one_page_table_init(pmd);
    this.page_table_kmap_check();
  }

  protected page_table_kmap_check(): void {
    const pmd = this.early_ioremap_pmd();
    const old = this.named(pmd);
    if (old !== this.layout.static('bm_pte')) return;
    const pfn = this.alloc_low_page();
    this.clear_page(this.direct(pfn));
    this.copy_page(this.direct(pfn), old);
    this.xen_alloc_pte_init(pfn);
    this.xen_set_pmd_hyper(pmd, this.hook(pfn));
    this.bm_pte = pfn;
    this.xen_release_pte_init(old);
  }

  protected load_cr3(root: number): void {
    // xen_write_cr3 of later times asks the root's struct page for the user's root; there is none yet.
    if (this.bug('cr3-before-struct-pages')) this.load(this.layout.vmemmap(root));
    this.MULTI_new_baseptr(this.pfn_to_mfn(root));
    this.xen_mc_flush();
  }

  protected MULTI_new_baseptr(mfn: number): void {
    this.xen_mc_entry({ kind: 'new_baseptr', mfn });
  }

  /** 64-bit: the kernel map shrinks to the image; the rest is reached through the direct map. */
  protected cleanup_highmap(): void {
    const { ptes, pmds } = { ...this.layout.machine, pmds: this.layout.pmds };
    const kernel = { mfn: this.layout.kernelStart, count: this.brkEnd - this.layout.kernelStart };
    const l2 = this.kernelPage(this.layout.static('level2_kernel_pgt'));
    const limit = Math.min(pmds * ptes, this.max_pfn_mapped);
    for (let pfn = 0; pfn + ptes <= limit; pfn += ptes) {
      const slot = this.slot(l2, pfn / ptes);
      const isKernel = pfn >= kernel.mfn && pfn < kernel.mfn + kernel.count;
      if (!isKernel && (this.read(slot).flags & P) !== 0) this.xen_set_pmd_hyper(slot, ZERO);
    }
  }

  /** What the direct map is to hold at the end. */
  protected isDirectMapped(pfn: number): boolean {
    return this.isRam(pfn) && !contains(this.layout.isa, pfn);
  }
}
