/** The memory map: struct pages, in an area of their own (64-bit; mm/sparse.c, mm/sparse-vmemmap.c). */
import { P } from '../../x86/entry.js';
import type { Level } from '../../x86/page-type.js';
import type { Word64 } from '../../../src/program/operation.js';
import { slotsOf, STRUCT_PAGES } from '../layout.js';
import type { Slot } from './guest.js';
import { KERNEL } from './lowmem.js';
import { Pgds } from './pgd.js';

export class MemoryMap extends Pgds {
  /** Every page of memory gets a struct page; the area's tables are the last that early code makes. */
  protected sparse_init(): void {
    if (!this.wide) return;
    for (let pfn = 0; pfn < this.layout.maxPfn; pfn += STRUCT_PAGES)
      if (this.hasMemory(pfn)) this.vmemmap_populate(this.layout.vmemmap(pfn));
  }

  private hasMemory(from: number): boolean {
    for (let pfn = from; pfn < from + STRUCT_PAGES; pfn++) if (this.isRam(pfn)) return true;
    return false;
  }

  protected vmemmap_populate(va: Word64): void {
    const path = slotsOf(va, true);
    const l3 = this.vmemmap_table(this.init_mm_pgd, path[0]!, 3);
    const l2 = this.vmemmap_table(l3, path[1]!, 2);
    const l1 = this.vmemmap_table(l2, path[2]!, 1);
    this.set_pte(this.slot(this.direct(l1), path[3]!), this.pfn_pte(this.memblock_alloc(), KERNEL));
  }

  /** The table that the slot names, a new one if it names none. */
  private vmemmap_table(parent: number, index: number, level: 1 | 2 | 3): number {
    const slot = this.slot(this.direct(parent), index);
    if (this.read(slot).flags & P) return this.named(slot);
    const pfn = this.memblock_alloc();
    this.announceTable(pfn, level);
    this.hookTable(slot, level, pfn);
    return pfn;
  }

  private announceTable(pfn: number, level: Level): void {
    if (this.bug('alloc-ops-before-marking')) this.xen_alloc_ptpage(this.init_mm, pfn, level);
    else if (level === 1) this.xen_alloc_pte_init(pfn);
    else this.xen_alloc_pmd_init(pfn);
  }

  private hookTable(slot: Slot, level: Level, pfn: number): void {
    if (level === 3) this.xen_set_pgd_hyper(slot, this.hook(pfn));
    else if (level === 2) this.xen_set_pud_hyper(slot, this.hook(pfn));
    else this.xen_set_pmd_hyper(slot, this.hook(pfn));
  }

  /** struct pages beyond the first section are initialised late, and lose what was noted in them before. */
  protected override mem_init(): void {
    super.mem_init();
    if (!this.bug('struct-pages-initialised-late')) return;
    for (const pfn of this.PagePinned) if (pfn >= this.layout.initialEnd) this.PagePinned.delete(pfn);
  }
}
