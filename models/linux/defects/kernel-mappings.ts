/** Mistakes with a second mapping of a page, or one that is not there yet: vmalloc, kmap, LDTs, debugging aids. */
import { BOTH, type GuestDefect, ONLY_32 } from './defect.js';

export const KERNEL_MAPPINGS: readonly GuestDefect[] = [
  {
    id: 'vunmap-lazily',
    title: 'A page of vmalloc’s is used as a table while the old mapping is there',
    versions: '2.6.28-rc1 to -rc3',
    fix: 'd05fdf316067; from 2.6.36 on d2cb214551de, a0d40c80256e',
    kernel: '2.6.27',
    arches: BOTH,
    story:
      'vunmap became lazy: entries stayed until many could be flushed at once. A page that was freed in the meantime and became a pagetable had a second, writable mapping that nobody knew of.',
    knob: 'vunmap leaves the entry',
    seen: ['Bad type (saw 7400000000000001 != exp'],
  },
  {
    id: 'vm-unmap-ram-lazily',
    title: 'The same for vm_map_ram, which NFS came to use',
    versions: '2.6.37-rc1 to -rc4',
    fix: '64141da58724',
    kernel: '2.6.37',
    arches: BOTH,
    story:
      'vunmap was eager by then under Xen, vm_unmap_ram was not. NFS began to read directories through it, and guests hung or died some time later.',
    knob: 'vm_unmap_ram leaves the entry',
    seen: ['Bad type (saw 7400000000000001 != exp'],
  },
  {
    id: 'vm-area-not-synced',
    title: 'A grant is to be mapped where only init_mm has tables',
    versions: '3.1-rc6 and before',
    fix: '461ae488ecb1',
    kernel: '2.6.39',
    arches: ONLY_32,
    story:
      'alloc_vm_area makes tables in init_mm; on PAE each root has a kernel L2 of its own, which gets the entry at the first fault. The hypervisor takes no faults for the guest: it looks through what is loaded.',
    knob: 'alloc_vm_area does not sync the roots',
    seen: ['Could not find L1 PTE'],
  },
  {
    id: 'vmalloc-fault-queued',
    title: 'The entry that a fault has copied is still in the queue when it is looked for',
    versions: 'to 3.8',
    fix: '1160c2779b82',
    kernel: '3.1',
    arches: ONLY_32,
    story:
      'vmalloc_fault copies the missing entry and checks that it is there. In a lazy mode the copy waits; memory does not have it.',
    knob: 'the lazy mode is not flushed before the entry is read',
    seen: ['kernel BUG at arch/x86/mm/fault.c:396!'],
  },
  {
    id: 'stack-in-unsynced-area',
    title: 'A kernel stack that the loaded root does not have',
    versions: '4.9 and later, as a class',
    fix: 'several',
    kernel: '4.2',
    arches: BOTH,
    story:
      'With stacks in vmalloc’s area a root may lack the entry that leads to the stack it is to run on. There is no stack for the fault that would bring it.',
    knob: 'a new area is not synced to the roots before it is used',
    seen: ['BUG: unable to handle kernel paging request', 'Oops: 0000'],
  },
  {
    id: 'kmap-in-lazy-mode',
    title: 'kmap_atomic’s entry waits in the queue while the page is written',
    versions: 'to 3.1',
    fix: '2cd1c8d4dc7e',
    kernel: '3.1',
    arches: ONLY_32,
    story:
      'In a lazy mode the entry of a temporary mapping was queued like others. The access right after it met the old one.',
    knob: 'the entry is not flushed',
    seen: ['BUG: unable to handle kernel paging request', 'Oops: 0002'],
  },
  {
    id: 'ldt-alias-writable',
    title: 'Only one of an LDT’s two mappings is read-only',
    versions: 'to 2.6.24, and for large ones to 2.6.27',
    fix: '4dbf7af6442a, a05d2ebab280, cef43bf6b3af, aa1acff356bb',
    kernel: '2.6.27',
    arches: BOTH,
    story:
      'A descriptor table has to be read-only like a pagetable. An LDT that vmalloc gave has a mapping in vmalloc’s area and one in the direct map; one of them was forgotten.',
    knob: 'the direct map’s entry stays writable',
    seen: [
      'kernel-mapping: the LDT cannot be used',
      'Bad type (saw 7400000000000001 != exp 5000000000000000)',
    ],
  },
  {
    id: 'debug-pagealloc-lazy',
    title: 'A page becomes a table while a queued mapping is to make it writable',
    versions: 'to 3.9, DEBUG_PAGEALLOC',
    fix: '26564600c9c8',
    kernel: '2.6.37',
    arches: BOTH,
    story:
      'DEBUG_PAGEALLOC unmaps free pages and maps them when they are handed out. In a lazy mode that waited in the queue while the page was made a table directly; the queue then asked for a writable mapping of it.',
    knob: 'kernel_map_pages is not flushed before the page is used',
    seen: ['Bad type (saw 1c00000000000001 != exp 7000000000000000)'],
  },
  {
    id: 'nx-forces-writable',
    title: 'Taking the right to execute gives the right to write',
    versions: '2.6.38-rc1 to -rc3',
    fix: 'f12d3d04e8f6',
    kernel: '2.6.37',
    arches: BOTH,
    story:
      'When the kernel’s data became not executable, static_protections() forced RW for it. The static pagetables are in that data.',
    knob: 'NX for the image’s pages comes with RW',
    seen: ['Bad type (saw … != exp 7000000000000000)', 'Error getting mfn …'],
  },
];
