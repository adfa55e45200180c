/** xen_setup_kernel_pagetable: from the domain builder's tables to the kernel's own (arch/x86/xen/mmu.c). */
import { entry, type Entry, P, RW, ZERO } from '../../x86/entry.js';
import { builderTables } from '../builder.js';
import {
  L3_FIXMAP,
  L3_KERNEL,
  L4_DIRECT,
  L4_EXTRA,
  L4_KERNEL,
  L4_P2M,
  L2_FIXMAP,
  LEVEL1_IDENT_ENTRIES,
  PAE_KERNEL,
  type StaticPage,
} from '../layout.js';
import { Entries } from './entries.js';
import { INVALID_MFN } from './guest.js';
import { KERNEL, KERNEL_EXEC, KERNEL_RO, TABLE } from './lowmem.js';

export class SetupPagetable extends Entries {
  /** First pfn after what counts as mapped. */
  protected max_pfn_mapped = 0;
  /** 32-bit: the kernel L2 of initial_page_table (swapper_pg_dir before 2.6.37), and that of swapper_pg_dir. */
  protected initial_kernel_pmd = 0;
  protected swapper_kernel_pmd = 0;

  protected xen_setup_kernel_pagetable(): void {
    if (this.wide) this.setup64();
    else this.setup32();
  }

  protected page(name: StaticPage): { pfn: number; va: ReturnType<Entries['kernelPage']>['va'] } {
    return this.kernelPage(this.layout.static(name));
  }

  /** What the image's static tables hold: entries by pfn, which the loader cannot know the frames of. */
  protected loadImage(): void {
    // Nobody has cleared .brk: it is no part of the file, and of no section that Xen would clear.
    const { brk } = this.layout;
    const garbage = [{ slot: 7, entry: entry(brk.mfn, P | RW) }];
    if (this.wide && this.profile.buffer === 'brk' && !this.profile.identityEarly)
      for (let pfn = brk.mfn; pfn < brk.mfn + 4; pfn++)
        this.run({ kind: 'fill', mfn: this.pfn_to_mfn(pfn), entries: garbage });
    const named = (name: StaticPage) => ({ mfn: this.layout.static(name), flags: TABLE });
    const fill = (name: StaticPage, entries: readonly (readonly [slot: number, entry: Entry])[]) =>
      this.run({
        kind: 'fill',
        mfn: this.pfn_to_mfn(this.layout.static(name)),
        entries: entries.map(([slot, entry]) => ({ slot, entry })),
      });
    if (!this.wide) return;
    const ident = named('level3_ident_pgt');
    fill('init_level4_pgt', [
      [0, ident],
      [L4_DIRECT, ident],
      // A static table more, as KASAN's shadow would be.
      ...(this.bug('static-table-writable') ? [[L4_EXTRA, named('empty_zero_page')] as const] : []),
      [L4_KERNEL, named('level3_kernel_pgt')],
    ]);
    if (!this.bug('identity-tables-not-static')) fill('level3_ident_pgt', [[0, named('level2_ident_pgt')]]);
    fill('level3_kernel_pgt', [
      [L3_KERNEL, named('level2_kernel_pgt')],
      [L3_FIXMAP, named('level2_fixmap_pgt')],
    ]);
    fill(
      'level2_fixmap_pgt',
      FIXMAP_PAGES.slice(0, this.profile.fixmapTables).map((name, i) => [L2_FIXMAP.x86_64 + i, named(name)]),
    );
  }

  private setup64(): void {
    const { layout, profile } = this;
    const builder = builderTables(layout);
    const l4 = this.page('init_level4_pgt');
    const ident = this.page('level2_ident_pgt');
    this.init_mm_pgd = l4.pfn;
    this.max_pfn_mapped = this.bug('max-pfn-mapped-too-high') ? layout.end : layout.p2m.mfn;
    this.remember_builder_tables();
    this.store(this.slot(l4, 0), ZERO);
    for (const name of ['init_level4_pgt', 'level3_ident_pgt', 'level3_kernel_pgt'] as const)
      this.convert_pfn_mfn(name);
    if (profile.fixmapTables > 0) this.convert_pfn_mfn('level2_fixmap_pgt');
    this.copy_page(ident, builder.l2);
    this.copy_page(this.page('level2_kernel_pgt'), builder.l2);
    if (profile.identityEarly) this.xen_map_identity_early(ident.pfn);
    this.set_page_prot(ident.va, ident.pfn, KERNEL_RO);
    if (layout.p2mOutside) {
      const [p3] = builder.p2m;
      this.store(this.slot(l4, L4_P2M), this.hook(p3!));
    }
    const readOnly: StaticPage[] = [
      'init_level4_pgt',
      'level3_ident_pgt',
      'level3_kernel_pgt',
      ...(profile.pinVsyscall ? [] : (['level3_user_vsyscall'] as const)),
      'level2_kernel_pgt',
      'level2_fixmap_pgt',
      ...FIXMAP_PAGES.slice(0, profile.fixmapTables - (this.bug('fixmap-spans-more-tables') ? 1 : 0)),
    ];
    for (const name of readOnly) this.set_page_prot(this.page(name).va, layout.static(name), KERNEL_RO);
    this.pin_pagetable_pfn(4, l4.pfn);
    if (!this.bug('builder-root-stays-pinned')) this.unpin_pagetable_pfn(builder.root);
    if (profile.pinVsyscall) {
      const vsyscall = this.page('level3_user_vsyscall');
      this.set_page_prot(vsyscall.va, vsyscall.pfn, KERNEL_RO);
      this.pin_pagetable_pfn(3, vsyscall.pfn);
    }
    this.new_baseptr(this.pfn_to_mfn(l4.pfn));
    this.reserve_builder_tables();
  }

  /** Static entries name pages by pfn. */
  protected convert_pfn_mfn(name: StaticPage): void {
    const page = this.page(name);
    for (let index = 0; index < 512; index++) {
      const slot = this.slot(page, index);
      const { mfn: pfn, flags } = this.read(slot);
      if (flags & P) this.store(slot, this.pfn_pte(pfn, flags));
    }
  }

  /** The builder's tables stay reserved: typed as they are, they are no memory. Up to three of them are out of use by now. */
  private reserve_builder_tables(): void {
    const { ptBase, ptCount } = this.layout;
    let [first, last] = [ptBase, ptBase + ptCount - 1];
    if (this.profile.recycle && this.wide) {
      const { root, l3, l2 } = builderTables(this.layout);
      for (const pfn of [root, l3, l2]) {
        if (pfn !== first && pfn !== last) continue;
        this.check_pt_base(pfn);
        if (pfn === first) first++;
        else last--;
      }
    }
    if (this.bug('pt-base-two-pages-off')) first += 2;
    if (!this.bug('builder-tables-not-reserved'))
      this.memblock_reserve({ mfn: first, count: last + 1 - first });
  }

  private remember_builder_tables(): void {
    const { ptBase, ptCount } = this.layout;
    for (let pfn = ptBase; pfn < ptBase + ptCount; pfn++) this.remembered.add(pfn);
  }

  private check_pt_base(pfn: number): void {
    const page = this.kernelPage(pfn);
    this.set_page_prot(page.va, pfn, KERNEL);
    this.clear_page(page);
  }

  /** Lets the L2 map what it does not yet, up to four L1s further; what is mapped already stays as it is. */
  protected xen_map_identity_early(l2: number): void {
    const { ptes } = this.layout.machine;
    const fresh: number[] = [];
    for (let pfn = 0; pfn < this.layout.end; pfn += ptes) {
      const slot = this.slot(this.kernelPage(l2), pfn / ptes);
      if (pfn / ptes >= this.layout.pmds) break;
      if ((this.read(slot).flags & P) === 0) {
        if (fresh.length === LEVEL1_IDENT_ENTRIES) break;
        const table = this.extend_brk();
        fresh.push(table);
        this.store(slot, this.hook(table));
      }
      const table = this.kernelPage(this.named(slot));
      for (let i = 0; i < ptes && pfn + i < this.layout.end; i++) {
        if (!this.profile.cleanupHighmap || !this.wide)
          this.max_pfn_mapped = Math.max(this.max_pfn_mapped, pfn + i + 1);
        const pte = this.slot(table, i);
        const value = this.xen_make_pte(pfn + i, KERNEL_EXEC);
        if ((this.read(pte).flags & P) === 0 && value.mfn !== INVALID_MFN && value.flags !== 0)
          this.store(pte, value);
      }
    }
    for (const table of fresh) this.set_page_prot(this.kernelPage(table).va, table, KERNEL_RO);
  }

  private setup32(): void {
    const { layout } = this;
    const builder = builderTables(layout);
    const early = layout.static(this.profile.initialPageTable ? 'initial_page_table' : 'swapper_pg_dir');
    this.init_mm_pgd = layout.static('swapper_pg_dir');
    this.initial_kernel_pmd = this.extend_brk();
    this.max_pfn_mapped = layout.initialEnd;
    this.remember_builder_tables();
    const pmd = this.kernelPage(this.initial_kernel_pmd);
    this.copy_page(pmd, builder.l2);
    this.xen_map_identity_early(pmd.pfn);
    const root = this.kernelPage(early);
    this.copy_page(root, builder.root);
    this.store(this.slot(root, PAE_KERNEL), this.pae_l3(pmd.pfn));
    this.set_page_prot(pmd.va, pmd.pfn, KERNEL_RO);
    this.set_page_prot(root.va, early, KERNEL_RO);
    if (this.bug('swapper-read-only-before-clone'))
      this.set_page_prot(this.page('swapper_pg_dir').va, layout.static('swapper_pg_dir'), KERNEL_RO);
    // Whoever got the other half of the page stores there.
    if (this.bug('half-page-pmd')) this.store(this.slot(pmd, 400), ZERO);
    this.set_page_prot(this.page('empty_zero_page').va, layout.static('empty_zero_page'), KERNEL_RO);
    if (!this.bug('builder-root-stays-pinned')) this.unpin_pagetable_pfn(builder.root);
    if (this.profile.initialPageTable) {
      this.pin_pagetable_pfn(3, early);
      this.new_baseptr(this.pfn_to_mfn(early));
    } else {
      this.new_baseptr(this.pfn_to_mfn(early));
      this.pin_pagetable_pfn(3, early);
    }
    this.reserve_builder_tables();
  }

  /** dom0's ISA range: what its first pages were is not mapped any more. */
  protected xen_ident_map_ISA(): void {
    const { isa, machine } = this.layout;
    if (!machine.dom0 || this.profile.isa === 'none') return;
    for (let pfn = isa.mfn; pfn < isa.mfn + isa.count; pfn++) {
      const value = this.profile.isa === 'identity' ? this.xen_make_pte(pfn, P | RW) : ZERO;
      this.HYPERVISOR_update_va_mapping(this.__va(pfn), value);
    }
  }

  /**
   * setup_arch's first action on 32-bit: the kernel's part of initial_page_table goes to swapper_pg_dir, which is
   * loaded with an L2 of its own, as Xen's slots are in it (xen_write_cr3_init).
   */
  protected clone_pgd_range(): void {
    const swapper = this.page('swapper_pg_dir');
    for (let index = 0; index <= PAE_KERNEL; index++) {
      const value = this.read(this.slot(this.page('initial_page_table'), index));
      if (value.flags & P) this.store(this.slot(swapper, index), this.pae_l3(this.mfn_to_pfn(value.mfn)!));
    }
  }

  protected xen_write_cr3_init(): void {
    const swapper = this.page('swapper_pg_dir');
    const initial = this.page('initial_page_table');
    this.swapper_kernel_pmd = this.extend_brk();
    const pmd = this.kernelPage(this.swapper_kernel_pmd);
    this.copy_page(pmd, this.initial_kernel_pmd);
    if (!this.bug('kernel-pmd-shared-by-two-roots'))
      this.store(this.slot(swapper, PAE_KERNEL), this.pae_l3(pmd.pfn));
    this.set_page_prot(pmd.va, pmd.pfn, KERNEL_RO);
    this.set_page_prot(swapper.va, swapper.pfn, KERNEL_RO);
    this.new_baseptr(this.pfn_to_mfn(swapper.pfn));
    this.pin_pagetable_pfn(3, swapper.pfn);
    this.unpin_pagetable_pfn(initial.pfn);
    this.set_page_prot(initial.va, initial.pfn, KERNEL);
    const old = this.kernelPage(this.initial_kernel_pmd);
    this.set_page_prot(old.va, old.pfn, KERNEL);
  }
}

const FIXMAP_PAGES: readonly StaticPage[] = ['level1_fixmap_pgt', 'level1_fixmap_pgt2'];
