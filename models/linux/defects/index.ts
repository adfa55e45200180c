/** The catalogue: mistakes in the pagetables of Linux guests that a kernel of the model can be told to make. */
import type { GuestDefect } from './defect.js';
import { DIRECT_MAP } from './direct-map.js';

export type { GuestDefect } from './defect.js';
export type { GuestDefectId } from './ids.js';

export const GUEST_DEFECTS: readonly GuestDefect[] = [...DIRECT_MAP];

export function guestDefect(id: string): GuestDefect | undefined {
  return GUEST_DEFECTS.find((defect) => defect.id === id);
}
