import { P, PSE, RW } from '../x86/entry.js';
import { INFO_PINNED, INFO_TYPE, TYPE_L2, TYPE_L3 } from '../x86/page-type.js';
import { EINVAL, EPERM, INTERRUPTED, OK, RESTART } from '../x86/result.js';
import { defer } from './deferred.js';
import { harmless } from './l1.js';
import { getPageFromEntry } from './promote.js';
import { frameOf } from './frame-number.js';
import type { State } from './state.js';
import { dropLinear } from './types.js';
import { adjustedLow, forbidden, isGuestSlot, KERNEL_SLOT } from './table-entry.js';

/** mm.c: mod_l2_entry, mod_l3_entry, mod_l4_entry (rules 3.4 to 3.6, 16.4). `kept` are old bits that stay. */
export function modTableEntry(
  s: State,
  table: number,
  slot: number,
  low: number,
  high: number,
  kept: number,
): number {
  const level = s.info(table) & INFO_TYPE;
  if (!isGuestSlot(s, table, level, slot)) return level === TYPE_L2 ? EPERM : EINVAL;
  if (level === TYPE_L3 && s.compat && slot === KERNEL_SLOT && !s.bug('pae-slot3-update')) return EINVAL;
  const oldLow = s.low(table, slot);
  const oldHigh = s.high(table, slot);
  const merged = oldLow & kept;
  let newLow = low;
  if ((low & P) !== 0) {
    if (forbidden(s, level, low, high) && !(keepsPse(s, level) && !forbidden(s, level, low & ~PSE, high)))
      return EINVAL;
    newLow = adjustedLow(s, level, low);
    if (isHarmless(s, level, oldLow ^ newLow, oldHigh ^ high)) {
      s.setEntry(table, slot, newLow | merged, high);
      updated(s, table, level);
      return OK;
    }
    const code = getPageFromEntry(s, table, level, checkedLow(s, level, low, newLow), high, false, false);
    if (code !== OK) return code === INTERRUPTED ? RESTART : code;
  }
  s.setEntry(table, slot, newLow | merged, high);
  updated(s, table, level);
  const old = frameOf(oldLow, oldHigh);
  if ((oldLow & P) === 0 || old === table) return OK;
  if (!s.leaks && (s.info(old) & INFO_TYPE) === level) dropLinear(s, old, table);
  defer(s, old, true, s.leaks ? table : 0); // by the time of the cleanup the table may be something else
  return OK;
}

/** Changes that need no new references (rules 3.4), and those that Xen once took for such. */
function isHarmless(s: State, level: number, low: number, high: number): boolean {
  if (harmless(s.harmlessUpper, low, high)) return true;
  if (keepsPse(s, level)) return harmless(~P, low & 0xfff, high) && low >>> 12 === 0;
  return s.bug(FAST_RW[level - TYPE_L2]!) && harmless(s.harmlessUpper | RW, low, high);
}

const FAST_RW = ['fast-rw-l2', 'fast-rw-l3', 'fast-rw-l4'] as const;

function keepsPse(s: State, level: number): boolean {
  return level === TYPE_L2 && s.bug('l2-pse-unvalidated');
}

/** What the checks look at is what is stored, with Xen's changes: for a 32-bit L3 that rules linear entries out. */
function checkedLow(s: State, level: number, low: number, newLow: number): number {
  return level === TYPE_L3 && s.bug('pae-l3-linear') ? low : newLow;
}

/** The tables above an L1 have changed: Xen's window must not keep what it translated (flush_linear_pt). */
function updated(s: State, table: number, level: number): void {
  const compatL3 = s.compat && level === TYPE_L3;
  if (compatL3 && s.bug('pae-slot3-recheck-on-update')) {
    const kernel = frameOf(s.low(table, KERNEL_SLOT), s.high(table, KERNEL_SLOT));
    s.bugOn(s.typeCount(kernel) !== 1, kernel, 'is checked again as the only slot-3 L2');
  }
  const pin = (s.info(table) & INFO_PINNED) === 0 ? 0 : 1;
  if (s.bug('linear-tlb-stale') || (compatL3 && s.bug('linear-tlb-stale-pv32-l3'))) return;
  if (s.typeCount(table) === pin && s.bug('linear-tlb-stale-floating')) return;
  s.updatedUpper = true;
}
