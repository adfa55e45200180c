/** Mistakes that take another CPU at the wrong moment: it acts where a lock should have kept it out. */
import { BOTH, type GuestDefect, ONLY_32, PINNING } from './defect.js';

export const RACES: readonly GuestDefect[] = [
  {
    id: 'pin-window-unlocked',
    title: 'pageout stores to a table that is read-only and not pinned yet',
    versions: 'to 2.6.23; and without split locks to 2.6.27',
    fix: '67dd5a25f4ef, 74260714c56d, 6a9e91846bf5',
    kernel: '2.6.27',
    arches: BOTH,
    story:
      'While a root is pinned its L1s are first made read-only and later become tables. In between they are neither memory nor a table: Xen does not emulate stores to them. pageout on another CPU finds tables through rmap, under their own lock only.',
    knob: 'between the two, another CPU clears an accessed bit',
    seen: ['BUG: unable to handle kernel paging request', PINNING.protection],
  },
  {
    id: 'sync-in-pin-window',
    title: 'vmalloc_sync_all stores to a root that is being pinned',
    versions: '2.6.36 and before, and before that in XenLinux 2.6.18',
    fix: '617d34d9e5d8, a79e53d85683',
    kernel: '2.6.27',
    arches: BOTH,
    story:
      'vmalloc_sync_all goes over all roots and copies new kernel entries. It saw that the root was not pinned and stored, when the walk had made it read-only.',
    knob: 'between the walk and the pin, another CPU stores to the root (PAE: the kernel’s L2)',
    seen: [PINNING.protection],
  },
  {
    id: 'kmap-in-pin-window',
    title: 'rmap maps a highmem L1 writable while it is pinned',
    versions: 'to 2.6.33, CONFIG_HIGHPTE',
    fix: '817a824b75b1, dad52fc01161',
    kernel: '2.6.27',
    arches: ONLY_32,
    story:
      'L1s in high memory have no mapping of their own; who looks at one maps it for a moment, writable. rmap did so without the lock that pinning holds.',
    knob: 'between the walk and the pin, another CPU has an L1 mapped by kmap',
    seen: ['Bad type (saw 74… != exp 1000000000000000)', PINNING.errorWhilePinning],
  },
  {
    id: 'stale-cr3-at-unpin',
    title: 'A root is unpinned while another CPU has it loaded still',
    versions: '2.6.23',
    fix: '9f79991d4186, 91e0c5f3dad4',
    kernel: '2.6.23',
    arches: ONLY_32,
    story:
      'A context switch waits in its CPU’s batch. To the kernel that CPU has left the old root, to Xen it has not: the root keeps its type after UNPIN, and its mapping cannot become writable.',
    knob: 'xen_drop_mm_ref does not flush the other CPU’s batch',
    seen: ['Bad type (saw … != exp 7000000000000000)'],
  },
];
