/** What one kernel does otherwise than another, as data; the kernel functions (`kernel/`) look it up here. */
export interface Profile {
  /** The early tables' pages: low in what is mapped, at its end, at the end of what is to be mapped, or .brk pages and then whatever is mapped. */
  readonly buffer: 'low' | 'mapped' | 'top' | 'brk';
  /** mask_rw_pte keeps read-only: nothing of the buffer, what tables have been taken from it, or all of it. */
  readonly rangeRule: 'none' | 'end' | 'top';
  /** In early_ioremap's L1 (64-bit): writable, or so only if it is the newest table. */
  readonly fixmapRule: 'writable' | 'newestWritable';
  /** A slot that holds an entry: is overwritten, keeps RW cleared (32-bit), or stays as it is (64-bit). */
  readonly existingPte: 'overwrite' | 'keepRO' | 'keep';
  /** 64-bit: existing tables are reached through the direct map or through early_memremap. */
  readonly existingThrough: 'direct' | 'fixmap';
  /** The alias that a new table is filled through goes away before or after the table is hooked. */
  readonly aliasDrop: 'beforeHook' | 'afterHook';
  /** Times that kernel_physical_mapping_init goes over its range. */
  readonly passes: 1 | 2;
  /** alloc_pte and alloc_pmd make read-only what lookup_address finds; besides, they may note it for whoever maps it later. */
  readonly allocReadOnly: 'lookup' | 'remember' | 'off';
  /** Of the buffer's rest, what becomes writable again (pagetable_reserve). */
  readonly reserveTail: 'none' | 'all' | 'firstRange';
  /** New tables are hooked as soon as they are filled, or when all are there. */
  readonly hook: 'atOnce' | 'late';
  /** xen_map_identity_early extends what the domain builder has mapped. 32-bit kernels always do. */
  readonly identityEarly: boolean;
  /** 32-bit: the kernel runs on initial_page_table until setup_arch. */
  readonly initialPageTable: boolean;
  /** The domain builder's L4, L3 and L2 become memory as soon as they are out of use. */
  readonly recycle: boolean;
  /** A kernel mapping that becomes writable is flushed. */
  readonly flushOnWritable: boolean;
  /** Pages of level1_fixmap_pgt that the image has hooked. */
  readonly fixmapTables: 0 | 1 | 2;
  /** level3_user_vsyscall is pinned by itself. */
  readonly pinVsyscall: boolean;
  /** The list of frames may be mapped outside the kernel map. */
  readonly p2mOutside: boolean;
  /** dom0: what lies where the host has devices is moved away (xen_memory_setup). */
  readonly makesRoom: boolean;
  /** How early code stores an L1 entry: plainly, or by mmu_update; and in early_ioremap's L1. */
  readonly initSetPte: 'store' | 'hypercall';
  readonly fixmapSetPte: 'store' | 'hypercall';
  /** From paging_init on early code asks Xen for every L1 entry. */
  readonly hypercallsFromPagingInit: boolean;
  /** How an L1 entry is stored at run time, outside of batches. */
  readonly setPte: 'store' | 'hypercall';
  /** PG_pinned of the kernel's own tables is set with the allocator's switch, or when struct pages are there. */
  readonly marking: 'eager' | 'afterBootmem';
  /** A table that is pinned already is not pinned again when it is hooked elsewhere. */
  readonly pinsOnce: boolean;
  /** alloc_ptpage's requests go through the multicall buffer. */
  readonly batchedAlloc: boolean;
  /** dom0: the ISA range is mapped to itself, or unmapped and then mapped with the rest. */
  readonly isa: 'none' | 'identity' | 'unmapFirst';
  /** 64-bit: the kernel map loses what lies below the list of frames and is not the image. */
  readonly cleanupHighmap: boolean;
  /** The list of frames is copied and its pages freed. */
  readonly freeP2m: boolean;
}

/** What all kernels of 2.6.27 have; later ones say what changed. */
export const BASE: Profile = {
  buffer: 'low',
  rangeRule: 'none',
  fixmapRule: 'writable',
  existingPte: 'keep',
  existingThrough: 'direct',
  aliasDrop: 'beforeHook',
  passes: 1,
  allocReadOnly: 'lookup',
  reserveTail: 'none',
  hook: 'atOnce',
  identityEarly: true,
  initialPageTable: false,
  recycle: false,
  flushOnWritable: false,
  fixmapTables: 0,
  pinVsyscall: false,
  p2mOutside: false,
  makesRoom: false,
  initSetPte: 'store',
  fixmapSetPte: 'store',
  hypercallsFromPagingInit: false,
  setPte: 'store',
  marking: 'eager',
  pinsOnce: true,
  batchedAlloc: false,
  isa: 'none',
  cleanupHighmap: false,
  freeP2m: false,
};
