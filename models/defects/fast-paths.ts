/** Updates that are stored without a new check because they look harmless (rules 3.4 to 3.6). */
import { BOTH, type Defect, ONLY_64, on } from './defect.js';

const RW_TOGGLE = {
  cause: 2,
  advisory: 'XSA-182',
  cve: 'CVE-2016-6258',
  versions: 'every version with PV guests, to 4.7',
  fix: 'e1bff4c2ea',
  class: 'S',
  breaks: ['hardware-walk', 'table-tree'],
} as const;

export const FAST_PATHS: readonly Defect[] = [
  {
    id: 'l2-pse-unvalidated',
    cause: 1,
    advisory: 'XSA-148',
    cve: 'CVE-2015-7835',
    title: 'An L2 entry is turned into a superpage',
    versions: '3.4 to 4.6',
    fix: 'fe360c90ea',
    arches: BOTH,
    class: 'S',
    story:
      'Support for superpages let PSE through the mask of forbidden L2 flags even where superpages were switched off, and left the refusal to the slow path. The shortcut in front of it compared only frame and presence. A guest rewrote an entry that named an L1 table with the same frame and PSE: what was counted as one table now mapped the 512 frames around it, writable, whoever they belonged to.',
    rule: 'PSE is not forbidden in L2 entries; validation refuses it with EINVAL where no superpages are allowed, but an L2 update with the same frame and P is stored whatever else changes.',
    rules: '3.4',
    breaks: ['hardware-walk', 'legal-entries'],
    shortest: on('x86_64', 'mmu_update B2[1] B1|P|RW|US|PSE -> EINVAL'),
  },
  {
    ...RW_TOGGLE,
    id: 'fast-rw-l4',
    title: 'RW is set on a linear L4 entry',
    arches: ONLY_64,
    story:
      'RW means nothing in an upper entry unless it names a table of its own level; such an entry must be read-only, which is checked when it is validated. The shortcut took RW for one of the bits that never matter. A guest hooked its L4 into itself read-only, set RW in a second update, and wrote its own L4 through the recursive mapping.',
    rule: 'An L4 update in which frame and P stay the same and RW changes takes the fast path.',
    rules: '3.6',
    shortest: on('x86_64', 'mmu_update B4[0] B4|P -> ok', 'mmu_update B4[0] B4|P|RW -> EINVAL'),
  },
  {
    ...RW_TOGGLE,
    id: 'fast-rw-l3',
    title: 'RW is set on a linear L3 entry',
    arches: ONLY_64,
    story:
      'The same shortcut one level down. An L3 entry that names its own or another L3, accepted because it is read-only, gets RW by an update that nobody checks, and every entry of that L3 is the guest’s to write.',
    rule: 'An L3 update in which frame and P stay the same and RW changes takes the fast path.',
    rules: '3.5',
    shortest: on('x86_64', 'mmu_update B3[0] B3|P -> ok', 'mmu_update B3[0] B3|P|RW -> EINVAL'),
  },
  {
    ...RW_TOGGLE,
    id: 'fast-rw-l2',
    title: 'RW is set on a linear L2 entry',
    arches: BOTH,
    story:
      'The same shortcut at level 2, the only one at which 32-bit guests have it too. A linear L2 entry is accepted read-only and made writable by a second update.',
    rule: 'An L2 update in which frame and P stay the same and RW changes takes the fast path.',
    rules: '3.4',
    shortest: on('x86_64', 'mmu_update B2[3] B2|P -> ok', 'mmu_update B2[3] B2|P|RW -> EINVAL'),
  },
];
