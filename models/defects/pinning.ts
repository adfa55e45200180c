/** Taking and giving back references: pins, frames that are not there, requests for another domain (rules 1.3, 3). */
import { BOTH, type Defect, on } from './defect.js';

const FOREIGN = {
  cause: 75,
  arches: BOTH,
  class: 'S',
  breaks: ['agreement'],
} as const;

export const PINNING: readonly Defect[] = [
  {
    id: 'pin-error-put',
    cause: 4,
    advisory: 'XSA-58',
    cve: 'CVE-2013-1432',
    title: 'A failed validation gives back a reference that the waiting table needs',
    versions: 'trees with the repair of XSA-45',
    fix: '9b167bd2f3',
    arches: BOTH,
    class: 'S',
    story:
      'A table that fails half way waits for its cleanup, and needs a general reference to wait with. The callers that saw the failure dropped "their" reference as they always had, so there was one less than holders: with a little care the page was freed while it still waited.',
    rule: 'TAKE drops the general reference that it took after every error, also where the table is the deferred one.',
    rules: '2.11',
    breaks: ['reference-counts', 'legal-state', 'assertion'],
    shortest: on('x86_64', 'mmu_update F1[1] BAD|P -> ok', 'update_va W1 0 -> ok', 'pin L2 F1 -> EINVAL'),
  },
  {
    id: 'double-pin-keeps-ref',
    cause: 87,
    title: 'Pinning a pinned table keeps the references taken for it',
    versions: 'none; the rule is as old as pins',
    fix: 'none',
    arches: BOTH,
    class: 'S',
    story:
      'Nothing that was ever released: a second pin is refused, and the references taken before that was known stay. Whoever does not find this does not count references.',
    rule: 'PIN of a pinned table answers EINVAL without giving back the two references just taken.',
    rules: '3.8',
    breaks: ['reference-counts'],
    shortest: on('x86_64', 'pin L4 B4 -> EINVAL'),
  },
  {
    id: 'get-fail-puts',
    cause: 77,
    title: 'A reference that could not be taken is dropped',
    versions: 'a few days of March 2009',
    fix: '11c121640c',
    arches: BOTH,
    class: 'S',
    story:
      'A rewrite of get_page() ended its way of failure with a put, also where the page was free and nothing had been taken. The count of a free page ran below zero.',
    rule: 'GETREF, and the lookup of an L1 entry’s frame, drop a general reference where they fail because the frame has none.',
    rules: '1.3',
    breaks: ['legal-state', 'reference-counts', 'assertion'],
    shortest: on('x86_64', 'pin L1 0x50 -> EINVAL'),
  },
  {
    id: 'invalid-gfn-not-null',
    cause: 76,
    advisory: 'XSA-32',
    cve: 'CVE-2012-5525',
    title: 'Frame numbers beyond memory are not refused',
    versions: '4.2',
    fix: 'e662eca49c',
    arches: BOTH,
    class: 'S',
    story:
      'For a PV guest the lookup of a frame did not ask whether there is such a frame, and used its number as an index into Xen’s table of pages. A number beyond the end read whatever lies there, or nothing.',
    rule: 'Requests that name a frame beyond memory (pin, unpin, base pointers, clear, copy, GDT frames, mmu_update’s table) stop Xen.',
    rules: '1.3',
    breaks: ['assertion'],
    shortest: on('x86_64', 'pin L1 BAD -> EINVAL'),
  },
  {
    ...FOREIGN,
    id: 'foreigndom-ignored-update',
    title: 'Updates of upper tables ignore the domain they name',
    versions: 'to 4.10',
    fix: '7993e3be68, f55d5c0746',
    story:
      'An L1 entry may map another domain’s frames, an upper entry may not. Updates of upper tables went through as if the caller had named itself, whatever it had named.',
    rule: 'An update of an L2, L3 or L4 under a foreign FD is done as under the caller’s own.',
    rules: '3.2',
    shortest: on('x86_64', 'mmu_update_list fd=io', '  mmu_update B2[3] 0', 'end -> EINVAL done=0'),
  },
  {
    ...FOREIGN,
    id: 'foreigndom-ignored-mmuext',
    title: 'Operations on one’s own tables ignore the domain they name',
    versions: 'to 4.4',
    fix: '1516b33961',
    story:
      'Base pointers, flushes and the LDT can only be the caller’s own. A caller that named another domain was served all the same, and may have believed that it worked on that one.',
    rule: 'The mmuext operations that must be one’s own (rules 3.8) do not answer EPERM under a foreign FD, but act on the caller.',
    rules: '3.8',
    shortest: on('x86_64', 'mmuext_op_list fd=io', '  new_user_baseptr B4', 'end -> EPERM done=0'),
  },
];
