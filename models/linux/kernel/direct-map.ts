/**
 * The direct map's tables (arch/x86/mm/init_64.c, init_32.c, init.c): how one range is mapped. Which ranges, in which
 * order, is `init-memory.ts`'s.
 */
import { entry, P, RW } from '../../x86/entry.js';
import type { Range } from '../../../src/program/machine.js';
import { L4_DIRECT, PAE_KERNEL } from '../layout.js';
import type { Slot, TablePage } from './guest.js';
import { KERNEL } from './lowmem.js';
import { MemorySetup } from './memory-setup.js';

export class DirectMap extends MemorySetup {
  /** Tables that are hooked when all are there (profile `hook`), children first. */
  private readonly unhooked: { readonly slot: Slot; readonly level: 1 | 2; readonly pfn: number }[] = [];

  private pass = 1;

  /** The next page for a table, as find_early_table_space's buffer has them. */
  protected alloc_low_page(): number {
    const { pgt_buf } = this;
    if (pgt_buf.end >= pgt_buf.top) this.panic('alloc_low_page: ran out of memory');
    return pgt_buf.end++;
  }

  protected kernel_physical_mapping_init(range: Range): void {
    for (this.pass = 1; this.pass <= this.profile.passes; this.pass++) {
      if (!this.wide) {
        this.kernel_physical_mapping_init_32(range);
        continue;
      }
      this.phys_pud_init(this.l3Slot(), range);
      this.hook_all();
    }
  }

  private l3Slot(): Slot {
    return this.slot(this.kernelPage(this.init_mm_pgd), L4_DIRECT);
  }

  /** The L4 slot of the direct map always has its L3: 512 GiB are more than any of these machines has. */
  private phys_pud_init(l4: Slot, range: Range): void {
    const { ptes } = this.layout.machine;
    const size = ptes * this.layout.pmds;
    this.through(this.named(l4), (l3) => {
      for (let at = range.mfn - (range.mfn % size); at < range.mfn + range.count; at += size) {
        const slot = this.slot(l3, at / size);
        this.table(slot, 2, (l2) => this.phys_pmd_init(l2, part(range, at, size)));
      }
    });
  }

  private phys_pmd_init(l2: TablePage, range: Range): void {
    const { ptes } = this.layout.machine;
    for (let at = range.mfn - (range.mfn % ptes); at < range.mfn + range.count; at += ptes) {
      const slot = this.slot(l2, (at / ptes) % this.layout.pmds);
      this.table(slot, 1, (l1) => this.phys_pte_init(l1, part(range, at, ptes)));
    }
  }

  /** Fills the table that the slot names; where it names none, makes one, fills it and hooks it. */
  private table(slot: Slot, level: 1 | 2, fill: (page: TablePage) => void): void {
    if (this.read(slot).flags & P) return this.through(this.named(slot), fill);
    const pfn = this.alloc_low_page();
    const isAliased = this.profile.buffer !== 'brk';
    const page = isAliased ? this.early_memremap(pfn) : this.direct(pfn);
    if (!this.bug('table-not-cleared')) this.clear_page(page);
    fill(page);
    const drop = () => (isAliased ? this.early_iounmap() : undefined);
    if (this.profile.aliasDrop === 'beforeHook') drop();
    if (this.profile.hook === 'late') this.unhooked.push({ slot, level, pfn });
    else this.announceAndHook(slot, level, pfn);
    if (this.profile.aliasDrop === 'afterHook') drop();
  }

  private announceAndHook(slot: Slot, level: 1 | 2, pfn: number): void {
    if (level === 1) {
      this.xen_alloc_pte_init(pfn);
      this.xen_set_pmd_hyper(slot, this.hook(pfn));
    } else {
      this.xen_alloc_pmd_init(pfn);
      this.xen_set_pud_hyper(slot, this.hook(pfn));
    }
  }

  /** All tables are known now: what maps them becomes read-only while it is nothing but memory. */
  private hook_all(): void {
    const tables = this.unhooked.splice(0);
    const pfns = new Set(tables.map(({ pfn }) => pfn));
    for (const { pfn } of tables.filter(({ level }) => level === 1)) {
      const page = this.early_memremap(pfn);
      for (let index = 0; index < this.layout.machine.ptes; index++) {
        const slot = this.slot(page, index);
        const old = this.read(slot);
        if ((old.flags & P) !== 0 && pfns.has(this.mfn_to_pfn(old.mfn)!))
          this.store(slot, entry(old.mfn, old.flags & ~RW));
      }
      this.early_iounmap();
    }
    for (const { slot, level, pfn } of tables) this.announceAndHook(slot, level, pfn);
  }

  /** A table that is hooked already is read-only in the direct map, and as an alias. */
  private through(pfn: number, fill: (page: TablePage) => void): void {
    if (this.profile.existingThrough === 'direct') return fill(this.direct(pfn));
    fill(this.early_memremap(pfn));
    this.early_iounmap();
  }

  private phys_pte_init(l1: TablePage, { mfn: from, count }: Range): void {
    const { ptes } = this.layout.machine;
    for (let pfn = from; pfn < from + count; pfn++) {
      const slot = this.slot(l1, pfn % ptes);
      const isKept = this.profile.existingPte !== 'overwrite' || this.pass < this.profile.passes;
      if (isKept && (this.read(slot).flags & P) !== 0) continue;
      this.set_direct_pte(slot, pfn);
    }
  }

  private set_direct_pte(slot: Slot, pfn: number): void {
    const isPresent = (this.read(slot).flags & P) !== 0;
    if (isPresent && this.profile.existingPte === 'keep') return;
    const value = this.xen_make_pte(pfn, KERNEL);
    // A page without a frame leaves the slot as it is: storing zero over zero is nothing that anyone sees.
    if (value.flags !== 0 || isPresent) this.set_pte(slot, value);
  }

  /** Every L1 is hooked when it is new, and filled through the direct map. */
  private kernel_physical_mapping_init_32(range: Range): void {
    const { ptes } = this.layout.machine;
    const l2 = this.named(this.slot(this.kernelPage(this.init_mm_pgd), PAE_KERNEL));
    for (let pfn = range.mfn; pfn < range.mfn + range.count; pfn++) {
      const pmd = this.slot(this.direct(l2), Math.floor(pfn / ptes));
      if ((this.read(pmd).flags & P) === 0) this.one_page_table_init(pmd);
      this.set_direct_pte(this.slot(this.direct(this.named(pmd)), pfn % ptes), pfn);
    }
  }

  protected one_page_table_init(pmd: Slot): void {
    const pfn = this.alloc_low_page();
    this.clear_page(this.direct(pfn));
    this.xen_alloc_pte_init(pfn);
    this.xen_set_pmd_hyper(pmd, this.hook(pfn));
  }
}

/** Of the range, what lies in `size` pages from `at` on. */
function part(range: Range, at: number, size: number): Range {
  const from = Math.max(range.mfn, at);
  return { mfn: from, count: Math.min(range.mfn + range.count, at + size) - from };
}
