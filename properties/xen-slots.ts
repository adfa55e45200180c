import type { ModelState } from '../models/model.js';
import { SLOTS, highWord, lowWord } from '../models/x86/entry.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, TYPE_L4 } from '../models/x86/page-type.js';
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
} from '../models/x86/xen-entries.js';
import { XEN_MFN } from '../src/program/machine.js';
import { isGuests, isKernelBase, isValidatedTable } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { entryName } from './wording.js';

const name = 'xen-slots';

/** Rules 2.6, 5.3, 6.4 (Xen: mm.c: init_xen_l4_slots; pv/mm.c: init_xen_pae_l2_slots). */
export const xenSlots: Invariant = {
  name,
  meaning: 'Xen’s slots of a validated L4 (256 to 271) and of a slot-3 L2 hold what Xen wrote there.',
  why: 'Through these slots Xen reaches its own memory while the guest’s tables are loaded: an entry of the guest’s there runs the hypervisor on the guest’s pages.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const info = state.info(mfn);
      if (!isValidatedTable(info) || !isGuests(info)) continue;
      const violation = xenSlotsFault(state, mfn, info);
      if (violation) return violation;
    }
    return undefined;
  },
};

/** Looks at all of Xen's slots of one validated table. */
export function xenSlotsFault(state: ModelState, table: number, info: number): Violation | undefined {
  const pae = (info & INFO_PAE_XEN_L2) !== 0;
  if (!pae && (info & INFO_TYPE) !== TYPE_L4) return undefined;
  const last = pae ? SLOTS - 1 : XEN_L4_LAST;
  for (let slot = pae ? state.machine.paeXenSlot : XEN_L4_FIRST; slot <= last; slot++) {
    const violation = xenSlotFault(state, table, info, slot);
    if (violation) return violation;
  }
  return undefined;
}

export function xenSlotFault(
  state: ModelState,
  table: number,
  info: number,
  slot: number,
): Violation | undefined {
  const low = state.low(table, slot);
  const high = state.high(table, slot);
  let flags = XEN_SLOT_FLAGS;
  let mfn = XEN_MFN;
  if ((info & INFO_PAE_XEN_L2) !== 0) {
    flags = slot === state.machine.paeXenSlot ? PAE_XEN_FLAGS : 0;
  } else if (slot === RO_MPT_SLOT) {
    // Filled when the L4 first becomes the kernel's base of some vCPU.
    flags = (low | high) === 0 && !isKernelBase(state, table) ? 0 : RO_MPT_FLAGS;
  } else if (slot === LINEAR_SLOT) {
    mfn = table;
  } else if (slot === SHADOW_SLOT || slot > DIRECT_MAP_SLOT) {
    flags = 0;
  }
  if (flags === 0) mfn = 0;
  if (low === lowWord(mfn, flags) && high === highWord(mfn, flags)) return undefined;
  const found = `0x${((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16)}`;
  const message = `${entryName(table, slot, state.machine)}, a slot of Xen’s, holds ${found}.`;
  return { invariant: name, message, frame: table, entry: { mfn: table, slot } };
}
