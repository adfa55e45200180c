/** Mistakes with the fixed mappings: early_ioremap's L1 and who writes it. */
import { type GuestDefect, ONLY_32, ONLY_64, PINNING } from './defect.js';

export const FIXMAP: readonly GuestDefect[] = [
  {
    id: 'bm-pte-not-announced',
    title: 'early_ioremap hooks its L1 without a word',
    versions: '2.6.25-rc1 and before',
    fix: 'f6df72e71eba, 37cc8d7f963b',
    kernel: '2.6.23',
    arches: ONLY_32,
    story:
      'early_ioremap_init wrote its L1 into the tables without pmd_populate_kernel, so that Xen’s hook never made it read-only. (It also wrote into swapper_pg_dir’s tables while others were loaded.)',
    knob: 'bm_pte is hooked without alloc_pte',
    seen: [PINNING.mappedWritable],
  },
  {
    id: 'bm-pte-not-hooked',
    title: 'early_ioremap counts on startup code that Xen does not run',
    versions: '2.6.30 in development',
    fix: '45c7b28f3c7e',
    kernel: '2.6.27',
    arches: ONLY_64,
    story:
      'The L1 of the early mappings was to come from head.S. A Xen guest starts elsewhere; the first early mapping was none, and dmi_scan faulted.',
    knob: 'early_ioremap_init hooks nothing',
    seen: ['BUG: unable to handle kernel paging request', 'Oops: 0002'],
  },
  {
    id: 'early-table-not-pinned',
    title: 'An early L1 is unpinned that nobody has pinned',
    versions: '2.6.27 to 2.6.30-rc1',
    fix: 'b96229b50d71',
    kernel: '2.6.27',
    arches: ONLY_32,
    story:
      'xen_release_pte_init unpins an L1, so xen_alloc_pte_init has to pin it. It only made it read-only; on 32-bit page_table_kmap_check gives bm_pte back.',
    knob: 'xen_alloc_pte_init does not pin',
    seen: ['Mfn … not pinned'],
  },
  {
    id: 'fixmap-slot-as-direct-map',
    title: 'A table’s alias is taken for its address in the direct map',
    versions: '2.6.27 in development, and again to 2.6.39',
    fix: 'ce803e705f1c, f05608d27863, 2a001f648264',
    kernel: '2.6.27',
    arches: ONLY_64,
    story:
      'To write an entry by hypercall one needs its machine address. It was computed as for an address of the direct map, but new tables are written through early_ioremap: the result was another frame, or none.',
    knob: 'the frame of an entry in early_ioremap’s range is none that exists',
    seen: ['Could not get page for normal update'],
  },
  {
    id: 'vvar-as-machine-frame',
    title: 'A fixed mapping takes a page’s number for a frame’s',
    versions: '3.1-rc1',
    fix: '5d5791af4c0d',
    kernel: '3.1',
    arches: ONLY_64,
    story:
      'xen_set_fixmap has a list of fixed mappings that hold pages of the kernel; all others are taken for devices and get frames. The page of variables for user space was new and not in the list.',
    knob: 'the page is mapped by its pfn',
    seen: ['Error getting mfn … (pfn …) from L1 entry …', PINNING.emulation, PINNING.protection],
  },
];
