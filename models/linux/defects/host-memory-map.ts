/** Mistakes where dom0's memory takes the form of the host's: what lies where the host has devices is in the way. */
import { type GuestDefect, ONLY_64 } from './defect.js';

export const HOST_MEMORY_MAP: readonly GuestDefect[] = [
  {
    id: 'memory-in-use-remapped',
    title: 'Memory that is in use gets other page numbers',
    versions: 'to 4.2',
    fix: '808fdb71936c and its series (4.3)',
    kernel: '4.2',
    arches: ONLY_64,
    changes: { p2mOutside: false },
    story:
      'dom0 takes the host’s memory map: pages where the host has devices are unmapped and stand for these, and their frames become memory elsewhere. Nobody looked what was in them. Where Xen had put the list of frames or the ramdisk there, the kernel lost it.',
    knob: 'xen_memory_setup moves nothing before it remaps; the list is in the kernel map, as it was then',
    seen: ['unhandled page fault (ec=0000)', 'Pagetable walk from …:'],
  },
  {
    id: 'list-moved-over-itself',
    title: 'The list of frames moves to where its own tables are',
    versions: '4.3 and later',
    fix: 'xen/setup: Don’t relocate p2m/initrd over existing one',
    kernel: '4.2',
    arches: ONLY_64,
    story:
      'A list outside the kernel map that is in the way moves to a free area. What was looked through was the memory map and what is reserved; the old list and its tables were in neither. A new table’s page was a table in use already.',
    knob: 'the free area begins at the old list’s tables',
    seen: ['unhandled page fault (ec=0003)', 'Pagetable walk from …:'],
  },
  {
    id: 'brk-left-out-of-check',
    title: 'The check for conflicts ends before .brk',
    versions: '4.3 to 6.11 (CVE-2024-47722)',
    fix: 'fac1bceeeb04',
    kernel: '5.16',
    arches: ONLY_64,
    story:
      'The kernel cannot move, so one that lies where the host has devices gives up with a message. The check ended at the end of .bss. Pages of .brk, behind that, were given away without a word, and tables were then to be made in them.',
    knob: 'what is left of .brk is where the host has devices, and nobody checks',
    seen: ['unhandled page fault (ec=0002)', 'Pagetable walk from …:'],
  },
];
