/**
 * Pagetables once struct pages exist: PG_pinned says which are pinned, and decides between stores and hypercalls
 * (arch/x86/xen/mmu.c, from xen_post_allocator_init on).
 */
import { type Entry, P, RW, ZERO } from '../../x86/entry.js';
import type { Level } from '../../x86/page-type.js';
import { L3_FIXMAP, PAE_KERNEL } from '../layout.js';
import { mmuUpdate, type Slot } from './guest.js';
import { InitMemory } from './init-memory.js';

/** An address space: its root and, on 64-bit, the root that user mode has. */
export interface Mm {
  readonly pgd: number;
  readonly user: number | undefined;
  /** PAE: its own copy of the kernel's L2. */
  readonly kernelPmd: number | undefined;
}

/** L4 or L3 slots below this are the user's. */
const USER_SLOTS = { x86_64: 256, x86_32: PAE_KERNEL } as const;

export class Pgds extends InitMemory {
  /** PG_pinned. */
  protected readonly PagePinned = new Set<number>();
  /** PG_pinned can be trusted: the kernel's own tables have it. */
  protected structPagesReady = false;
  /** The kernel pins L1s by themselves (split pagetable locks). */
  protected get splitLocks(): boolean {
    return (this.layout.machine.schedule & 1) === 0;
  }
  /** pgd_list. */
  protected readonly pgd_list: Mm[] = [];

  protected get init_mm(): Mm {
    return { pgd: this.init_mm_pgd, user: undefined, kernelPmd: undefined };
  }

  /** From 4.18 on every table counts as pinned until PG_pinned can be trusted. */
  protected xen_page_pinned(pfn: number): boolean {
    const isAssumed = this.profile.marking === 'afterBootmem' && !this.structPagesReady;
    return isAssumed || this.PagePinned.has(pfn);
  }

  protected get rootLevel(): Level {
    return this.wide ? 4 : 3;
  }

  /** set_pmd, set_pud, set_pgd of run time. */
  protected xen_set_pmd(slot: Slot, value: Entry): void {
    this.setUpper(slot, value);
  }
  protected xen_set_pud(slot: Slot, value: Entry): void {
    this.setUpper(slot, value);
  }

  private setUpper(slot: Slot, value: Entry): void {
    if (!this.xen_page_pinned(slot.pfn)) return this.store(slot, value);
    this.xen_mc_entry(mmuUpdate({ mfn: this.pfn_to_mfn(slot.pfn), index: slot.index }, value));
    this.xen_mc_issue();
  }

  /** The user's part goes to the user's root too, in the same batch. */
  protected xen_set_pgd(mm: Mm, index: number, value: Entry): void {
    const kernel = this.slot(this.direct(mm.pgd), index);
    const user = mm.user === undefined ? undefined : this.slot(this.direct(mm.user), index);
    if (!this.xen_page_pinned(mm.pgd)) {
      this.store(kernel, value);
      if (user) this.store(user, value);
      return;
    }
    for (const slot of [kernel, user])
      if (slot) this.xen_mc_entry(mmuUpdate({ mfn: this.pfn_to_mfn(slot.pfn), index }, value));
    this.xen_mc_issue();
  }

  protected xen_set_pte(slot: Slot, value: Entry): void {
    if (this.isLazy && this.profile.batchedAlloc)
      return this.MULTI_mmu_update(this.pfn_to_mfn(slot.pfn), slot.index, value);
    if (this.profile.setPte === 'hypercall')
      return this.HYPERVISOR_mmu_update({ mfn: this.pfn_to_mfn(slot.pfn), index: slot.index }, value);
    return this.native_set_pte(slot, value);
  }

  /** A table that is about to be hooked; where its root is pinned it becomes read-only now. */
  protected xen_alloc_ptpage(mm: Mm | undefined, pfn: number, level: Level): void {
    if (mm !== undefined && !this.xen_page_pinned(mm.pgd)) return;
    const isPinned = this.PagePinned.has(pfn);
    this.PagePinned.add(pfn);
    const va = this.__va(this.bug('table-address-truncated') ? pfn % this.layout.fourGigabytes : pfn);
    const readOnly = this.pfn_pte(pfn, P | KERNEL_PTE);
    const pins = level === 1 && this.splitLocks && (!isPinned || !this.profile.pinsOnce);
    if (!this.profile.batchedAlloc) {
      this.make_lowmem_page_readonly(va);
      if (pins) this.pin_pagetable_pfn(1, pfn);
      return;
    }
    this.MULTI_update_va_mapping(va, readOnly);
    if (pins) this.MULTI_pin(1, this.pfn_to_mfn(pfn));
    this.xen_mc_issue();
  }

  /** A table that is out of use; its pin goes before its mapping becomes writable. */
  protected xen_release_ptpage(pfn: number, level: Level): void {
    if (!this.PagePinned.has(pfn)) return;
    const isPinned =
      (level === 1 && this.splitLocks) || (level === 2 && this.bug('pmd-unpinned-never-pinned'));
    if (this.bug('release-overtakes-unhook')) this.make_lowmem_page_readwrite(this.__va(pfn));
    if (this.profile.batchedAlloc) {
      if (isPinned) this.MULTI_unpin(this.pfn_to_mfn(pfn));
      this.MULTI_update_va_mapping(this.__va(pfn), this.pfn_pte(pfn, P | RW | KERNEL_PTE));
      this.xen_mc_issue();
    } else {
      if (isPinned) this.unpin_pagetable_pfn(pfn);
      this.make_lowmem_page_readwrite(this.__va(pfn));
    }
    if (!this.bug('page-pinned-left-set')) this.PagePinned.delete(pfn);
  }

  /** Tables of the user's part below the root, a table before those that it names. */
  protected *xen_pgd_walk(mm: Mm): Generator<readonly [pfn: number, level: Level]> {
    for (let index = 0; index < USER_SLOTS[this.layout.machine.arch]; index++)
      yield* this.below(mm.pgd, index, (this.rootLevel - 1) as Level);
  }

  private *below(pfn: number, index: number, level: Level): Generator<readonly [number, Level]> {
    const found = this.readFrame(this.pfn_to_mfn(pfn), index);
    if ((found.flags & P) === 0) return;
    const table = this.mfn_to_pfn(found.mfn)!;
    yield [table, level];
    if (level === 1) return;
    const mfn = this.pfn_to_mfn(table);
    for (let i = this.state.nextUsed(mfn, 0); i < 512; i = this.state.nextUsed(mfn, i + 1))
      yield* this.below(table, i, (level - 1) as Level);
  }

  protected xen_pin_page(pfn: number, level: Level): void {
    if (this.PagePinned.has(pfn)) return;
    this.PagePinned.add(pfn);
    const flush = level === this.rootLevel ? 'flush' : 'none';
    // pgd_page() gave the struct page where a page was expected, and the other way round.
    const isOther = level === this.rootLevel && this.bug('root-page-confused');
    const target = isOther ? this.init_mm_pgd : pfn;
    this.MULTI_update_va_mapping(this.__va(target), this.pfn_pte(target, P | KERNEL_PTE), flush);
    if (level === 1 && this.splitLocks) this.MULTI_pin(1, this.pfn_to_mfn(pfn));
  }

  protected xen_pgd_pin(mm: Mm): void {
    if (this.bug('kmap-in-pin-window')) this.on_other_cpu(mm);
    for (const [pfn, level] of this.xen_pgd_walk(mm)) this.xen_pin_page(pfn, level);
    this.xen_pin_page(mm.pgd, this.rootLevel);
    if (mm.kernelPmd !== undefined && !this.bug('kernel-pmd-not-walked')) this.xen_pin_page(mm.kernelPmd, 2);
    if (this.bug('pin-window-unlocked') || this.bug('sync-in-pin-window')) {
      this.xen_mc_flush();
      this.on_other_cpu(mm);
    }
    this.MULTI_pin(this.rootLevel, this.pfn_to_mfn(mm.pgd));
    if (mm.user !== undefined) {
      this.xen_pin_page(mm.user, 4);
      this.MULTI_pin(4, this.pfn_to_mfn(mm.user));
    }
    this.xen_mc_flush();
  }

  /** What another CPU may do between the first and the last of a pin, where no lock keeps it out. */
  protected on_other_cpu(_mm: Mm): void {}

  protected xen_unpin_page(pfn: number, level: Level): void {
    if (!this.PagePinned.delete(pfn)) return;
    if (level === 1 && this.splitLocks) this.MULTI_unpin(this.pfn_to_mfn(pfn));
    const flush = level === this.rootLevel ? 'flush' : 'none';
    this.MULTI_update_va_mapping(this.__va(pfn), this.pfn_pte(pfn, P | RW | KERNEL_PTE), flush);
  }

  protected xen_pgd_unpin(mm: Mm): void {
    this.MULTI_unpin(this.pfn_to_mfn(mm.pgd));
    if (mm.user !== undefined) {
      this.MULTI_unpin(this.pfn_to_mfn(mm.user));
      this.xen_unpin_page(mm.user, 4);
    }
    if (mm.kernelPmd !== undefined) this.xen_unpin_page(mm.kernelPmd, 2);
    for (const [pfn, level] of [...this.xen_pgd_walk(mm)]) this.xen_unpin_page(pfn, level);
    this.xen_unpin_page(mm.pgd, this.rootLevel);
    this.xen_mc_flush();
  }

  /** A root with the kernel's part in it. PAE: all four L2s, the kernel's a copy, as Xen's slots are in it. */
  protected pgd_alloc(): Mm {
    const pgd = this.get_zeroed_page();
    const mm = this.wide ? this.pgd_alloc_64(pgd) : this.pgd_alloc_32(pgd);
    this.pgd_list.push(mm);
    return mm;
  }

  private pgd_alloc_64(pgd: number): Mm {
    const root = this.pfn_to_mfn(this.init_mm_pgd);
    for (let index = 256; index < 512; index++) {
      const value = this.readFrame(root, index);
      if (index > 271 && value.flags & P) this.store(this.slot(this.direct(pgd), index), value);
    }
    const user = this.get_zeroed_page();
    const vsyscall = this.layout.static('level3_user_vsyscall');
    this.store(this.slot(this.direct(user), L3_FIXMAP), this.hook(vsyscall));
    return { pgd, user, kernelPmd: undefined };
  }

  private pgd_alloc_32(pgd: number): Mm {
    const init = this.named(this.slot(this.direct(this.init_mm_pgd), PAE_KERNEL));
    const isShared = this.bug('kernel-pmd-shared-with-init');
    const kernelPmd = isShared ? init : this.get_zeroed_page();
    const mfn = this.pfn_to_mfn(init);
    const { paeXenSlot } = this.state.machine;
    for (
      let i = this.state.nextUsed(mfn, 0);
      i < paeXenSlot && !isShared;
      i = this.state.nextUsed(mfn, i + 1)
    )
      this.store(this.slot(this.direct(kernelPmd), i), this.readFrame(mfn, i));
    for (let index = 0; index < PAE_KERNEL; index++)
      this.store(this.slot(this.direct(pgd), index), this.pae_l3(this.get_zeroed_page()));
    this.store(this.slot(this.direct(pgd), PAE_KERNEL), this.pae_l3(kernelPmd));
    return { pgd, user: undefined, kernelPmd };
  }

  /** The user's tables are gone by now; on PAE the L2s go with the root. */
  protected pgd_free(mm: Mm): void {
    this.pgd_list.splice(this.pgd_list.indexOf(mm), 1);
    if (!this.wide) {
      for (let index = 0; index < PAE_KERNEL; index++) {
        const slot = this.slot(this.direct(mm.pgd), index);
        if ((this.read(slot).flags & P) === 0) continue;
        const pmd = this.named(slot);
        this.store(slot, ZERO);
        this.free_page(pmd);
      }
      this.store(this.slot(this.direct(mm.pgd), PAE_KERNEL), ZERO);
      this.free_page(mm.kernelPmd!);
    }
    if (mm.user !== undefined) this.free_page(mm.user);
    this.free_page(mm.pgd);
  }

  /** PG_pinned for all tables of the kernel's; no hypercall. */
  protected xen_mark_init_mm_pinned(): void {
    this.markPinned(this.init_mm_pgd, this.rootLevel);
    if (this.wide) this.PagePinned.add(this.layout.static('level3_user_vsyscall'));
  }

  private markPinned(pfn: number, level: Level): void {
    this.PagePinned.add(pfn);
    if (level === 1) return;
    const mfn = this.pfn_to_mfn(pfn);
    for (let i = this.state.nextUsed(mfn, 0); i < 512; i = this.state.nextUsed(mfn, i + 1)) {
      if (level === 4 && i >= 256 && i <= 271) continue;
      const found = this.readFrame(mfn, i);
      const table = this.mfn_to_pfn(found.mfn);
      if (
        found.flags & P &&
        table !== undefined &&
        !(level === 2 && !this.wide && i >= this.state.machine.paeXenSlot)
      )
        this.markPinned(table, (level - 1) as Level);
    }
  }
}

/** A, D and NX of a direct map entry. */
const KERNEL_PTE = 0x800060;
