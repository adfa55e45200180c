/** The way of a kernel from its first instruction to its last process, a straight line; all before it are its parts. */
import { entry, P, RW, ZERO } from '../../x86/entry.js';
import { INFO_PINNED, INFO_TYPE, isTable } from '../../x86/page-type.js';
import { OK } from '../../x86/result.js';
import { stream } from '../../../src/generate/streams.js';
import { type Draw, oneIn, pick } from '../../../src/generate/draw.js';
import { builderTables } from '../builder.js';
import { contains, ISA_MFN, L4_P2M_MOVED, SHARED_MFN } from '../layout.js';
import { KERNEL } from './lowmem.js';
import { Events } from './events.js';
import type { Process } from './process.js';

/** Things that processes do, for each process that the machine has. */
const EVENTS_PER_PROCESS = 6;

export class Kernel extends Events {
  /** Called at the beginning of each phase. */
  onPhase: (phase: string) => void = () => {};

  /** Boots, lets processes live, and looks at what is left. */
  boot(): void {
    this.onPhase('xen_start_kernel');
    this.xen_start_kernel();
    this.onPhase('setup_arch');
    this.setup_arch();
    this.onPhase('paging_init');
    this.pagetable_init();
    this.mem_init();
    this.onPhase('processes');
    this.rest_init();
    this.onPhase('end');
    this.check_end();
  }

  protected xen_start_kernel(): void {
    // vCPUs other than the first are down until the kernel brings them up.
    for (let vcpu = 1; vcpu < this.layout.machine.cpus; vcpu++) this.run({ kind: 'reset_vcpu', vcpu });
    this.loadImage();
    this.memblock_init();
    if (this.bug('mmu-ops-installed-late')) this.boot_init_stack_canary();
    this.xen_setup_kernel_pagetable();
    if (this.profile.isa === 'identity') this.xen_ident_map_ISA();
  }

  /** Changes the protection of a kernel page, with native operations while Xen's are not there: a pfn for a frame. */
  protected boot_init_stack_canary(): void {
    const { root, l1 } = builderTables(this.layout);
    const pfn = this.layout.kernelStart;
    const { ptes } = this.layout.machine;
    const table = this.kernelPage(l1[Math.floor(pfn / ptes)]!);
    if (root > 0) this.native_set_pte(this.slot(table, pfn % ptes), entry(pfn, KERNEL));
  }

  protected setup_arch(): void {
    const { profile, layout } = this;
    if (!this.wide && profile.initialPageTable) {
      this.clone_pgd_range();
      this.xen_write_cr3_init();
    }
    if (profile.buffer !== 'brk') this.faultsReady = true;
    this.early_ioremap_init();
    if (this.wide && profile.batchedAlloc && profile.buffer !== 'brk') this.map_vvar();
    if (profile.isa === 'unmapFirst') this.xen_memory_setup();
    if (profile.buffer === 'brk') this.early_alloc_pgt_buf();
    this.reserve_brk();
    if (this.wide && profile.cleanupHighmap) this.cleanup_highmap();
    // start_info is read through the kernel map, and from 3.7 on through the direct map.
    this.load(profile.buffer === 'brk' ? this.__va(layout.startInfo) : layout.kernel(layout.startInfo));
    const top = Math.min(layout.machine.reserved, layout.machine.beyond);
    this.memblock_reserve({ mfn: layout.end - top, count: top });
    if (profile.buffer === 'brk') this.init_mem_mapping();
    else {
      this.init_memory_mapping({ mfn: 0, count: this.max_low_pfn });
      if (layout.high.count > 0) this.init_memory_mapping(layout.high);
    }
    if (profile.makesRoom) this.reserve_initrd();
    if (this.bug('isa-range-overridden')) this.isa_as_memory();
    this.faultsReady = true;
    if (profile.buffer === 'low') this.dmi_scan_machine();
    this.initmem_init();
    this.trapsReady = true;
  }

  /** Whatever maps the first megabyte again takes it for memory. */
  protected isa_as_memory(): void {
    const { isa } = this.layout;
    for (let pfn = isa.mfn; pfn < isa.mfn + isa.count; pfn++)
      this.HYPERVISOR_update_va_mapping(this.__va(pfn), this.pfn_pte(pfn, KERNEL));
  }

  /** NODE_DATA: the first use of fresh memory, from the top. */
  protected initmem_init(): void {
    this.memblock_alloc();
  }

  /** Up to 3.6 Xen's part comes after the generic one, from 3.7 on around it. */
  private pagetable_init(): void {
    if (this.profile.freeP2m) return this.xen_pagetable_init();
    this.paging_init();
    this.xen_pagetable_setup_done();
  }

  protected xen_pagetable_setup_done(): void {
    this.xen_setup_shared_info();
    this.xen_post_allocator_init();
  }

  protected xen_pagetable_init(): void {
    this.setPteByHypercall = this.profile.hypercallsFromPagingInit;
    this.paging_init();
    this.xen_post_allocator_init();
    this.xen_vmalloc_p2m_tree();
    this.xen_pagetable_p2m_free();
    this.xen_setup_shared_info();
  }

  protected paging_init(): void {
    this.sparse_init();
  }

  /** The list of frames has been copied to where the kernel wants it: its pages are memory. */
  protected xen_pagetable_p2m_free(): void {
    const { pages, slot } = this.list!;
    if (slot !== undefined) this.xen_cleanmfnmap(slot);
    else {
      this.xen_cleanhighmap();
      const { mfn, count } = pages;
      const { ptes } = this.layout.machine;
      const rounded = Math.ceil((mfn + count) / ptes) * ptes - mfn;
      this.memblock_free({ mfn, count: this.bug('tables-freed-with-list') ? rounded : count });
    }
    this.list = undefined;
  }

  /** The kernel map's entries from the image's end on: the list's, and the builder's tables'. */
  protected xen_cleanhighmap(): void {
    const { ptes } = this.layout.machine;
    if (!this.wide) return;
    const l2 = this.kernelPage(this.layout.static('level2_kernel_pgt'));
    // The limit in bytes where slots are counted: it goes on in the next page, which is level2_fixmap_pgt.
    const past = this.bug('cleanhighmap-past-the-table') ? 512 : 0;
    for (let index = Math.ceil(this.brkEnd / ptes); index < this.layout.pmds + past; index++) {
      const next = index >= this.layout.pmds;
      const page = next ? this.kernelPage(this.layout.static('level2_fixmap_pgt')) : l2;
      const slot = this.slot(page, next ? index - this.layout.pmds : index);
      if (this.read(slot).flags & P) this.xen_set_pmd(slot, ZERO);
    }
  }

  /** A list outside the kernel map goes with its tables; those that the kernel has made are pinned each. */
  protected xen_cleanmfnmap(slot: number): void {
    const { pages, tables } = this.list!;
    this.xen_set_pgd(this.init_mm, slot, ZERO);
    for (let pfn = pages.mfn; pfn < pages.mfn + pages.count; pfn++) this.xen_free_ro_page(pfn);
    for (let pfn = tables.mfn; pfn < tables.mfn + tables.count; pfn++) {
      if (slot === L4_P2M_MOVED) this.unpin_pagetable_pfn(pfn);
      this.PagePinned.delete(pfn);
      this.xen_free_ro_page(pfn);
    }
  }

  protected xen_free_ro_page(pfn: number): void {
    this.make_lowmem_page_readwrite(this.__va(pfn));
    this.memblock_free({ mfn: pfn, count: 1 });
  }

  protected xen_setup_shared_info(): void {
    this.xen_set_fixmap(0, entry(SHARED_MFN, KERNEL));
  }

  protected xen_post_allocator_init(): void {
    if (this.profile.marking === 'eager') this.xen_after_bootmem();
  }

  protected xen_after_bootmem(): void {
    this.structPagesReady = true;
    this.xen_mark_init_mm_pinned();
  }

  /** init and those after it. */
  protected rest_init(): void {
    const { machine } = this.layout;
    if (this.profile.marking === 'afterBootmem') this.xen_after_bootmem();
    this.vmalloc_init();
    this.smp_init();
    if (this.wide && machine.dom0) this.acpi_early_init();
    if (this.profile.buffer === 'mapped' || this.profile.buffer === 'top') this.set_memory_nx();
    if (machine.processes === 0) return;
    const draw = stream(`processes ${machine.schedule}`);
    this.switch_mm(this.do_execve(undefined));
    for (let i = 0; i < machine.processes * EVENTS_PER_PROCESS; i++) {
      // Forks fail with ENOMEM where real ones would too; a small machine is full soon.
      if (this.freePages < 16) break;
      this.cpu = machine.cpus > 1 ? draw.below(2) : 0;
      const process = pick(draw, this.processes);
      this.event(draw, process);
      if (this.waiting > 0) this.xen_mc_flush();
      this.cpu = 0;
    }
    while (this.processes.length > 0) this.exit_mmap(this.processes[0]!);
  }

  protected acpi_early_init(): void {
    this.ioremap_page_range(ISA_MFN);
  }

  /** One of the things that happen; whatever another CPU is at stays as it is. */
  private event(draw: Draw, process: Process): void {
    const { machine } = this.layout;
    const isElsewhere = this.current[1 - this.cpu] === process;
    const common: (() => void)[] = [
      () => this.switch_mm(process),
      () => this.do_anonymous_page(process, draw.below(3)),
      () => this.do_wp_page(process, draw.below(3)),
      () => this.munmap_tables(process),
      () => void (this.processes.length <= machine.processes && this.dup_mmap(process)),
      () => void (!isElsewhere && this.do_execve(process)),
      () => void (this.processes.length > 1 && this.exit_mmap(process)),
    ];
    const rare: (() => void)[] = [
      () => this.xen_mm_pin_all(),
      () => this.do_execve_fails(),
      () => this.suspend_in_exec(),
      () => this.vmalloc_user(draw.below(3)),
      () => this.move_page_tables(process),
      () => this.alloc_vm_area(),
      () => this.alloc_ldt(),
      () => this.kernel_map_pages(),
      () => this.vmap_stack(),
      () => void (this.wide || this.kmap_atomic()),
      () => this.poking_init(),
      () => this.vmalloc_fault(process.mm),
      () => void (this.bug('huge-page') && this.huge_page(process)),
      () =>
        void (machine.cpus > 1 && this.processes.length > 1 && !isElsewhere && this.exit_elsewhere(process)),
    ];
    pick(draw, oneIn(draw, 2) ? rare : common)();
  }

  protected smp_init(): void {
    const mfn = this.pfn_to_mfn(this.init_mm_pgd);
    for (let vcpu = 1; vcpu < this.layout.machine.cpus; vcpu++) {
      const answer = this.run({ kind: 'initialise', vcpu, mfn, user: 0, userMode: false });
      if (answer !== OK) this.BUG(`cpu_up: vCPU ${vcpu} answers ${answer}`);
    }
  }

  /** Every usable page has its one direct map entry, read-only exactly if it is a table; PG_pinned says the truth. */
  protected check_end(): void {
    for (let pfn = 0; pfn < this.layout.maxPfn; pfn++) if (this.isDirectMapped(pfn)) this.checkPage(pfn);
    const { isa, machine } = this.layout;
    if (!machine.dom0 || this.profile.isa === 'none') return;
    for (let pfn = isa.mfn; pfn < isa.mfn + isa.count; pfn++) {
      const { mfn } = this.walk(this.__va(pfn));
      if (mfn === ISA_MFN + pfn - isa.mfn) continue;
      const message = `page 0x${pfn.toString(16)} of the ISA range maps frame 0x${mfn.toString(16)}`;
      this.fail({ kind: 'invariant', invariant: 'isa-range', pfn, message });
    }
  }

  private checkPage(pfn: number): void {
    const mfn = this.pfn_to_mfn(pfn);
    const info = this.state.info(mfn);
    const isUsed = isTable(info & INFO_TYPE) && this.state.typeCount(mfn) > 0;
    const slot = this.lookup_address(this.__va(pfn));
    const found = slot ? this.read(slot) : ZERO;
    const name = `page 0x${pfn.toString(16)}`;
    const fail = (invariant: 'direct-map' | 'page-pinned', what: string) =>
      this.fail({ kind: 'invariant', invariant, pfn, message: `${name} ${what}` });
    if ((found.flags & P) === 0) fail('direct-map', 'is not in the direct map');
    if (found.mfn !== mfn) fail('direct-map', 'is mapped as another');
    const isKeptReadOnly = this.keptReadOnly(pfn);
    if (isUsed && found.flags & RW) fail('direct-map', 'is a pagetable and writable');
    if (!isUsed && !(found.flags & RW) && !isKeptReadOnly)
      fail('direct-map', 'is no pagetable and read-only');
    if (this.PagePinned.has(pfn) && !isUsed && !isKeptReadOnly)
      fail('page-pinned', 'is PG_pinned and no pagetable');
    if ((info & INFO_PINNED) !== 0 && !this.PagePinned.has(pfn) && !this.isBuilders(pfn))
      fail('page-pinned', 'is pinned and not PG_pinned');
  }

  /** Pages that nobody gives back: the builder's old tables, and what the image has that no table names. */
  private keptReadOnly(pfn: number): boolean {
    const { layout } = this;
    return (
      this.isBuilders(pfn) ||
      contains(layout.brk, pfn) ||
      (pfn >= layout.static('empty_zero_page') - layout.statics.size &&
        pfn <= layout.static('empty_zero_page'))
    );
  }

  private isBuilders(pfn: number): boolean {
    return contains({ mfn: this.layout.ptBase, count: this.layout.ptCount }, pfn);
  }
}
