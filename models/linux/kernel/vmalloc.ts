/** Mappings that the kernel makes while it runs: vmalloc, kmap_atomic, the LDT, and changes of protection. */
import { entry, P, RW, ZERO } from '../../x86/entry.js';
import { OK } from '../../x86/result.js';
import type { Word64 } from '../../../src/program/operation.js';
import { address32, address64, L2_FIXMAP, L4_VMALLOC, slotsOf } from '../layout.js';
import { KERNEL, KERNEL_RO, TABLE } from './lowmem.js';
import type { Mm } from './pgd.js';
import { Processes } from './process.js';
import type { Slot } from './guest.js';

/** Entries of the LDT that a process asks for. */
const LDT_ENTRIES = 8;
/** Place of the list of frames in vmalloc's first area. */
const P2M_PAGE = 16;
/** PAE: the L2 slots of vmalloc's area. */
const VMALLOC_L2 = 400;

export class Vmalloc extends Processes {
  /** Page i of area `which`; every area has an L1 of its own. */
  protected vmalloc_address(which: number, i: number): Word64 {
    return this.wide ? address64(L4_VMALLOC + which, 0, 0, i) : address32(3, VMALLOC_L2 + which, i);
  }

  /** The tables of the first area, before there are roots that would have to have them too. */
  protected vmalloc_init(): void {
    this.pte_alloc(this.init_mm, this.vmalloc_address(0, 0));
  }

  /** The list of frames gets its place in the first area: pages of its own, which hold a copy. */
  protected xen_vmalloc_p2m_tree(): void {
    for (let i = 0; i < this.layout.p2m.count; i++)
      this.map_kernel_range(P2M_PAGE + i, this.get_zeroed_page());
  }

  /** A table of ACPI's, mapped by the second of the L3's entries: there is an L3, and no L2. */
  protected ioremap_page_range(mfn: number): void {
    const slot = this.pte_alloc(this.init_mm, address64(L4_VMALLOC, 1, 0, 0));
    this.xen_set_pte(slot, entry(mfn, KERNEL));
    this.xen_set_pte(slot, ZERO);
  }

  protected map_kernel_range(i: number, pfn: number, flags = KERNEL): Word64 {
    const va = this.vmalloc_address(0, i);
    this.xen_set_pte(this.pte_alloc(this.init_mm, va), this.pfn_pte(pfn, flags));
    return va;
  }

  /** vunmap clears the entries at once; before, it left them for later. */
  protected vunmap(i: number): void {
    if (this.bug('vunmap-lazily') || (this.bug('vm-unmap-ram-lazily') && i > 0)) return;
    this.xen_set_pte(this.pte_alloc(this.init_mm, this.vmalloc_address(0, i)), ZERO);
  }

  /** Somebody uses a page through vmalloc's area and gives it back; or, with `i` above 0, through vm_map_ram. */
  protected vmalloc_user(i: number): void {
    const page = this.get_zeroed_page();
    this.storeTo(this.map_kernel_range(i, page), ZERO);
    this.vunmap(i);
    this.free_page(page);
  }

  /** alloc_vm_area: a new area, whose tables every root has to have before Xen maps a grant there. */
  protected alloc_vm_area(): void {
    const va = this.vmalloc_address(1, 0);
    this.pte_alloc(this.init_mm, va);
    if (!this.bug('vm-area-not-synced')) this.vmalloc_sync_all(va);
    const page = this.get_zeroed_page();
    this.HYPERVISOR_update_va_mapping(va, this.pfn_pte(page, KERNEL));
    this.HYPERVISOR_update_va_mapping(va, ZERO);
    this.free_page(page);
  }

  /** Copies the entry of the kernel's own tables to every root's (64-bit) or kernel L2 (PAE). */
  protected vmalloc_sync_all(va: Word64): void {
    for (const mm of this.pgd_list) this.vmalloc_sync_one(mm, va);
  }

  protected vmalloc_sync_one(mm: Mm, va: Word64): void {
    const [l3Index = 0, l2Index = 0] = slotsOf(va, this.wide);
    const from = this.wide
      ? this.slot(this.direct(this.init_mm_pgd), l3Index)
      : this.slot(this.direct(this.kernel_pmd(this.init_mm_pgd)), l2Index);
    const to = this.wide
      ? this.slot(this.direct(mm.pgd), l3Index)
      : this.slot(this.direct(mm.kernelPmd!), l2Index);
    if ((this.read(to).flags & P) === 0) this.xen_set_pmd(to, this.pfn_pte(this.named(from), TABLE));
  }

  private kernel_pmd(root: number): number {
    return this.named(this.slot(this.direct(root), 3));
  }

  /** The root that is loaded lacks an entry of the kernel's: it is copied, and has to be there afterwards. */
  protected vmalloc_fault(mm: Mm): void {
    const va = this.vmalloc_address(3, 0);
    this.pte_alloc(this.init_mm, va);
    this.enter_lazy();
    this.vmalloc_sync_one(mm, va);
    if (!this.bug('vmalloc-fault-queued')) this.xen_mc_flush();
    const [l3Index = 0, l2Index = 0] = slotsOf(va, this.wide);
    const slot = this.wide
      ? this.slot(this.direct(mm.pgd), l3Index)
      : this.slot(this.direct(mm.kernelPmd!), l2Index);
    if ((this.read(slot).flags & P) === 0) this.BUG('at arch/x86/mm/fault.c:396!');
    this.leave_lazy();
  }

  /** A kernel stack in a new area, used by whatever root is loaded. */
  protected vmap_stack(): void {
    const va = this.vmalloc_address(2, 0);
    const slot = this.pte_alloc(this.init_mm, va);
    const page = this.get_zeroed_page();
    this.xen_set_pte(slot, this.pfn_pte(page, KERNEL));
    if (!this.bug('stack-in-unsynced-area')) this.vmalloc_sync_all(va);
    this.load(va);
    this.xen_set_pte(slot, ZERO);
    this.free_page(page);
  }

  /** kmap_atomic in a lazy mode: the entry has to be there at once (32-bit). */
  protected kmap_atomic(): void {
    const pfn = this.get_zeroed_page();
    const va = this.layout.fixmap(L2_FIXMAP.x86_32, 0);
    const slot = this.kmap_pte(va);
    this.enter_lazy();
    this.xen_set_pte(slot, this.pfn_pte(pfn, KERNEL));
    if (!this.bug('kmap-in-lazy-mode')) this.xen_mc_flush();
    this.storeTo(va, ZERO);
    this.xen_set_pte(slot, ZERO);
    this.leave_lazy();
    this.free_page(pfn);
  }

  protected kmap_pte(va: Word64): Slot {
    return this.pte_alloc(this.init_mm, va);
  }

  /** An LDT in vmalloc's area: both mappings of its page have to be read-only. */
  protected alloc_ldt(): void {
    const page = this.get_zeroed_page();
    const va = this.map_kernel_range(7, page);
    this.HYPERVISOR_update_va_mapping(va, this.pfn_pte(page, KERNEL_RO));
    if (!this.bug('ldt-alias-writable')) this.make_lowmem_page_readonly(this.__va(page));
    this.run({ kind: 'set_ldt', va, entries: LDT_ENTRIES });
    if (this.run({ kind: 'access_ldt', page: 0 }) !== OK) this.ldt_fault(page);
    this.run({ kind: 'set_ldt', va: { low: 0, high: 0 }, entries: 0 });
    this.make_lowmem_page_readwrite(this.__va(page));
    this.vunmap(7);
    this.free_page(page);
  }

  private ldt_fault(pfn: number): never {
    return this.fail({
      kind: 'invariant',
      invariant: 'kernel-mapping',
      pfn,
      message: 'the LDT cannot be used',
    });
  }

  /** DEBUG_PAGEALLOC: a free page is mapped again before it is handed out, or a batch later. */
  protected kernel_map_pages(): void {
    const page = this.get_zeroed_page();
    this.HYPERVISOR_update_va_mapping(this.__va(page), ZERO);
    this.enter_lazy();
    this.MULTI_update_va_mapping(this.__va(page), this.pfn_pte(page, KERNEL));
    if (!this.bug('debug-pagealloc-lazy')) this.xen_mc_flush();
    else this.set_table(page);
    this.leave_lazy();
    this.free_page(page);
  }

  /** The page becomes a table while its mapping still waits. */
  private set_table(page: number): void {
    this.HYPERVISOR_update_va_mapping(this.__va(page), this.pfn_pte(page, KERNEL_RO));
    this.pin_pagetable_pfn(1, page);
  }

  /** mark_nxdata_nx: the kernel's data, static tables among them, may not be executed. */
  protected set_memory_nx(): void {
    for (const pfn of this.layout.statics.values()) {
      const va = this.__va(pfn);
      const old = this.walk(va);
      if ((old.flags & P) === 0) continue;
      const flags = this.bug('nx-forces-writable') ? KERNEL : KERNEL & ~RW;
      this.HYPERVISOR_update_va_mapping(va, entry(old.mfn, flags | (old.flags & RW)));
    }
  }
}
