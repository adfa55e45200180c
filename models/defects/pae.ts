/** What is special about 32-bit guests’ tables, and the fix-up of entries (rules 2.2, 6.3). */
import { type Defect, ONLY_32, ONLY_64, on } from './defect.js';

const ADJUST_ORDER = { cause: 80, class: 'S', breaks: ['agreement'] } as const;
const SLOT_3 = { cause: 85, arches: ONLY_32, class: 'S', rules: '6.3' } as const;

export const PAE: readonly Defect[] = [
  {
    ...ADJUST_ORDER,
    id: 'adjust-order-all-slots',
    title: 'Xen’s own slots are fixed up as if they were the guest’s',
    versions: 'to 3.3 in development',
    fix: '06efa7c664',
    arches: ONLY_64,
    story:
      'The fix-up that adds flags to checked entries was done for every slot of a table, also for those that Xen keeps for itself and fills in at the end. Is the table refused before that, what the slots held stays, with the flags of a guest’s entry on it.',
    rule: 'PROMOTE of an L4 adjusts the present entries of slots 256 to 271 too as it passes them.',
    rules: '2.6',
    shortest: on(
      'x86_64',
      'update_va W1 0 -> ok',
      'pin L4 F1 -> ok',
      'unpin F1 -> ok',
      'mmu_update F1[300] BAD|P -> ok',
      'pin L4 F1 -> EINVAL',
    ),
  },
  {
    ...ADJUST_ORDER,
    id: 'adjust-order-not-undone',
    title: 'A refused 32-bit L3 keeps the flags that Xen has added',
    versions: 'to 4.14',
    fix: '2039ebfd59',
    arches: ONLY_32,
    story:
      'RW and US in a 32-bit L3 are Xen’s and are taken away again when the table is not used. Where validation fails, the entries before the failing one must lose them too, or the guest finds flags in its page that would be refused, or misread, the next time.',
    rule: 'PROMOTE of a 32-bit L3 that fails leaves the entries before the failing slot adjusted (the cleanup still unadjusts those whose references it drops).',
    rules: '2.2',
    shortest: on(
      'x86_32',
      'mmu_update F1[0] F2|P -> ok',
      'update_va W1 0 -> ok',
      'update_va W2 0 -> ok',
      'write_cr3 F1 -> fault',
    ),
  },
  {
    ...SLOT_3,
    id: 'pae-slot3-recheck-on-update',
    title: 'Every L3 update checks slot 3 again',
    versions: '4.1 to 4.13',
    fix: 'a4cde0266d',
    story:
      'The L2 under slot 3 must have one user when its L3 is validated. The test was made again after every update of that L3, by which time a linear entry may legally refer to the L2 as well; then Xen stopped.',
    rule: 'A successful update of a 32-bit L3 stops Xen where the type count of the L2 under its slot 3 is not 1.',
    breaks: ['assertion'],
    shortest: on('x86_32', 'mmu_update 0x108[0] B2|P -> ok', 'mmu_update B3[1] 0 -> ok'),
  },
  {
    ...SLOT_3,
    id: 'pae-slot3-flag-in-assertion',
    title: 'An assertion forgets the flag of the slot-3 L2',
    versions: 'after the repair of XSA-401, debug builds',
    fix: 'c2095ac76b',
    story:
      'The L2 under slot 3 carries a flag next to its type. A new assertion compared the type that was asked for, flag included, with the type field alone; every 32-bit guest that validated an L3 stopped a debug build.',
    rule: 'GETTYPE of an L2 with the pae flag stops Xen where it has to validate the page.',
    breaks: ['assertion'],
    shortest: on(
      'x86_32',
      'mmu_update F1[3] F2|P -> ok',
      'update_va W1 0 -> ok',
      'update_va W2 0 -> ok',
      'pin L3 F1 -> ok',
    ),
  },
  {
    ...SLOT_3,
    id: 'pae-slot3-update',
    title: 'Slot 3 of a 32-bit L3 can be changed',
    versions: 'none as such; what the rules about slot 3 prevent',
    fix: 'dad74b0f9e',
    story:
      'The L2 under slot 3 brings Xen’s own mappings with it and may not be exchanged while its L3 is in use. With this check gone a guest hooks in an L2 without them, and Xen’s area is no longer where Xen expects it.',
    rule: 'A 32-bit L3 update of slot 3 is treated like one of slots 0 to 2: the new table is taken as plain L2.',
    breaks: ['table-tree'],
    shortest: on('x86_32', 'update_va W1 0 -> ok', 'mmu_update B3[3] F1|P -> EINVAL'),
  },
  {
    ...SLOT_3,
    id: 'pae-slot3-shared',
    title: 'Two L3 tables share the L2 under slot 3',
    versions: 'none as such; what the rules about slot 3 prevent',
    fix: 'a4cde0266d',
    story:
      'The L2 with Xen’s mappings belongs to one L3, since some of what Xen keeps there belongs to one address space. Without the test for it two roots share one.',
    rule: 'PROMOTE of a 32-bit L3 accepts the L2 in slot 3 whatever its type count is.',
    breaks: ['table-tree'],
    shortest: on('x86_32', 'mmu_update F1[3] B2|P -> ok', 'update_va W1 0 -> ok', 'pin L3 F1 -> EINVAL'),
  },
];
