import type { ModelState } from '../models/model.js';
import {
  A,
  CACHE_ATTRIBUTES,
  G,
  GNTTAB,
  GUEST_KERNEL,
  P,
  PCD,
  PSE,
  PWT,
  US,
  flagsOf,
} from '../models/x86/entry.js';
import { INFO_TYPE, TYPE_L1, TYPE_L3, TYPE_L4 } from '../models/x86/page-type.js';
import type { Machine } from '../src/program/machine.js';
import { isGuestSlot, isGuests, isValidatedTable } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { entryName } from './wording.js';

const name = 'legal-entries';

/** Rules 2.1 and 2.2 (Xen: mm.c: L1_DISALLOW_MASK..; pv/mm.h: adjust_guest_l1e..l4e). */
export const legalEntries: Invariant = {
  name,
  meaning:
    'No present entry of a validated table has a forbidden flag, and a 64-bit guest’s have the flags that Xen sets; a 32-bit L3 has nothing beyond its four slots.',
  why: 'A superpage entry (XSA-148) or a cache attribute that a guest may not choose gets past every check on frames; a missing flag is an entry that was stored without a check.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const info = state.info(mfn);
      if (!isValidatedTable(info) || !isGuests(info)) continue;
      for (let slot = state.nextUsed(mfn, 0); slot < 512; slot = state.nextUsed(mfn, slot + 1)) {
        const violation = entryFault(state, mfn, info, slot);
        if (violation) return violation;
      }
    }
    return undefined;
  },
};

/** Looks at one entry of a validated table. */
export function entryFault(
  state: ModelState,
  table: number,
  info: number,
  slot: number,
): Violation | undefined {
  const low = state.low(table, slot);
  const level = info & INFO_TYPE;
  if (!isGuestSlot(state.machine, info, slot)) {
    const beyond = level === TYPE_L3 && (low | state.high(table, slot)) !== 0;
    return beyond
      ? fault(state, table, slot, 'is not zero, beyond the four slots of a 32-bit L3')
      : undefined;
  }
  if ((low & P) === 0) return undefined;
  const flags = flagsOf(low, state.high(table, slot));
  const forbidden = flags & forbiddenFlags(state.machine, level);
  if (forbidden !== 0) return fault(state, table, slot, `has forbidden flags ${hex(forbidden)}`);
  const required = requiredFlags(state.machine, level);
  if ((flags & required) !== required)
    return fault(state, table, slot, `lacks flags ${hex(required & ~flags)} that Xen sets`);
  if (level === TYPE_L1 && state.machine.arch === 'x86_64' && (flags & (GUEST_KERNEL | G)) === 0) {
    return fault(state, table, slot, 'is marked neither as kernel page (bit 52) nor as global (G)');
  }
  return undefined;
}

export function forbiddenFlags(machine: Machine, level: number): number {
  if (level === TYPE_L1)
    return (machine.hardwareDomain ? 0 : CACHE_ATTRIBUTES) | (machine.debugBuild ? GNTTAB : 0);
  const all = PWT | PCD | PSE | G;
  return level === TYPE_L3 && machine.arch === 'x86_32' ? all | 0xfff000 : all;
}

/** A 32-bit L3 gets US and RW, but one that is resumed after a failure may have lost them (rules 2.2, 2.11). */
export function requiredFlags(machine: Machine, level: number): number {
  if (machine.arch === 'x86_32') return 0;
  return level === TYPE_L4 ? US | A : US;
}

function hex(flags: number): string {
  return `0x${flags.toString(16)}`;
}

function fault(state: ModelState, table: number, slot: number, what: string): Violation {
  const message = `${entryName(table, slot, state.machine)} ${what}.`;
  return { invariant: name, message, frame: table, entry: { mfn: table, slot } };
}
