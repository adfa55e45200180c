/**
 * What Xen itself writes into its own slots of guest tables. All of Xen's frames are one frame here, XEN_MFN
 * (src/program/machine.ts), so these constants only fix which of the slots are non-zero and with which flags.
 */
import { A, D, NX, P, PSE, RW, US } from './entry.js';

/** Slots of an L4 that belong to Xen (is_guest_l4_slot says no): 256..271. */
export const XEN_L4_FIRST = 256;
export const XEN_L4_LAST = 271;
/** The machine-to-physical table, read-only for the guest: filled when the L4 becomes the kernel's base. */
export const RO_MPT_SLOT = 256;
/** The L4 maps itself here. */
export const LINEAR_SLOT = 258;
/** The shadow code's linear slot: zero in a guest's own L4. */
export const SHADOW_SLOT = 259;

/** Flags of slot 256 when it is filled (frame XEN_MFN). */
export const RO_MPT_FLAGS = P | US | A;
/** Flags of slots 257, 260..271 (frame XEN_MFN) and 258 (frame of the L4 itself). */
export const XEN_SLOT_FLAGS = P | RW | A | D | NX;
/** Flags of the first of Xen's slots in a slot-3 L2 (frame XEN_MFN); the slots after it are zero. */
export const PAE_XEN_FLAGS = P | PSE | A | D;
