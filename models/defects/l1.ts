/** L1 tables and entries, and what their updates answer (rules 2.3, 2.6, 3.3, 3.11). */
import { BOTH, type Defect, ONLY_32, on } from './defect.js';

const ERROR_CODES = { cause: 86, arches: BOTH, class: 'S' } as const;

export const L1: readonly Defect[] = [
  {
    id: 'l1-promotion-result-ignored',
    cause: 78,
    title: 'Every page is a valid L1',
    versions: 'six weeks of September and October 2008',
    fix: 'b525c05cf9',
    arches: BOTH,
    class: 'S',
    story:
      'In the first version of interruptible validation the result of checking an L1 was computed and thrown away. A guest wrote an entry that mapped the page itself writable and pinned the page: it had a pagetable of its own, with no rules.',
    rule: 'VALIDATE marks an L1 as validated whatever PROMOTE answered; the references of a failed one stay dropped.',
    rules: '1.5',
    breaks: ['no-writable-pagetable', 'hardware-walk', 'legal-entries', 'reference-counts', 'owned-mappings'],
    shortest: on('x86_64', 'mmu_update F1[0] F1|P|RW -> ok', 'update_va W1 0 -> ok', 'pin L1 F1 -> EBUSY'),
  },
  {
    id: 'mmio-cache-fastpath',
    cause: 55,
    advisory: 'XSA-154',
    cve: 'CVE-2016-2270',
    title: 'Cache attributes of I/O mappings are not looked at',
    versions: 'to 4.6, guests with devices',
    fix: 'c61a6f74f8, 8dd6d1c099',
    arches: BOTH,
    class: 'S',
    story:
      'Two mappings of a device’s frame with different cache attributes can end in a machine check. Xen neither made such mappings uncached nor counted a change of the attributes as one that needs a look.',
    rule: 'An I/O entry keeps the cache attributes that it was given, and L1 updates that change PWT, PCD and PAT only take the fast path.',
    rules: '3.3',
    breaks: ['agreement'],
    shortest: on('x86_64', 'update_va W8 0|P -> ok'),
  },
  {
    id: 'ptwr-cmpxchg-raw',
    cause: 81,
    title: 'An emulated compare-and-exchange stores what the guest wrote',
    versions: '3.1',
    fix: '4144e156c0, 4730f50174',
    arches: ONLY_32,
    class: 'S',
    story:
      'Stores to a pagetable that the guest maps read-only are emulated: the value is checked, adjusted and stored. The form for a compare-and-exchange checked the adjusted value and stored the guest’s, so what Xen takes away from an entry, such as RW on a read-only device, was there again.',
    rule: 'An emulated eight-byte store of a 32-bit guest (a locked CMPXCHG8B) stores the entry without the silent changes of rules 2.3.',
    rules: '3.11',
    breaks: ['agreement'],
    shortest: on('x86_32', 'update_va W8 B1|P -> ok', 'store W8[9] 0|P -> ok'),
  },
  {
    ...ERROR_CODES,
    id: 'error-codes-flip-leaks',
    title: 'An update that Xen has altered answers 1',
    versions: '4.2 in development',
    fix: '70622118ee',
    story:
      'The check of an L1 entry says by a positive value that some flag has to be flipped before it is stored. Callers passed the value on as if it were their result, so an update that had been made looked refused.',
    rule: 'An L1 update through mmu_update or update_va that is stored with silent changes (rules 2.3) answers 1 (reads EPERM) instead of 0.',
    rules: '3.3',
    breaks: ['agreement'],
    shortest: on('x86_64', 'update_va W8 0|P -> ok'),
  },
  {
    ...ERROR_CODES,
    id: 'error-codes-flattened',
    title: 'Every refused L1 update answers EINVAL',
    versions: 'to 4.1',
    fix: 'be640b1800, 541ce4766e, 7f107ea5c0, 990ea04ebe',
    story:
      'Checks of entries said yes or no, and every no became the same error. A guest could not tell a malformed entry from one that is refused because of what its frame is in use for.',
    rule: 'mod_l1_entry answers EINVAL where getting the new entry’s references failed, whatever the reason.',
    rules: '3.3',
    breaks: ['agreement'],
    shortest: on('x86_64', 'update_va W1 B1|P|RW -> EBUSY'),
  },
  {
    ...ERROR_CODES,
    id: 'error-codes-asserted',
    advisory: 'XSA-37',
    cve: 'CVE-2013-0154',
    title: 'An assertion knows of one error only',
    versions: '4.2, debug builds',
    fix: '8bb51a72e2',
    story:
      'When checks began to answer with different errors, an assertion further up still said that a failed validation can only be EINVAL. A guest made an L1 with an entry that is refused with EBUSY, and a debug build stopped.',
    rule: 'Taking an L1 for an L2 entry stops Xen where it fails with another error than EINVAL.',
    rules: '2.4',
    breaks: ['assertion'],
    shortest: on(
      'x86_64',
      'mmu_update F1[0] B1|P|RW -> ok',
      'update_va W1 0 -> ok',
      'mmu_update B2[3] F1|P -> EBUSY',
    ),
  },
];
