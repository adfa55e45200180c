/** dom0's memory map is the host's: what lies where the host has devices is moved (arch/x86/xen/setup.c, mmu_pv.c). */
import { ZERO } from '../../x86/entry.js';
import type { Range } from '../../../src/program/machine.js';
import { INVALID_P2M_ENTRY, L4_P2M, L4_P2M_MOVED, overlaps } from '../layout.js';
import { KERNEL } from './lowmem.js';
import { SetupPagetable } from './setup-pagetable.js';

export class MemorySetup extends SetupPagetable {
  private initrd = this.layout.initrd;

  protected xen_memory_setup(): void {
    const { host, machine } = this.layout;
    const isChecked = !this.bug('memory-in-use-remapped');
    if (isChecked && overlaps(host, this.list!.pages)) this.xen_relocate_p2m();
    if (isChecked && overlaps(host, this.initrd)) this.xen_move_initrd();
    this.xen_ident_map_ISA();
    this.xen_set_identity_and_remap(host);
    if (machine.dom0 && this.bug('brk-left-out-of-check')) this.xen_set_identity_and_remap(this.brkRest);
    // Each pfn_to_mfn reads it.
    if (this.list!.slot === undefined) this.load(this.layout.kernel(this.list!.pages.mfn));
  }

  /** Pages where the host has devices stand for these; their frames are kept for the end of memory, and not followed further here. */
  protected xen_set_identity_and_remap({ mfn, count }: Range): void {
    for (let pfn = mfn; pfn < mfn + count; pfn++) {
      if (this.lookup_address(this.__va(pfn))) this.HYPERVISOR_update_va_mapping(this.__va(pfn), ZERO);
      this.p2m.set(pfn, INVALID_P2M_ENTRY);
    }
  }

  /** Pages in a row that are free, the lowest. */
  protected xen_find_free_area(count: number, what: string): Range {
    const { host, maxPfn, p2mTables } = this.layout;
    if (this.bug('list-moved-over-itself') && p2mTables.count > 0) return { mfn: p2mTables.mfn, count };
    let from = this.memblock_find_in_range(1, maxPfn, count, 'up');
    if (from !== undefined && overlaps({ mfn: from, count }, host))
      from = this.memblock_find_in_range(host.mfn + host.count, maxPfn, count, 'up');
    if (from === undefined)
      this.BUG(`Can't find new memory area for ${what} needed due to E820 map conflict`);
    return { mfn: from, count };
  }

  /** A new list with tables of its own, each pinned: nothing of the old one can be relied on. */
  protected xen_relocate_p2m(): void {
    const old = this.list!;
    const area = this.xen_find_free_area(3 + old.pages.count, 'p2m');
    const [pud_pfn, pmd_pfn, pt_pfn, first] = [area.mfn, area.mfn + 1, area.mfn + 2, area.mfn + 3];
    const pud = this.early_memremap(pud_pfn);
    this.clear_page(pud);
    const pmd = this.early_memremap(pmd_pfn);
    this.clear_page(pmd);
    const pt = this.early_memremap(pt_pfn);
    this.clear_page(pt);
    for (let i = 0; i < old.pages.count; i++) this.store(this.slot(pt, i), this.pfn_pte(first + i, KERNEL));
    this.early_iounmap();
    this.announcePinned(pt_pfn, 1);
    this.store(this.slot(pmd, 0), this.hook(pt_pfn));
    this.early_iounmap();
    this.announcePinned(pmd_pfn, 2);
    this.store(this.slot(pud, 0), this.hook(pmd_pfn));
    this.early_iounmap();
    this.announcePinned(pud_pfn, 3);
    const l4 = this.kernelPage(this.init_mm_pgd);
    this.xen_set_pgd_hyper(this.slot(l4, L4_P2M_MOVED), this.hook(pud_pfn));
    this.memblock_reserve(area);
    if (old.slot === L4_P2M) this.xen_set_pgd_hyper(this.slot(l4, L4_P2M), ZERO);
    this.memblock_free_early(old.pages);
    this.memblock_free_early(old.tables);
    const pages = { mfn: first, count: old.pages.count };
    this.list = { pages, tables: { mfn: area.mfn, count: 3 }, slot: L4_P2M_MOVED };
  }

  private announcePinned(pfn: number, level: 1 | 2 | 3): void {
    this.make_lowmem_page_readonly(this.__va(pfn));
    this.pin_pagetable_pfn(level, pfn);
  }

  /** The ramdisk is copied page by page, through early mappings of both. */
  protected xen_move_initrd(): void {
    const area = this.xen_find_free_area(this.initrd.count, 'initrd');
    for (let i = 0; i < area.count; i++) {
      const to = this.early_memremap(area.mfn + i);
      const from = this.early_memremap(this.initrd.mfn + i);
      this.load(from.va);
      this.storeTo(to.va, ZERO);
      this.early_iounmap();
      this.early_iounmap();
    }
    this.memblock_reserve(area);
    this.memblock_free_early(this.initrd);
    this.initrd = area;
  }

  /** The ramdisk is reached through the direct map from here on. */
  protected reserve_initrd(): void {
    const { mfn, count } = this.initrd;
    for (let pfn = mfn; pfn < mfn + count; pfn++) this.load(this.__va(pfn));
  }
}
