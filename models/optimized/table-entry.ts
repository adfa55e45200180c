/** L2 to L4 entries by themselves: which slots are the guest's, what is forbidden in them, and what Xen makes of them. */
import { A, G, P, PCD, PSE, PWT, RW, SLOTS, US } from '../x86/entry.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, TYPE_L2, TYPE_L3, TYPE_L4 } from '../x86/page-type.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../x86/xen-entries.js';
import type { State } from './state.js';

/** Slot 3 of a 32-bit L3: its L2 holds Xen's entries too. */
export const KERNEL_SLOT = 3;

const FORBIDDEN_LOW = PWT | PCD | PSE | G;
/** 32-bit L3: bits 52..63 are forbidden too (rules 2.1). */
const FORBIDDEN_HIGH_COMPAT_L3 = ~0xfffff;

/** Slots that the guest may use: not Xen's in an L4 or in the L2 under slot 3, and four in a 32-bit L3. */
export function isGuestSlot(s: State, mfn: number, level: number, slot: number): boolean {
  if (level === TYPE_L4) return slot < XEN_L4_FIRST || slot > XEN_L4_LAST;
  if (level === TYPE_L2) return (s.info(mfn) & INFO_PAE_XEN_L2) === 0 || slot < s.paeXenSlot;
  return level !== TYPE_L3 || !s.compat || slot <= KERNEL_SLOT;
}

/** Where a run of Xen's slots ends. */
export function lastXenSlot(level: number): number {
  return level === TYPE_L4 ? XEN_L4_LAST : SLOTS - 1;
}

export function forbidden(s: State, level: number, low: number, high: number): boolean {
  if ((low & FORBIDDEN_LOW) !== 0) return true;
  return s.compat && level === TYPE_L3 && (high & FORBIDDEN_HIGH_COMPAT_L3) !== 0;
}

/** pv/mm.h: adjust_guest_l2e, adjust_guest_l3e, adjust_guest_l4e (rules 2.2). */
export function adjustedLow(s: State, level: number, low: number): number {
  if (s.compat) return level === TYPE_L3 ? low | US | RW : low;
  return level === TYPE_L4 ? low | US | A : low | US;
}

export function isCompatL3(s: State, mfn: number): boolean {
  return s.compat && (s.info(mfn) & INFO_TYPE) === TYPE_L3;
}

/** pv/mm.h: unadjust_guest_l3e (rules 2.2), on the slots below `end`. */
export function unadjust(s: State, mfn: number, end: number): void {
  for (let slot = 0; slot < end; slot++) unadjustSlot(s, mfn, slot);
}

export function unadjustSlot(s: State, mfn: number, slot: number): void {
  const low = s.low(mfn, slot);
  if ((low & P) !== 0) s.setEntry(mfn, slot, low & ~(US | RW | A), s.high(mfn, slot));
}
