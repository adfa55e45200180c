/** Things that happen to processes now and then: failing execs, moved tables, suspends in between, huge pages, other CPUs. */
import { A, D, entry, P, PSE, RW, US, ZERO } from '../../x86/entry.js';
import { L2_FIXMAP, slotsOf } from '../layout.js';
import { KERNEL } from './lowmem.js';
import type { Mm } from './pgd.js';
import type { Process } from './process.js';
import { Vmalloc } from './vmalloc.js';

export class Events extends Vmalloc {
  /** exec that fails after its address space was made and before it is activated. */
  protected do_execve_fails(): void {
    const fresh: Process = { mm: this.pgd_alloc(), pages: new Map() };
    this.do_anonymous_page(fresh, 2);
    this.processes.push(fresh);
    this.exit_mmap(fresh);
  }

  /** save while an address space is being made. */
  protected suspend_in_exec(): void {
    const fresh: Process = { mm: this.pgd_alloc(), pages: new Map() };
    this.do_anonymous_page(fresh, 0);
    this.processes.push(fresh);
    this.xen_mm_pin_all();
    this.exit_mmap(fresh);
  }

  /** mremap moves a whole L1 to another L2 slot, and back: it is hooked again as if it were new. */
  protected move_page_tables({ mm, pages }: Process): void {
    const page = pages.get(0);
    if (page === undefined) return;
    const va = this.place(0);
    const l1 = this.pte_alloc(mm, va).pfn;
    const path = slotsOf(va, this.wide);
    const l2 = this.wide
      ? this.table_of(mm, path.slice(0, -2))
      : this.named(this.slot(this.direct(mm.pgd), path[0]!));
    const from = this.slot(this.direct(l2), path.at(-2)!);
    const to = this.slot(this.direct(l2), 100);
    for (const [old, fresh] of [
      [from, to],
      [to, from],
    ] as const) {
      const value = this.read(old);
      this.xen_set_pmd(old, ZERO);
      this.xen_alloc_ptpage(mm, l1, 1);
      this.xen_set_pmd(fresh, value);
    }
  }

  private table_of(mm: Mm, path: readonly number[]): number {
    return path.reduce((pfn, index) => this.named(this.slot(this.direct(pfn), index)), mm.pgd);
  }

  /** text_poke: an address space of the kernel's own, in which a page of its text is written. */
  protected poking_init(): void {
    const poking: Process = { mm: this.pgd_alloc(), pages: new Map() };
    this.processes.push(poking);
    if (!this.bug('poking-mm-not-pinned')) this.xen_activate_mm(poking.mm);
    const before = this.current[this.cpu];
    this.switch_mm(poking);
    this.do_anonymous_page(poking, 0);
    this.switch_mm(before);
    this.exit_mmap(poking);
  }

  /** hugetlbfs, or a transparent huge page: an L2 entry that maps memory. */
  protected huge_page({ mm }: Process): void {
    const slot = this.pte_alloc(mm, this.place(0));
    const path = slotsOf(this.place(0), this.wide);
    const l2 = this.wide
      ? this.table_of(mm, path.slice(0, -2))
      : this.named(this.slot(this.direct(mm.pgd), path[0]!));
    const huge = entry(this.pfn_to_mfn(slot.pfn) & ~511, P | RW | US | A | D | PSE);
    this.xen_set_pmd(this.slot(this.direct(l2), 200), huge);
  }

  /** A switch that waits in the other CPU's buffer while the process ends here. */
  protected exit_elsewhere(process: Process): void {
    const here = this.cpu;
    this.cpu = 1 - here;
    this.switch_mm(process);
    this.switch_mm(undefined, true);
    this.cpu = here;
    if (this.current[here] === process) this.switch_mm(undefined);
    this.exit_mmap(process);
    this.cpu = 1 - here;
    this.xen_mc_flush();
    this.cpu = here;
  }

  protected override on_other_cpu(mm: Mm): void {
    const tables = [...this.xen_pgd_walk(mm)];
    const l1 = tables.find(([, level]) => level === 1)?.[0];
    if (l1 === undefined) return;
    if (this.layout.machine.cpus > 1) this.cpu = 1 - this.cpu;
    if (this.bug('pin-window-unlocked')) this.page_out(l1);
    if (this.bug('sync-in-pin-window')) this.sync_late(mm);
    if (this.bug('kmap-in-pin-window')) this.kmap_pte_page(l1);
    if (this.layout.machine.cpus > 1) this.cpu = 1 - this.cpu;
  }

  /** pageout looks at a table through rmap and clears an entry's accessed bit. */
  protected page_out(l1: number): void {
    const mfn = this.pfn_to_mfn(l1);
    const slot = this.slot(this.direct(l1), this.state.nextUsed(mfn, 0));
    const old = this.read(slot);
    this.native_set_pte(slot, entry(old.mfn, old.flags & ~A));
  }

  /** vmalloc_sync_all saw the root before it was pinned, and stores. */
  protected sync_late(mm: Mm): void {
    const page = mm.kernelPmd ?? mm.pgd;
    const mfn = this.pfn_to_mfn(this.init_mm_pgd);
    const index = this.wide ? 511 : 0;
    this.store(this.slot(this.direct(page), index), this.wide ? this.readFrame(mfn, index) : ZERO);
  }

  /** rmap maps a highmem L1 in order to look at it, writable as kmap does. */
  protected kmap_pte_page(l1: number): void {
    const slot = this.kmap_pte(this.layout.fixmap(L2_FIXMAP.x86_32, 1));
    this.xen_set_pte(slot, this.pfn_pte(l1, KERNEL));
  }
}
