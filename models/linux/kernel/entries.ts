/** How early code writes entries and announces tables: what Xen's pv_mmu_ops do until xen_post_allocator_init. */
import { A, D, entry, type Entry, G, P, RW, ZERO } from '../../x86/entry.js';
import type { Range } from '../../../src/program/machine.js';
import { contains, DEVICE_MFN, INVALID_P2M_ENTRY, ISA_MFN, L2_BTMAP, L4_P2M, slotsOf } from '../layout.js';
import { Allocator } from './allocator.js';
import { INVALID_MFN, mmuUpdate, type Slot, type TablePage } from './guest.js';
import { KERNEL_RO, TABLE } from './lowmem.js';

/** Slot of the first fixed mapping in the L1 that early_ioremap has. */
const FIXED = 400;
/** A frame that no machine has. */
const NO_FRAME = 0xfffffff;

export interface FrameList {
  readonly pages: Range;
  readonly tables: Range;
  /** The L4 slot that leads to it; none if it is in the kernel map. */
  readonly slot: number | undefined;
}

export class Entries extends Allocator {
  /** The pages that find_early_table_space has found: e820_table_* up to 2.6.38, pgt_buf_* from 2.6.39 on. */
  protected pgt_buf = { start: 0, end: 0, top: 0 };
  /** From paging_init on: by hypercall. */
  protected setPteByHypercall = false;

  /** The entry for a page; of ISA pages of a dom0 the I/O frame of that address, of pages without a frame nothing. */
  protected xen_make_pte(pfn: number, flags: number): Entry {
    const { isa, machine } = this.layout;
    if (
      machine.dom0 &&
      this.profile.isa !== 'none' &&
      contains(isa, pfn) &&
      !this.bug('isa-range-overridden')
    )
      return entry(ISA_MFN + pfn - isa.mfn, flags);
    if (this.pfn_to_mfn(pfn) !== INVALID_P2M_ENTRY) return this.pfn_pte(pfn, flags);
    if (this.bug('hole-mapped-as-memory') && pfn < this.layout.end) return entry(DEVICE_MFN, flags);
    // What lies after the end of the list is taken for a frame number.
    if (this.bug('memory-map-beyond-list')) return entry(0x5555, flags | G);
    return this.bug('missing-frame-garbage') ? entry(INVALID_MFN, flags) : ZERO;
  }

  /** early_ioremap's L1: the static page, until page_table_kmap_check moves it. */
  protected bm_pte = this.layout.static('bm_pte');

  /** Whether the slot is one of early_ioremap's. */
  protected is_early_ioremap_ptep({ pfn }: Slot): boolean {
    return pfn === this.layout.static('bm_pte');
  }

  /** The parachute: clears RW where the page is, or will be, a table. */
  protected mask_rw_pte(slot: Slot, value: Entry): Entry {
    const { rangeRule, fixmapRule, existingPte, allocReadOnly } = this.profile;
    const readOnly = entry(value.mfn, value.flags & ~RW);
    const pfn = this.mfn_to_pfn(value.mfn);
    if ((value.flags & P) === 0 || pfn === undefined) return value;
    const old = this.read(slot);
    if (existingPte === 'keepRO' && (old.flags & (P | RW)) === P) return readOnly;
    if (allocReadOnly === 'remember' && this.remembered.has(pfn)) return readOnly;
    if (this.isOwnListPage(pfn)) return readOnly;
    if (this.is_early_ioremap_ptep(slot))
      return this.wide && fixmapRule === 'newestWritable' && pfn !== this.pgt_buf.end - 1 ? readOnly : value;
    const { start, end, top } = this.pgt_buf;
    return rangeRule !== 'none' && pfn >= start && pfn < (rangeRule === 'end' ? end : top) ? readOnly : value;
  }

  /** Of a list of frames outside the kernel map: it and its tables are read-only wherever they are mapped. */
  private isOwnListPage(pfn: number): boolean {
    const { list } = this;
    if (list?.slot === undefined || this.bug('p2m-outside-kernel-map')) return false;
    return contains(list.pages, pfn) || contains(list.tables, pfn);
  }

  /** The list of frames, while it is where the domain builder has put it or where it was moved early on. */
  protected list: FrameList | undefined = {
    pages: this.layout.p2m,
    tables: this.layout.p2mTables,
    slot: this.layout.p2mOutside ? L4_P2M : undefined,
  };

  protected set_pte(slot: Slot, value: Entry): void {
    this.xen_set_pte_init(slot, value);
  }

  protected xen_set_pte_init(slot: Slot, value: Entry): void {
    const masked = this.mask_rw_pte(slot, value);
    const isFixmap = this.profile.fixmapSetPte === 'hypercall' && this.is_early_ioremap_ptep(slot);
    if (this.setPteByHypercall || isFixmap || this.profile.initSetPte === 'hypercall')
      this.HYPERVISOR_mmu_update({ mfn: this.arbitrary_virt_to_machine(slot), index: slot.index }, masked);
    else this.native_set_pte(slot, masked);
  }

  /** PAE: the low half, which says whether it is present, last when it becomes so and first when it goes (pgtable-3level.h). */
  protected native_set_pte(slot: Slot, value: Entry): void {
    if (this.wide) return this.store(slot, value);
    const halves = value.flags & P ? (['high', 'low'] as const) : (['low', 'high'] as const);
    for (const half of halves) this.store(slot, value, half);
  }

  /** The frame that the slot is in, by a walk where the direct map does not have it. */
  protected arbitrary_virt_to_machine(slot: Slot): number {
    const isAlias = this.read_alias(slot);
    if (isAlias && this.bug('fixmap-slot-as-direct-map')) return NO_FRAME;
    return this.pfn_to_mfn(slot.pfn);
  }

  /** The pointer is an address of early_ioremap's. */
  private read_alias({ va }: Slot): boolean {
    const [table] = slotsOf(va, this.wide).slice(-2);
    const { arch } = this.layout.machine;
    return table === L2_BTMAP[arch] && va.high === this.layout.fixmap(L2_BTMAP[arch], 0).high;
  }

  /** xen_set_pmd_hyper and its siblings: a request that is made at once, on whatever table. */
  protected xen_set_pmd_hyper(slot: Slot, value: Entry): void {
    this.setByHypercall(slot, value);
  }
  protected xen_set_pud_hyper(slot: Slot, value: Entry): void {
    this.setByHypercall(slot, value);
  }
  protected xen_set_pgd_hyper(slot: Slot, value: Entry): void {
    this.setByHypercall(slot, value);
  }

  private setByHypercall(slot: Slot, value: Entry): void {
    this.xen_mc_entry(mmuUpdate({ mfn: this.arbitrary_virt_to_machine(slot), index: slot.index }, value));
    this.xen_mc_issue();
  }

  /** The entry that hooks a table; an L3 of PAE takes P alone. */
  protected hook(pfn: number, flags = TABLE): Entry {
    return this.pfn_pte(pfn, flags);
  }
  protected pae_l3(pfn: number): Entry {
    return this.pfn_pte(pfn, P);
  }

  protected xen_alloc_pte_init(pfn: number): void {
    this.announce(pfn);
    if (!this.bug('early-table-not-pinned')) this.pin_pagetable_pfn(1, pfn);
  }

  protected xen_alloc_pmd_init(pfn: number): void {
    this.announce(pfn);
  }

  protected xen_release_pte_init(pfn: number): void {
    this.unpin_pagetable_pfn(pfn);
    this.make_lowmem_page_readwrite(this.__va(pfn));
  }

  private announce(pfn: number): void {
    if (this.profile.allocReadOnly === 'remember') this.remembered.add(pfn);
    if (this.profile.allocReadOnly !== 'off') this.make_lowmem_page_readonly(this.__va(pfn));
  }

  /** early_ioremap_init: hooks the L1 of early mappings where the loaded tables have it. */
  protected early_ioremap_init(): void {
    const bm_pte = this.layout.static('bm_pte');
    this.clear_page(this.kernelPage(bm_pte));
    if (!this.bug('bm-pte-not-announced')) this.xen_alloc_pte_init(bm_pte);
    if (!this.bug('bm-pte-not-hooked')) this.xen_set_pmd_hyper(this.early_ioremap_pmd(), this.hook(bm_pte));
  }

  /** Fixed mappings that the kernel makes on its way: Xen's page, and 3.1's page of variables for user space. */
  protected xen_set_fixmap(index: number, value: Entry): void {
    this.HYPERVISOR_update_va_mapping(
      this.layout.fixmap(L2_BTMAP[this.layout.machine.arch], FIXED + index),
      value,
    );
  }

  protected map_vvar(): void {
    const page = this.layout.static('empty_zero_page');
    const value = this.bug('vvar-as-machine-frame') ? entry(page, KERNEL_RO) : this.pfn_pte(page, KERNEL_RO);
    this.native_set_pte(this.slot(this.kernelPage(this.layout.static('bm_pte')), FIXED + 1), value);
  }

  /** dmi_scan_machine: looks through the ISA range. */
  protected dmi_scan_machine(): void {
    const { isa } = this.layout;
    for (let pfn = isa.mfn; pfn < isa.mfn + isa.count; pfn++) {
      const page = this.early_memremap(pfn);
      this.load(page.va);
      this.early_iounmap();
    }
  }

  /** The L2 slot of the early mappings, in the tables that are loaded. */
  protected early_ioremap_pmd(): Slot {
    const root = this.mfn_to_pfn(this.state.kernelBase(this.cpu))!;
    const l3 = this.wide ? this.named(this.slot(this.direct(root), 511)) : root;
    const l2 = this.named(this.slot(this.direct(l3), this.wide ? 511 : 3));
    return this.slot(this.direct(l2), L2_BTMAP[this.layout.machine.arch]);
  }

  /** A table's page, through the direct map. */
  protected direct(pfn: number): TablePage {
    return { pfn, va: this.__va(pfn) };
  }

  private early = 0;

  /** Maps a page in the next slot of early_ioremap's L1. */
  protected early_memremap(pfn: number): TablePage {
    const index = this.early++;
    this.set_pte(this.early_slot(index), this.xen_make_pte(pfn, P | RW | A | D));
    return { pfn, va: this.layout.fixmap(L2_BTMAP[this.layout.machine.arch], index) };
  }

  /** The last one that was mapped goes first. */
  protected early_iounmap(): void {
    this.set_pte(this.early_slot(--this.early), ZERO);
    this.mmuext('invlpg_local');
  }

  private early_slot(index: number): Slot {
    return this.slot(this.kernelPage(this.bm_pte), index);
  }
}
