/** Ways to have every pagetable page read-only in time: the 2011 question's alternatives, over one set of kernel functions. */
import type { Arch } from '../../src/program/machine.js';
import type { Profile } from './profile.js';

export interface Strategy {
  readonly id: string;
  readonly title: string;
  /** What it changes of a kernel; where tables' pages come from stays the kernel's own, unless that is the strategy. */
  readonly changes: Partial<Profile>;
  /** What it changes besides on x86_32. */
  readonly pae?: Partial<Profile>;
  /** It makes no difference there: 32-bit kernels hook every L1 when it is new. */
  readonly only64?: true;
  /** Why it is enough, or is not. */
  readonly why: string;
}

export function changesOf({ changes, pae }: Strategy, arch: Arch): Partial<Profile> {
  return arch === 'x86_32' ? { ...changes, ...pae } : changes;
}

/** No rule in set_pte: the parachute is gone. 64-bit code leaves entries that are present, 32-bit code writes them again. */
const NO_PARACHUTE = {
  rangeRule: 'none',
  existingPte: 'keep',
  existingThrough: 'direct',
  fixmapRule: 'writable',
} as const;
const WRITES_AGAIN = { existingPte: 'overwrite' } as const;

export const STRATEGIES: readonly Strategy[] = [
  {
    id: 'parachute-end',
    title: 'set_pte keeps read-only what tables have been taken from the buffer, up to pgt_buf_end',
    changes: { rangeRule: 'end', fixmapRule: 'newestWritable' },
    why: 'Enough while the buffer is mapped before it is used: then alloc_pte and alloc_pmd find every page and the rule only repeats what they did. Where the buffer is not mapped yet, the rule is asked when a page is mapped, and says what is a table then, not what will be one a moment later. That page is writable through an L1 which is pinned and hooked into an L2 that is itself not hooked: lookup_address does not get there, so the page stays writable and its pin is refused.',
  },
  {
    id: 'parachute-top',
    title: 'set_pte keeps the whole buffer read-only, up to pgt_buf_top; nothing is given back',
    changes: { rangeRule: 'top', fixmapRule: 'newestWritable', reserveTail: 'none' },
    why: 'Every future table is read-only when it is mapped, which is right as long as only the fixed alias fills tables (64-bit). But what the tables leave of the buffer is memory for everybody, and read-only. On x86_32 tables are cleared and filled through the direct map, so the next one is read-only before it is one: the kernel faults when it clears it.',
  },
  {
    id: 'parachute-top-give-back',
    title: 'the same, and pagetable_reserve makes what is left writable again',
    changes: { rangeRule: 'top', fixmapRule: 'newestWritable', reserveTail: 'all' },
    why: 'What 2.6.39 came to. It holds on every 64-bit layout, and is nothing for x86_32, for the reason above; there mask_rw_pte looks at the existing entry only.',
  },
  {
    id: 'existing-only',
    title: 'set_pte keeps what is mapped read-only already, and has no other rule',
    changes: { rangeRule: 'none', existingPte: 'keepRO', fixmapRule: 'writable', existingThrough: 'direct' },
    why: 'The rule that 32-bit kernels have. They fill tables in two steps: the first pass maps everything, takes tables as it goes and makes them read-only; the second writes every entry again. The rule keeps read-only what is, and alloc_pte has done the rest, as every page of the buffer was mapped before. It says nothing of a page that is mapped for the first time, so it does not replace the range rule where the buffer is not mapped yet.',
  },
  {
    id: 'alloc-only',
    title: 'alloc_pte and alloc_pmd make read-only what lookup_address finds; set_pte has no rule at all',
    changes: NO_PARACHUTE,
    pae: WRITES_AGAIN,
    why: 'The question itself. On x86_64 it is enough exactly where every page for a table is mapped by hooked tables when it is taken, as up to 2.6.38, from 3.1 to 3.8 and from 3.9 on; entries that are present are not written again there. In the layout of 2.6.39 lookup_address finds nothing, and the L1 that maps the page later maps it writable. On x86_32 it fails everywhere: the generic code writes every entry of low memory again, those of the tables that xen_setup_kernel_pagetable has made read-only included.',
  },
  {
    id: 'alloc-only-present-stay',
    title: 'the same, and entries that are present are not written again on x86_32 either',
    changes: NO_PARACHUTE,
    why: 'What it takes to do without the parachute on x86_32: the two steps must not touch what is mapped. (The attributes that the second pass is there for have to come with the first.) swapper_pg_dir and its L2 are made read-only and loaded before; the L1s are shared between the old root and the new one, so what is read-only stays so through the switch.',
  },
  {
    id: 'alloc-and-remember',
    title: 'alloc_pte and alloc_pmd also note the page, and set_pte asks for it',
    changes: { ...NO_PARACHUTE, allocReadOnly: 'remember' },
    pae: WRITES_AGAIN,
    why: 'A note helps whoever maps the page after it became a table, not who has mapped it before, in an L1 that is not reachable yet. In the layout of 2.6.39 the page of the newest table can be mapped by that very table, or by an L1 of an L2 that is not hooked: it was no table then. On x86_32 the notes do what the rule about existing entries does.',
  },
  {
    id: 'premap',
    title: 'tables come only from what hooked tables map already, the first from .brk',
    changes: { ...NO_PARACHUTE, buffer: 'brk', reserveTail: 'none' },
    pae: { existingPte: 'keepRO' },
    why: 'What 3.9 does. Then alloc_pte and alloc_pmd always find the page, and set_pte needs no range. x86_32 keeps its rule about existing entries, for its second pass.',
  },
  {
    id: 'hook-late',
    title: 'all tables are filled before any is hooked, and made read-only in what was filled',
    changes: { ...NO_PARACHUTE, hook: 'late', reserveTail: 'none' },
    only64: true,
    why: 'While nothing is hooked the tables are memory, so each can still be made read-only in all the others by plain stores; then they are announced and hooked, from below.',
  },
];
