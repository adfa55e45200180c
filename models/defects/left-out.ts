/** Fixed bugs of Xen’s PV pagetable code that the catalogue does not re-create, and what each would need. */
export interface LeftOut {
  readonly id: string;
  /** Number of the root cause, 1 to 90. */
  readonly cause: number;
  readonly advisory?: string;
  readonly title: string;
  /** What the models lack for it. */
  readonly reason: string;
}

const INSIDE = 'needs two vCPUs to meet inside one step; here vCPUs take turns between operations.';
const IOMMU = 'needs an IOMMU that maps what the guest may write.';
const GRANTS = 'needs grants.';
const SECOND = 'needs a second domain.';
const L1TF = 'needs the test of entries that are not present (rules 2.8), which ends in shadow paging.';

/** Bugs of grants alone. */
const WITHOUT_GRANTS: readonly Omit<LeftOut, 'reason'>[] = [
  {
    id: 'grant-unmap-before-flush',
    cause: 47,
    title: 'A grant is free before it is flushed',
  },
  { id: 'transfer-no-flush', cause: 47, title: 'A transferred page is not flushed' },
  {
    id: 'grant-dev-refs-each-unmap',
    cause: 57,
    advisory: 'XSA-224',
    title: 'Unmapping the host part drops the device part’s references',
  },
  {
    id: 'grant-dev-type-skipped',
    cause: 57,
    advisory: 'XSA-224',
    title: 'A writable device mapping holds no type reference',
  },
  {
    id: 'grant-type-failure-ignored',
    cause: 57,
    advisory: 'XSA-224',
    title: 'A grant is mapped writable although its page cannot be',
  },
  {
    id: 'grant-pte-misaligned',
    cause: 58,
    advisory: 'XSA-227',
    title: 'A grant entry is stored across two slots',
  },
  {
    id: 'grant-unmap-perm',
    cause: 59,
    advisory: 'XSA-234',
    title: 'Unmapping a grant does not look at RW',
  },
  {
    id: 'grant-map-undo-leaves-pte',
    cause: 60,
    title: 'A failed grant mapping stays in the table',
  },
  {
    id: 'grant-partial-unmap-count',
    cause: 61,
    advisory: 'XSA-394',
    title: 'A count of mappings goes down with every unmap',
  },
  {
    id: 'copy-mfn-page-mismatch',
    cause: 62,
    advisory: 'XSA-500',
    title: 'A grant copy refers to one page and writes another',
  },
  {
    id: 'grant-release-announced-early',
    cause: 63,
    advisory: 'XSA-218',
    title: 'A grant is announced free before it is accounted for',
  },
  {
    id: 'grant-handle-freed-twice',
    cause: 63,
    advisory: 'XSA-218',
    title: 'Two unmaps of one handle free it twice',
  },
  {
    id: 'grant-handle-torn-read',
    cause: 63,
    advisory: 'XSA-218',
    title: 'A handle is read while it changes',
  },
  {
    id: 'copy-pin-status',
    cause: 64,
    advisory: 'XSA-230',
    title: 'A grant copy clears the marks of a device mapping',
  },
  {
    id: 'transitive-fastpath',
    cause: 65,
    advisory: 'XSA-226, XSA-411',
    title: 'A transitive grant is released more often than acquired',
  },
  { id: 'transitive-map', cause: 65, title: 'A transitive grant can be mapped' },
  {
    id: 'transfer-copy-no-alloc',
    cause: 66,
    advisory: 'XSA-284',
    title: 'A transferred page is replaced by one without its reference',
  },
  {
    id: 'status-page-free',
    cause: 67,
    advisory: 'XSA-255',
    title: 'Status pages are freed while they are mapped',
  },
  {
    id: 'pin-count-vs-ref-order',
    cause: 68,
    advisory: 'XSA-228, XSA-236, XSA-501',
    title: 'A grant’s page is given back before the grant',
  },
  {
    id: 'grant-status-positive',
    cause: 86,
    advisory: 'XSA-316',
    title: 'A failed grant mapping answers with a positive number',
  },
  { id: 'grant-32bit-range', cause: 88, title: 'A 32-bit guest names a 64-bit address' },
];

export const LEFT_OUT: readonly LeftOut[] = [
  {
    id: 'superpage-put-rw',
    cause: 9,
    title: 'Dropping a read-only superpage drops writable references',
    reason: 'is equivalent: no guest can make an entry with PSE (rules 2.1), so none is ever dropped.',
  },
  ...WITHOUT_GRANTS.map((one) => ({ ...one, reason: GRANTS })),
  {
    id: 'superpage-mfn-unchecked',
    cause: 8,
    advisory: 'XSA-167',
    title: 'MARK_SUPER indexes with a frame number that nobody checked',
    reason: 'needs the superpage option, which left Xen in 4.10; the command answers EOPNOTSUPP since.',
  },
  {
    id: 'l1tf-restart-on-l1',
    cause: 14,
    advisory: 'XSA-299',
    title: 'An L1 that the L1TF test interrupts counts as partial',
    reason: L1TF,
  },
  {
    id: 'preempt-check-skipped',
    cause: 26,
    advisory: 'XSA-264',
    title: 'A reference that loses its race tries again without looking for events',
    reason: INSIDE,
  },
  {
    id: 'destroy-circular-recursion',
    cause: 29,
    title: 'Circular tables are cut at the wrong level at the end of a domain',
    reason: 'needs circles of tables; since linear entries have one level (XSA-240) there is none to cut.',
  },
  {
    id: 'unlock-drops-last',
    cause: 31,
    advisory: 'XSA-242',
    title: 'The page lock drops the last type reference and demotes nothing',
    reason: INSIDE,
  },
  {
    id: 'typeref-abac',
    cause: 32,
    advisory: 'XSA-401',
    title: 'The flush of a type change comes before the change is seen',
    reason: INSIDE,
  },
  {
    id: 'stale-flush-stamp',
    cause: 33,
    advisory: 'XSA-241',
    title: 'A flush stamp is older than the last use of the page',
    reason: INSIDE,
  },
  {
    id: 'steal-bogus-states',
    cause: 35,
    advisory: 'XSA-287',
    title: 'A page that is taken away has no count, or no owner, for a moment',
    reason: INSIDE,
  },
  {
    id: 'pin-vs-kill',
    cause: 36,
    title: 'A pin is set while the domain’s pins are being dropped',
    reason: `${INSIDE} It is another domain that pins.`,
  },
  {
    id: 'type-changed-under-update',
    cause: 37,
    title: 'An update fails where its table stops being one meanwhile',
    reason: INSIDE,
  },
  {
    id: 'xen-map-race',
    cause: 38,
    advisory: 'XSA-345',
    title: 'Two changes of Xen’s direct map free each other’s tables',
    reason: `${INSIDE} Nor is Xen’s direct map modelled.`,
  },
  {
    id: 'assign-before-scrub',
    cause: 39,
    title: 'A page can be named before it has been scrubbed',
    reason: 'needs an allocation in two steps; `receive` gives frames in one, and scrubs nothing.',
  },
  {
    id: 'root-released-before-switch',
    cause: 45,
    advisory: 'XSA-438, XSA-494',
    title: 'The old root is released before the processor has left it',
    reason: 'needs shadow paging, and the load of CR3 as a step of its own.',
  },
  {
    id: 'hvm-page-steal',
    cause: 48,
    advisory: 'XSA-217',
    title: 'A page with uncounted foreign mappings is transferred',
    reason: `${GRANTS} And an HVM domain.`,
  },
  {
    id: 'iommu-none-as-table',
    cause: 49,
    advisory: 'XSA-288',
    title: 'A fresh page that becomes a table stays open to devices',
    reason: IOMMU,
  },
  {
    id: 'iommu-fail-keeps-type',
    cause: 50,
    advisory: 'XSA-291',
    title: 'A failed IOMMU update leaves a type reference behind',
    reason: IOMMU,
  },
  {
    id: 'iommu-populate-race',
    cause: 51,
    advisory: 'XSA-285',
    title: 'A page changes its type while a device is being assigned',
    reason: IOMMU,
  },
  {
    id: 'self-grant-iommu-unmap',
    cause: 52,
    title: 'Unmapping one’s own grant takes the page from the IOMMU',
    reason: `${IOMMU} And grants.`,
  },
  {
    id: 'grant-iommu-skip',
    cause: 53,
    title: 'A second grant mapping is there before the IOMMU knows',
    reason: `${IOMMU} And grants.`,
  },
  {
    id: 'sticky-no-flush',
    cause: 54,
    advisory: 'XSA-80, XSA-346',
    title: 'An error path leaves IOMMU flushes switched off',
    reason: IOMMU,
  },
  {
    id: 'wc-not-flushed',
    cause: 56,
    advisory: 'XSA-402',
    title: 'A page is validated in the cache and walked in memory',
    reason: 'needs a cache that differs from memory.',
  },
  {
    id: 'directmap-wc',
    cause: 56,
    advisory: 'XSA-402',
    title: 'Xen’s own stores go past the cache',
    reason: 'needs a cache that differs from memory.',
  },
  {
    id: 'segdesc-survives-transfer',
    cause: 69,
    advisory: 'XSA-214',
    title: 'Descriptors stay valid in a domain of the other width',
    reason: SECOND,
  },
  {
    id: 'gdt-ldt-area-direct',
    cause: 72,
    title: 'A guest’s access to another vCPU’s descriptor area stops Xen (CVE-2010-4255)',
    reason: 'needs Xen’s per-domain area and its fault handler; all of Xen’s addresses just fault here.',
  },
  {
    id: 'update-nonpv-table',
    cause: 73,
    advisory: 'XSA-109',
    title: 'Tables of a translated domain are updated as if it had any',
    reason: SECOND,
  },
  {
    id: 'machphys-leak',
    cause: 74,
    advisory: 'XSA-113',
    title: 'A refused M2P update keeps a reference',
    reason: 'needs a second, translated domain to be refused for.',
  },
  {
    id: 'foreigndom-ignored-machphys',
    cause: 75,
    title: 'M2P updates ignore the domain that owns the tables',
    reason: SECOND,
  },
  {
    id: 'foreigndom-ignored-unpin',
    cause: 75,
    title: 'Unpin looks for the frame in the caller',
    reason: SECOND,
  },
  {
    id: 'adjust-order-before-check',
    cause: 80,
    title: 'A 32-bit L3 entry gets RW before it is checked',
    reason: 'is no difference since XSA-185: the only check of RW in an L3 was the linear rule’s.',
  },
  {
    id: 'm2p-reserved-value',
    cause: 82,
    advisory: 'XSA-22, XSA-251',
    title: 'A value that the guest chose for the M2P stops Xen',
    reason: 'needs log-dirty mode.',
  },
  {
    id: 'internal-page-typed',
    cause: 83,
    advisory: 'XSA-248',
    title: 'Pages of the shadow pool are the guest’s',
    reason: 'needs the shadow pool.',
  },
  {
    id: 'l1tf-unchecked',
    cause: 84,
    advisory: 'XSA-273',
    title: 'One way of writing entries forgets those that are not present',
    reason: L1TF,
  },
  {
    id: 'pae-slot3-rewritten',
    cause: 85,
    title: 'Xen’s entries in the slot-3 L2 are missing while they are rewritten',
    reason: INSIDE,
  },
  {
    id: 'vcpumask-width',
    cause: 88,
    title: 'A 32-bit guest’s vCPU bitmap is read as 64 bits',
    reason: 'needs vCPU bitmaps; here they can be read or not, and flushes go to all.',
  },
  {
    id: 'extended-cr3',
    cause: 88,
    title: 'A 32-bit L3 above 4 GiB is accepted without the assist',
    reason: 'is how Xen 4.17 is; the rule came back with 4.19.',
  },
  {
    id: 'clear-copy-any-page',
    cause: 89,
    title: 'CLEAR_PAGE and COPY_PAGE take frames that are no plain RAM',
    reason: SECOND,
  },
  {
    id: 'copy-undo-loop',
    cause: 89,
    title: 'A loop that undoes half-made mappings never ends',
    reason: 'needs mappings in Xen’s own address space.',
  },
  {
    id: 'exchange-unchecked-handle',
    cause: 90,
    advisory: 'XSA-212',
    title: 'XENMEM_exchange writes its results wherever the guest says',
    reason: 'needs Xen’s own memory as something that can be written.',
  },
  {
    id: 'exchange-error-path',
    cause: 90,
    advisory: 'XSA-159',
    title: 'A failed exchange cannot hand the frames back',
    reason: 'needs allocations that fail.',
  },
];
