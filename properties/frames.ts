/** What the invariants read from a frame's information word and from its entries. */
import type { ModelState } from '../models/model.js';
import { SLOTS } from '../models/x86/entry.js';
import {
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
  TYPE_SEG_DESC,
  isTable,
} from '../models/x86/page-type.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../models/x86/xen-entries.js';
import type { Machine } from '../src/program/machine.js';

/** Slots of a 32-bit guest's L3 (rules 6.2). */
export const PAE_L3_SLOTS = 4;

export function typeOf(info: number): number {
  return info & INFO_TYPE;
}

export function ownerOf(info: number): number {
  return (info & INFO_OWNER) >> INFO_OWNER_SHIFT;
}

export function isGuests(info: number): boolean {
  return (info & INFO_OWNER) === OWNER_GUEST << INFO_OWNER_SHIFT;
}

export function isValidatedTable(info: number): boolean {
  return (info & INFO_VALIDATED) !== 0 && isTable(info & INFO_TYPE);
}

export function isPartialTable(info: number): boolean {
  return (info & INFO_PARTIAL) !== 0 && isTable(info & INFO_TYPE);
}

/** Types whose contents the guest must never write by itself (rules 4, I2). */
export function isProtected(type: number): boolean {
  return isTable(type) || type === TYPE_SEG_DESC;
}

/** Level of the tables that base pointers name (rules 2.10). */
export function rootLevel(machine: Machine): number {
  return machine.arch === 'x86_64' ? TYPE_L4 : TYPE_L3;
}

/** Whether the frame is the kernel's base pointer of some virtual CPU. */
export function isKernelBase(state: ModelState, mfn: number): boolean {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) if (state.kernelBase(cpu) === mfn) return true;
  return false;
}

/**
 * Slots 0 .. n-1 of the frame are those whose entries hold references: all of a validated table, the part of a
 * partial one that was validated or not yet released (rules 14.1, 16.5), none of anything else.
 */
export function countedSlots(state: ModelState, mfn: number, info: number): number {
  if (isValidatedTable(info)) return SLOTS;
  return isPartialTable(info) ? state.partialFrom(mfn) : 0;
}

/** Whether a slot of such a table is the guest's; the others are Xen's own (rules 2.6) or do not exist. */
export function isGuestSlot(machine: Machine, info: number, slot: number): boolean {
  switch (info & INFO_TYPE) {
    case TYPE_L2:
      return (info & INFO_PAE_XEN_L2) === 0 || slot < machine.paeXenSlot;
    case TYPE_L3:
      return machine.arch === 'x86_64' || slot < PAE_L3_SLOTS;
    case TYPE_L4:
      return slot < XEN_L4_FIRST || slot > XEN_L4_LAST;
    default:
      return true;
  }
}

/** Whether slot 3 of a 32-bit L3 is meant, whose child is an L2 of another kind, L2+pae (rules 6.3). */
export function isPaeSlot(machine: Machine, level: number, slot: number): boolean {
  return level === TYPE_L3 && slot === PAE_L3_SLOTS - 1 && machine.arch === 'x86_32';
}
