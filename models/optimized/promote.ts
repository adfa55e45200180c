/** How L2 to L4 tables are validated, and where their validation stops (rules 2.6, 16.3). */
import { P, RW, SLOTS } from '../x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
} from '../x86/page-type.js';
import { EINVAL, INTERRUPTED, OK, RESTART } from '../x86/result.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../x86/xen-entries.js';
import { defer, takeOver } from './deferred.js';
import { frameOf } from './frame-number.js';
import { type State, UNHELD } from './state.js';
import { adjustedLow, forbidden, isGuestSlot, KERNEL_SLOT, lastXenSlot, unadjust } from './table-entry.js';
import { L2_PAE_XEN, putTypeAndPage, take } from './types.js';
import { writeXenL2Slots, writeXenL4Slots } from './xen-slots.js';

/** mm.c: promote_l2_table, promote_l4_table, and promote_l3_table of a 64-bit guest. */
export function promoteTable(s: State, mfn: number, level: number): number {
  const from = s.from(mfn);
  const handed = (s.info(mfn) & INFO_HANDED) !== 0;
  let late = 0; // units done after an event
  let check = level === TYPE_L4 ? SLOTS : from + 1; // first slot before which an event is looked for
  if (level === TYPE_L2 && from > 0 && s.bug('no-progress')) check = from;
  for (let slot = s.next(mfn, from); ; slot = s.next(mfn, slot + 1)) {
    if (s.preempted && check <= slot && check < SLOTS)
      return stop(s, mfn, check, handed && s.bug('stale-partial-flag'), INTERRUPTED, 0);
    if (slot >= SLOTS) break;
    if (!isGuestSlot(s, mfn, level, slot)) {
      if (level === TYPE_L4 && s.bug('adjust-order-all-slots')) adjustXenSlots(s, mfn);
      slot = lastXenSlot(level);
      continue;
    }
    const low = s.low(mfn, slot);
    if ((low & P) === 0) continue;
    const high = s.high(mfn, slot);
    const isHanded = handed && slot === from;
    const code = getPageFromEntry(s, mfn, level, low, high, isHanded, level !== TYPE_L2);
    if (code !== OK) return stop(s, mfn, slot, isHanded, code, frameOf(low, high));
    const newLow = adjustedLow(s, level, low);
    if (newLow !== low) s.setEntry(mfn, slot, newLow, high);
    if (--s.work < 0 && level !== TYPE_L4 && ++late > s.overdue) s.overdue = late;
    if (level !== TYPE_L4) check = slot + 1;
  }
  if (level === TYPE_L4) writeXenL4Slots(s, mfn);
  if (s.info(mfn) & INFO_PAE_XEN_L2) writeXenL2Slots(s, mfn);
  return OK;
}

/** mm.c: promote_l3_table of a 32-bit guest: four slots, the last of them special (rules 6.3). */
export function promoteCompatL3(s: State, mfn: number): number {
  for (let slot = s.next(mfn, KERNEL_SLOT + 1); slot < SLOTS; slot = s.next(mfn, slot + 1)) {
    s.setEntry(mfn, slot, 0, 0);
  }
  const from = s.from(mfn);
  const handed = (s.info(mfn) & INFO_HANDED) !== 0;
  // One whose demotion was stopped behind the four has all that they name; the others are looked at.
  const last = from > KERNEL_SLOT ? SLOTS - 1 : KERNEL_SLOT;
  for (let slot = from; slot <= last; slot++) {
    if (slot > from && s.preempted)
      return stop(s, mfn, slot, handed && s.bug('stale-partial-flag'), INTERRUPTED, 0);
    const low = s.low(mfn, slot);
    const high = s.high(mfn, slot);
    const isHanded = handed && slot === from;
    let code = OK;
    if (slot === KERNEL_SLOT) code = getKernelL2(s, low, high, isHanded);
    else if ((low & P) === 0) continue;
    else code = getPageFromEntry(s, mfn, TYPE_L3, low, high, isHanded, true);
    if (code !== OK) {
      const failed = code !== RESTART && code !== INTERRUPTED;
      if (failed && !s.bug('adjust-order-not-undone')) unadjust(s, mfn, slot);
      return stop(s, mfn, slot, isHanded, code, frameOf(low, high));
    }
    s.setEntry(mfn, slot, adjustedLow(s, TYPE_L3, low), high);
    s.work--;
  }
  return OK;
}

/**
 * The L2 in slot 3 of a 32-bit L3: must be there, and must be nobody else's (mm.c: promote_l3_table,
 * pae_xen_mappings_check). When it is shared Xen forgets the references just taken (rules 14.2).
 */
function getKernelL2(s: State, low: number, high: number, handed: boolean): number {
  if ((low & P) === 0 || forbidden(s, TYPE_L3, low, high)) return EINVAL;
  const mfn = frameOf(low, high);
  const code = take(s, mfn, L2_PAE_XEN, handed, true, true);
  if (code !== OK || s.typeCount(mfn) === 1 || s.bug('pae-slot3-shared')) return code;
  if (!s.leaks) {
    putTypeAndPage(s, mfn, false);
    return EINVAL;
  }
  s.loseType(mfn);
  if (!handed) s.loseGeneral(mfn); // a handed one is given back by the cleanup
  return EINVAL;
}

/**
 * Promotion stopped at this slot, with this code; the answer is the code that the table's own promotion ends
 * with. A failure from slot 1 on leaves the table to its cleanup.
 */
function stop(s: State, mfn: number, slot: number, handed: boolean, code: number, child: number): number {
  const level = s.info(mfn) & INFO_TYPE;
  if (code === RESTART) {
    s.setFrom(mfn, slot);
    s.setInfo(mfn, s.info(mfn) | INFO_HANDED | (s.bug('partial-without-ref') ? UNHELD : 0));
    return RESTART;
  }
  const takesOver = code !== INTERRUPTED && level !== TYPE_L2 && child !== 0 && s.v.deferred === child;
  if (slot === 0 && (s.leaks || !(handed || takesOver))) return code;
  s.setFrom(mfn, slot);
  s.setInfo(mfn, s.info(mfn) & ~INFO_HANDED);
  if (code === INTERRUPTED) {
    if (handed && !s.bug('eintr-loses-partial')) s.setInfo(mfn, s.info(mfn) | INFO_HANDED);
    return RESTART;
  }
  if (takesOver || (handed && !s.bug('promotion-failure-drops-mark')))
    s.setInfo(mfn, s.info(mfn) | INFO_HANDED);
  if (takesOver && level === TYPE_L3 && s.bug('nested-failure-l3'))
    s.setInfo(mfn, s.info(mfn) & ~INFO_HANDED);
  if (takesOver && level === TYPE_L4 && s.bug('nested-failure-l4-skip')) {
    s.setInfo(mfn, s.info(mfn) & ~INFO_HANDED);
    s.setFrom(mfn, slot + 1);
  }
  if (takesOver) takeOver(s, child, handed);
  defer(s, mfn, false, 0);
  return code;
}

/** mm.c: get_page_from_l2e, get_page_from_l3e, get_page_from_l4e (rules 2.4, 16.3). What an L2 takes is taken in one go. */
export function getPageFromEntry(
  s: State,
  parent: number,
  level: number,
  low: number,
  high: number,
  handed: boolean,
  retain: boolean,
): number {
  if (forbidden(s, level, low, high)) return EINVAL;
  const mfn = frameOf(low, high);
  const code = takeChild(s, parent, mfn, level, handed, retain);
  const unexpected = level === TYPE_L2 && code !== OK && code !== EINVAL;
  s.bugOn(
    unexpected && s.bug('error-codes-asserted'),
    mfn,
    'is refused for a reason that Xen did not expect',
  );
  if (code !== EINVAL || !getLinear(s, parent, level, low, mfn)) return code;
  if (handed && !s.leaks) s.putPage(mfn); // the linear entry has taken a reference of its own
  return s.bug('linear-result-inverted') ? EINVAL : OK;
}

function takeChild(
  s: State,
  parent: number,
  mfn: number,
  level: number,
  handed: boolean,
  retain: boolean,
): number {
  const takesAgain = handed && (s.bug('partial-refs-2008-get-twice') || (s.info(parent) & UNHELD) !== 0);
  const gives = retain && (s.bug('partial-refs-2008-put-never-taken') || s.bug('partial-without-ref'));
  return take(s, mfn, level - 1, handed && !takesAgain, level !== TYPE_L2, retain && !gives);
}

function adjustXenSlots(s: State, mfn: number): void {
  for (let slot = XEN_L4_FIRST; slot <= XEN_L4_LAST; slot++) {
    const low = s.low(mfn, slot);
    if ((low & P) !== 0) s.setEntry(mfn, slot, adjustedLow(s, TYPE_L4, low), s.high(mfn, slot));
  }
}

/** mm.c: define_get_linear_pagetable (rules 2.5). */
function getLinear(s: State, parent: number, level: number, low: number, mfn: number): boolean {
  if (!s.allowsLinear || (level === TYPE_L3 && s.compat && !s.bug('pae-l3-linear'))) return false;
  if ((low & RW) !== 0 && !s.bug('linear-writable')) return false;
  if (mfn === parent) return true;
  if (!s.owned(mfn)) return false;
  if ((s.linearCount(parent) < 0 || s.linearCount(mfn) > 0) && !s.bug('linear-chain')) return false;
  if ((s.info(mfn) & (INFO_TYPE | INFO_VALIDATED)) !== (level | INFO_VALIDATED)) return false;
  s.touch(parent);
  s.addLinears(parent, 1);
  s.getPage(mfn);
  s.addLinears(mfn, -1);
  s.addTypes(mfn, 1);
  return true;
}
