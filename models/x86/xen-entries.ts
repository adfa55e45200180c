/**
 * What Xen itself writes into its own slots of guest tables. All of Xen's frames are one frame here, XEN_MFN
 * (src/program/machine.ts), so this only fixes which of the slots are non-zero and with which flags.
 */
import { XEN_MFN } from '../../src/program/machine.js';
import { A, D, entry, NX, P, PSE, RW, US, ZERO, type Entry } from './entry.js';

/** Slots of an L4 that belong to Xen (is_guest_l4_slot says no): 256..271. */
export const XEN_L4_FIRST = 256;
export const XEN_L4_LAST = 271;
/** The machine-to-physical table, read-only for the guest: filled when the L4 becomes the kernel's base. */
export const RO_MPT_SLOT = 256;
/** The L4 maps itself here. */
export const LINEAR_SLOT = 258;
/** The shadow code's linear slot: zero in a guest's own L4. */
export const SHADOW_SLOT = 259;

/** The first of the direct map's, of 512 GiB each: those after it are zero, as the machine has less memory. */
export const DIRECT_MAP_SLOT = 262;

/** Flags of slot 256 when it is filled (frame XEN_MFN). */
export const RO_MPT_FLAGS = P | US | A;
/** Flags of slots 257, 260..262 (frame XEN_MFN) and 258 (frame of the L4 itself). */
export const XEN_SLOT_FLAGS = P | RW | A | D | NX;
/** Flags of the first of Xen's slots in a slot-3 L2 (frame XEN_MFN); the slots after it are zero. */
export const PAE_XEN_FLAGS = P | PSE | A | D;

export const RO_MPT_ENTRY = entry(XEN_MFN, RO_MPT_FLAGS);
export const PAE_XEN_ENTRY = entry(XEN_MFN, PAE_XEN_FLAGS);

/** What Xen puts into one of its slots of the L4 when the L4 has been validated. */
export function xenL4Entry(l4: number, slot: number): Entry {
  if (slot === RO_MPT_SLOT || slot === SHADOW_SLOT || slot > DIRECT_MAP_SLOT) return ZERO;
  return entry(slot === LINEAR_SLOT ? l4 : XEN_MFN, XEN_SLOT_FLAGS);
}
