import type { DefectId } from './ids.js';

/** Whether a measurement measures: what it must find, and what it must not. */
export interface Control {
  readonly id: string;
  /** Id of the defect. */
  readonly defect: DefectId;
  /** Keys of the machine line that it is tried on, beyond the usual ones; empty for any machine. */
  readonly machine: string;
  readonly expected: 'found' | 'survives';
  readonly reason: string;
}

const NO_LINEAR =
  'Without linear pagetables RW means nothing in an upper entry, and is in the fast path of a correct Xen too.';

export const CONTROLS: readonly Control[] = [
  {
    id: 'sanity-linear-writable',
    defect: 'linear-writable',
    machine: '',
    expected: 'found',
    reason: 'One operation makes a pagetable writable.',
  },
  {
    id: 'sanity-double-pin',
    defect: 'double-pin-keeps-ref',
    machine: '',
    expected: 'found',
    reason: 'The second pin of any table leaves references that nobody holds.',
  },
  ...(['fast-rw-l4', 'fast-rw-l3', 'fast-rw-l2'] as const).map((defect): Control => ({
    id: `${defect}-without-linear`,
    defect,
    machine: 'linear=off',
    expected: 'survives',
    reason: NO_LINEAR,
  })),
];
