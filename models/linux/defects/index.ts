/** The catalogue: mistakes in the pagetables of Linux guests that a kernel of the model can be told to make. */
import type { GuestDefect } from './defect.js';
import { DIRECT_MAP } from './direct-map.js';
import { FIRST_TABLES } from './first-tables.js';
import { FIXMAP } from './fixmap.js';
import { HOST_MEMORY_MAP } from './host-memory-map.js';
import { KERNEL_MAPPINGS } from './kernel-mappings.js';
import { PROCESS } from './process.js';
import { RACES } from './races.js';

export type { GuestDefect } from './defect.js';
export type { GuestDefectId } from './ids.js';
export { type LeftOutGuest, LEFT_OUT_GUESTS } from './left-out.js';

export const GUEST_DEFECTS: readonly GuestDefect[] = [
  ...DIRECT_MAP,
  ...FIRST_TABLES,
  ...HOST_MEMORY_MAP,
  ...FIXMAP,
  ...PROCESS,
  ...RACES,
  ...KERNEL_MAPPINGS,
];

export function guestDefect(id: string): GuestDefect | undefined {
  return GUEST_DEFECTS.find((defect) => defect.id === id);
}
