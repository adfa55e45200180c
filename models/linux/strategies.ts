/** Ways to have every pagetable page read-only in time: the 2011 question's alternatives, over one set of kernel functions. */
import type { Profile } from './profile.js';

export interface Strategy {
  readonly id: string;
  readonly title: string;
  /** What it changes of a kernel; a kernel's layout (where tables' pages come from) stays its own. */
  readonly changes: Partial<Profile>;
}

/** No rule in set_pte: the parachute is gone. */
const NO_PARACHUTE = { rangeRule: 'none', existingPte: 'keep' } as const;

export const STRATEGIES: readonly Strategy[] = [
  {
    id: 'parachute-end',
    title: 'set_pte keeps read-only what tables have been taken from the buffer, up to pgt_buf_end',
    changes: { rangeRule: 'end', fixmapRule: 'newestWritable' },
  },
  {
    id: 'parachute-top',
    title: 'set_pte keeps the whole buffer read-only, up to pgt_buf_top; nothing is given back',
    changes: { rangeRule: 'top', fixmapRule: 'newestWritable', reserveTail: 'none' },
  },
  {
    id: 'parachute-top-give-back',
    title: 'the same, and pagetable_reserve makes what is left writable again',
    changes: { rangeRule: 'top', fixmapRule: 'newestWritable', reserveTail: 'all' },
  },
  {
    id: 'existing-only',
    title: 'set_pte keeps what is mapped read-only already, and has no other rule',
    changes: { rangeRule: 'none', existingPte: 'keepRO' },
  },
  {
    id: 'alloc-only',
    title: 'alloc_pte and alloc_pmd make read-only what lookup_address finds; set_pte has no rule at all',
    changes: { ...NO_PARACHUTE, existingThrough: 'direct' },
  },
  {
    id: 'alloc-and-remember',
    title: 'alloc_pte and alloc_pmd also note the page, for whoever maps it later',
    changes: { ...NO_PARACHUTE, existingThrough: 'direct', allocReadOnly: 'remember' },
  },
  {
    id: 'premap',
    title: 'tables come only from what hooked tables map already (3.9)',
    changes: { ...NO_PARACHUTE, existingThrough: 'direct', buffer: 'brk', fixmapRule: 'writable' },
  },
  {
    id: 'hook-late',
    title: 'all tables are filled before any is hooked',
    changes: { ...NO_PARACHUTE, existingThrough: 'direct', hook: 'late' },
  },
];
