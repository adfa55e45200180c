/** Processes: what fork, exec, exit and switches do to pagetables (mm/memory.c, arch/x86/xen/mmu.c). */
import { A, D, entry, NX, P, RW, US, ZERO } from '../../x86/entry.js';
import type { Word64 } from '../../../src/program/operation.js';
import { address32, address64, slotsOf } from '../layout.js';
import type { Slot } from './guest.js';
import { TABLE } from './lowmem.js';
import { MemoryMap } from './memory-map.js';
import type { Mm } from './pgd.js';

const USER_PAGE = P | RW | US | A | D | NX;
/** Places of a process's mappings: text and data share an L1, the stack has its own tables. */
const PLACES = {
  x86_64: [address64(0, 0, 2, 0), address64(0, 0, 3, 1), address64(255, 511, 511, 510)],
  x86_32: [address32(0, 64, 0), address32(0, 65, 1), address32(2, 511, 510)],
} as const;

export interface Process {
  readonly mm: Mm;
  /** Anonymous pages by place; several processes may share one after a fork. */
  readonly pages: Map<number, number>;
}

export class Processes extends MemoryMap {
  /** How many mappings each anonymous page has. */
  private readonly mapped = new Map<number, number>();
  protected readonly processes: Process[] = [];
  /** What runs on each vCPU; undefined for the kernel alone. */
  protected readonly current: (Process | undefined)[] = [undefined, undefined];

  protected place(which: number): Word64 {
    return PLACES[this.layout.machine.arch][which]!;
  }

  /** The L1 slot of an address, with the tables on the way to it where they are missing. */
  protected pte_alloc(mm: Mm, va: Word64): Slot {
    const path = slotsOf(va, this.wide);
    let pfn = mm.pgd;
    for (const [depth, index] of path.slice(0, -1).entries()) {
      const level = path.length - depth;
      const slot = this.slot(this.direct(pfn), index);
      if ((this.read(slot).flags & P) === 0) this.table_alloc(mm, slot, level - 1, depth === 0);
      pfn = this.named(slot);
    }
    return this.slot(this.direct(pfn), path.at(-1)!);
  }

  private table_alloc(mm: Mm, slot: Slot, level: number, isRoot: boolean): void {
    const pfn = this.get_zeroed_page();
    this.xen_alloc_ptpage(mm, pfn, level as 1 | 2 | 3);
    const value = this.pfn_pte(pfn, TABLE);
    if (isRoot) this.xen_set_pgd(mm, slot.index, value);
    else if (level === 2) this.xen_set_pud(slot, value);
    else this.xen_set_pmd(slot, value);
  }

  /** handle_mm_fault of an anonymous page. */
  protected do_anonymous_page(process: Process, which: number): void {
    const slot = this.pte_alloc(process.mm, this.place(which));
    if ((this.read(slot).flags & P) !== 0) return;
    const page = this.get_zeroed_page();
    this.mapped.set(page, 1);
    process.pages.set(which, page);
    this.set_user_pte(slot, this.pfn_pte(page, USER_PAGE), this.place(which));
  }

  /** A page that fork has shared becomes writable, or a copy does. */
  protected do_wp_page(process: Process, which: number): void {
    const page = process.pages.get(which);
    if (page === undefined) return;
    const slot = this.pte_alloc(process.mm, this.place(which));
    if (this.mapped.get(page) === 1) return this.set_user_pte(slot, this.pfn_pte(page, USER_PAGE));
    const copy = this.get_zeroed_page();
    this.mapped.set(page, this.mapped.get(page)! - 1);
    this.mapped.set(copy, 1);
    process.pages.set(which, copy);
    this.set_user_pte(slot, this.pfn_pte(copy, USER_PAGE));
  }

  /** A pinned L1 is written by hypercall or through Xen's emulation; any other by stores. */
  protected set_user_pte(slot: Slot, value: ReturnType<MemoryMap['pfn_pte']>, va?: Word64): void {
    if (va !== undefined && this.bug('set-pte-at-by-address'))
      return this.HYPERVISOR_update_va_mapping(va, value);
    if (this.PagePinned.has(slot.pfn)) this.xen_set_pte(slot, value);
    else this.native_set_pte(slot, value);
  }

  /** fork: the child's tables are filled as memory and pinned when they are complete (dup_mmap, arch_dup_mmap). */
  protected dup_mmap(parent: Process): Process {
    const child: Process = { mm: this.pgd_alloc(), pages: new Map() };
    for (const [which, page] of parent.pages) {
      const from = this.pte_alloc(parent.mm, this.place(which));
      const shared = entry(this.pfn_to_mfn(page), USER_PAGE & ~RW);
      this.set_user_pte(from, shared);
      this.set_user_pte(this.pte_alloc(child.mm, this.place(which)), shared);
      this.mapped.set(page, this.mapped.get(page)! + 1);
      child.pages.set(which, page);
    }
    this.xen_dup_mmap(child.mm);
    this.processes.push(child);
    return child;
  }

  protected xen_dup_mmap(mm: Mm): void {
    this.xen_pgd_pin(mm);
  }

  /** exec: a new address space with a stack, pinned when it is activated. */
  protected do_execve(process: Process | undefined): Process {
    const fresh: Process = { mm: this.pgd_alloc(), pages: new Map() };
    this.do_anonymous_page(fresh, 2);
    this.xen_activate_mm(fresh.mm);
    this.processes.push(fresh);
    if (process) {
      const cpu = this.current.indexOf(process);
      if (cpu === this.cpu) this.switch_mm(fresh);
      if (cpu < 0 || cpu === this.cpu) this.exit_mmap(process);
    }
    this.do_anonymous_page(fresh, 0);
    return fresh;
  }

  protected xen_activate_mm(mm: Mm): void {
    this.xen_pgd_pin(mm);
  }

  /** Both roots in one batch. */
  protected switch_mm(next: Process | undefined, lazily = false): void {
    const { pgd, user } = next?.mm ?? { pgd: this.init_mm_pgd, user: undefined };
    this.xen_mc_entry({ kind: 'new_baseptr', mfn: this.pfn_to_mfn(pgd) });
    if (this.wide)
      this.xen_mc_entry({ kind: 'new_user_baseptr', mfn: user === undefined ? 0 : this.pfn_to_mfn(user) });
    if (!lazily) this.xen_mc_flush();
    this.current[this.cpu] = next;
  }

  /** exit: nobody has the root loaded any more, then it is unpinned, then its tables are memory that is freed. */
  protected exit_mmap(process: Process): void {
    this.xen_exit_mmap(process);
    this.unmap_vmas(process);
    this.free_pgtables(process.mm);
    this.pgd_free(process.mm);
    this.processes.splice(this.processes.indexOf(process), 1);
  }

  protected xen_exit_mmap(process: Process): void {
    this.xen_drop_mm_ref(process);
    if (this.PagePinned.has(process.mm.pgd) || this.bug('unpin-without-pin')) this.xen_pgd_unpin(process.mm);
  }

  /** Each vCPU that has the root loaded goes to the kernel's. */
  protected xen_drop_mm_ref(process: Process): void {
    const here = this.cpu;
    for (let cpu = 0; cpu < this.layout.machine.cpus; cpu++) {
      this.cpu = cpu;
      if (this.current[cpu] === process) this.switch_mm(undefined);
      // A switch may wait in that CPU's buffer: it still has the old root loaded (xen_current_cr3).
      if (!this.bug('stale-cr3-at-unpin')) this.xen_mc_flush();
    }
    this.cpu = here;
  }

  protected unmap_vmas({ mm, pages }: Process): void {
    for (const which of pages.keys()) this.unmap_page(mm, which, pages);
  }

  /** munmap of one page. */
  protected unmap_page(mm: Mm, which: number, pages: Map<number, number>): void {
    const page = pages.get(which)!;
    this.set_user_pte(this.pte_alloc(mm, this.place(which)), ZERO);
    pages.delete(which);
    const left = this.mapped.get(page)! - 1;
    this.mapped.set(page, left);
    if (left === 0) this.free_page(page);
  }

  /** The user's tables from below: each is unhooked, released and freed. */
  protected free_pgtables(mm: Mm): void {
    const tables = [...this.user_tables(mm)].toReversed();
    if (this.profile.batchedAlloc) this.enter_lazy();
    for (const { slot, pfn, level, isRoot } of tables) {
      if (isRoot && !this.wide) continue; // the four L2s of PAE stay with the root
      if (isRoot) this.xen_set_pgd(mm, slot.index, ZERO);
      else if (level === 2) this.xen_set_pud(slot, ZERO);
      else this.xen_set_pmd(slot, ZERO);
      if (this.bug('freed-before-release')) this.free_page(pfn);
      this.xen_release_ptpage(pfn, level as 1 | 2 | 3);
      // What waits is made before the page can be anybody's.
      this.xen_mc_flush();
      this.free_page(pfn);
    }
    if (this.isLazy) this.leave_lazy();
  }

  private *user_tables(mm: Mm) {
    const parents = new Map<number, number>([[this.wide ? 4 : 3, mm.pgd]]);
    for (const [pfn, level] of [...this.xen_pgd_walk(mm)]) {
      const parent = parents.get(level + 1)!;
      const mfn = this.pfn_to_mfn(parent);
      const wanted = this.pfn_to_mfn(pfn);
      let index = this.state.nextUsed(mfn, 0);
      while (this.readFrame(mfn, index).mfn !== wanted) index = this.state.nextUsed(mfn, index + 1);
      parents.set(level, pfn);
      yield { slot: this.slot(this.direct(parent), index), pfn, level, isRoot: parent === mm.pgd };
    }
  }

  /** munmap that takes the tables along while the address space lives: hooks and pins go by hypercall. */
  protected munmap_tables(process: Process): void {
    for (const which of [...process.pages.keys()]) this.unmap_page(process.mm, which, process.pages);
    this.free_pgtables(process.mm);
  }

  /** save: every root that is not pinned is, for the toolstack to find; and back (xen_mm_pin_all, xen_mm_unpin_all). */
  protected xen_mm_pin_all(): void {
    const unpinned = this.pgd_list.filter(({ pgd }) => !this.PagePinned.has(pgd));
    for (const mm of unpinned)
      this.xen_pgd_pin(this.bug('suspend-walks-wrong-root') ? this.confused(mm) : mm);
    for (const mm of unpinned) this.xen_pgd_unpin(mm);
  }

  /** A root with another's tables: what is walked is not what is pinned. */
  private confused(mm: Mm): Mm {
    for (const [pfn, level] of this.xen_pgd_walk({ ...mm, pgd: this.init_mm_pgd }))
      this.xen_pin_page(pfn, level);
    this.PagePinned.add(mm.pgd);
    return mm;
  }
}
