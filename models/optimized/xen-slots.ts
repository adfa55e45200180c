/** What Xen writes into its own slots of guest tables (rules 5.3, 6.4). */
import { highWord, lowWord, SLOTS } from '../x86/entry.js';
import {
  DIRECT_MAP_SLOT,
  LINEAR_SLOT,
  PAE_XEN_FLAGS,
  RO_MPT_FLAGS,
  RO_MPT_SLOT,
  SHADOW_SLOT,
  XEN_L4_FIRST,
  XEN_L4_LAST,
  XEN_SLOT_FLAGS,
} from '../x86/xen-entries.js';
import { XEN_MFN } from '../../src/program/machine.js';
import type { State } from './state.js';

const XEN_LOW = lowWord(XEN_MFN, XEN_SLOT_FLAGS);
const XEN_HIGH = highWord(XEN_MFN, XEN_SLOT_FLAGS);
const MPT_LOW = lowWord(XEN_MFN, RO_MPT_FLAGS);
const MPT_HIGH = highWord(XEN_MFN, RO_MPT_FLAGS);
const PAE_LOW = lowWord(XEN_MFN, PAE_XEN_FLAGS);
const PAE_HIGH = highWord(XEN_MFN, PAE_XEN_FLAGS);
const LINEAR_HIGH = highWord(0, XEN_SLOT_FLAGS);

/** mm.c: init_xen_l4_slots. */
export function writeXenL4Slots(s: State, mfn: number): void {
  for (let slot = XEN_L4_FIRST; slot <= XEN_L4_LAST; slot++) {
    if (slot === RO_MPT_SLOT || slot === SHADOW_SLOT || slot > DIRECT_MAP_SLOT) s.setEntry(mfn, slot, 0, 0);
    else if (slot === LINEAR_SLOT)
      s.setEntry(mfn, slot, lowWord(mfn, XEN_SLOT_FLAGS), LINEAR_HIGH | (mfn >>> 20));
    else s.setEntry(mfn, slot, XEN_LOW, XEN_HIGH);
  }
}

/** mm.c: fill_ro_mpt, for an L4 that becomes the kernel's base. */
export function fillRoMpt(s: State, mfn: number): void {
  if ((s.low(mfn, RO_MPT_SLOT) | s.high(mfn, RO_MPT_SLOT)) === 0)
    s.setEntry(mfn, RO_MPT_SLOT, MPT_LOW, MPT_HIGH);
}

/** pv/mm.c: init_xen_pae_l2_slots. */
export function writeXenL2Slots(s: State, mfn: number): void {
  s.setEntry(mfn, s.paeXenSlot, PAE_LOW, PAE_HIGH);
  for (let slot = s.next(mfn, s.paeXenSlot + 1); slot < SLOTS; slot = s.next(mfn, slot + 1)) {
    s.setEntry(mfn, slot, 0, 0);
  }
}
