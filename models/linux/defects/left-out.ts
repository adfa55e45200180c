/** Mistakes of Linux's history with the pagetables of Xen guests that this model cannot make, and why. */
export interface LeftOutGuest {
  readonly title: string;
  /** Commit that ended it, where one is known. */
  readonly fix?: string;
  readonly reason: string;
}

const GRANTS = 'the models have no grant table: a mapping of another domain’s frame has no references here';
const COUNTED = 'nothing that Xen is asked for is wrong: the kernel’s own bookkeeping is';
const MACHINE = 'frame numbers of the models’ machines fit into 20 bits';

export const LEFT_OUT_GUESTS: readonly LeftOutGuest[] = [
  {
    title: 'Only dom0’s memory map is limited to the reservation',
    fix: 'd3db72812544',
    reason: 'no pagetable is involved',
  },
  {
    title: '32-bit: max_pfn_mapped too low for the tables’ buffer',
    fix: 'a91d92875ee9',
    reason: 'low memory is as large as the buffer here (docs/linux-guest.md, "Scale")',
  },
  {
    title: 'level2_fixmap gets a copy of the kernel’s L2',
    fix: '0b5a50635fc9',
    reason: 'the copy shares its L1s with the kernel map: nothing becomes writable that was not',
  },
  {
    title: 'The tables of a moved list filled by hypercall',
    reason:
      'no report of it and no fix is known; the same mistake on the way to the direct map is `fixmap-slot-as-direct-map`',
  },
  {
    title: 'Early set_pte by hypercall on pages that are no tables',
    fix: 'cae739518314',
    reason: 'slow, but Xen accepts it',
  },
  {
    title: 'cpa reads entries that a queue is about to change',
    fix: '4f06b0436b2d',
    reason: 'the outcome is a wrong attribute, which Xen accepts',
  },
  {
    title: 'PAT bits built without conversion',
    reason: 'cache attributes of ordinary memory are not modelled',
  },
  {
    title: 'W^X checker looks at the leaf only',
    fix: '5bc8b0f5dac0',
    reason: 'a mistake of the one who reads',
  },
  {
    title: 'Flushing of vmap aliases in interrupts',
    fix: 'd2cb214551de',
    reason: 'a deadlock of locks, not of tables',
  },
  {
    title: 'Machine address of a kmap’ped entry computed as in the direct map',
    fix: '9f32d21c981b',
    reason:
      'there is no high memory for pagetables; the same mistake in early_ioremap is `fixmap-slot-as-direct-map`',
  },
  {
    title: 'A PAE entry stored in two halves in the wrong order',
    fix: 'f7c90c2aa400, b2d7a075a1cc',
    reason: `${MACHINE}, so that no half is dangerous by itself`,
  },
  { title: 'leave_mm called for a CPU that is back', fix: '7899891c7d16', reason: COUNTED },
  {
    title: 'exit_mmap unpins before munlock',
    fix: '9480c53e9b2a',
    reason: 'the order of user accesses is not modelled',
  },
  { title: 'Compound pages as roots', fix: '4ce385f56434', reason: COUNTED },
  { title: 'Nested lazy modes', fix: '4594437880ce', reason: COUNTED },
  {
    title: 'Page tables dumped through Xen’s slots',
    fix: 'b7e5ffe5d83f, bba42affa732',
    reason: 'a mistake of the one who reads',
  },
  {
    title: 'L3 entries of PAE with flags of other levels',
    fix: '8aaa18ff4c24',
    reason: 'Xen 4.17 accepts them (rules 2.1)',
  },
  { title: 'An overridden frame keeps its direct map entry', fix: '87f1d40a706b', reason: GRANTS },
  { title: 'A granted entry is cleared by a store', fix: 'cf8d91633dde', reason: GRANTS },
  { title: 'A failed grant is added to the override', fix: 'dc4972a4e2f3', reason: GRANTS },
  { title: 'Errors of grant batches (XSA-361)', reason: GRANTS },
  { title: 'Granted entries left to munmap (qubes-gui)', reason: GRANTS },
  { title: 'A page becomes a table while it is granted', reason: GRANTS },
  { title: 'An MMIO frame remapped by a driver', reason: 'devices are not modelled' },
  {
    title: 'KFENCE clears only the present bit',
    fix: 'b505f1944535',
    reason: 'what Xen does against L1TF is not in the models',
  },
  {
    title: 'espfix tables hooked without a word',
    fix: '8762e5092828',
    reason: 'the same as `static-table-writable`, later',
  },
  {
    title: 'A look into the M2P before it can be read',
    fix: 'd6b186c1e2d8',
    reason: 'the guest’s reads of the M2P are not modelled',
  },
  { title: 'A second page beside the root (page table isolation)', reason: COUNTED },
  {
    title: 'One argument too many in the multicall buffer',
    fix: 'f124c6ae59e',
    reason: 'the buffer’s memory is not modelled',
  },
  {
    title: 'Shared pages of the p2m mapped writable',
    fix: '2e917175e1ef',
    reason: 'the p2m in vmalloc’s area is not modelled; Xen would not refuse it',
  },
  {
    title: 'A root that is not on the list yet is missed by save',
    fix: 'a842f3f13d1f',
    reason: 'what the toolstack does with unpinned roots is not modelled',
  },
];
