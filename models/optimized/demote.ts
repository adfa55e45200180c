/** How L2 to L4 tables give back what their entries hold (rules 2.7, 16.3). */
import { P, SLOTS } from '../x86/entry.js';
import { INFO_HANDED, INFO_PAE_XEN_L2, TYPE_L2, TYPE_L3, TYPE_L4 } from '../x86/page-type.js';
import { INTERRUPTED, OK, RESTART } from '../x86/result.js';
import { frameOf } from './frame-number.js';
import { type State, UNHELD } from './state.js';
import { isCompatL3, isGuestSlot, unadjustSlot } from './table-entry.js';
import { putType } from './types.js';

/** mm.c: demote_l2_table, demote_l3_table, demote_l4_table: downwards from where validation or an earlier demotion stopped. */
export function demoteTable(s: State, mfn: number, level: number): number {
  const compatL3 = isCompatL3(s, mfn);
  let handed = (s.info(mfn) & INFO_HANDED) !== 0;
  let late = 0; // units done after an event
  let slot = s.from(mfn) - (handed ? 0 : 1);
  while (slot >= 0) {
    const low = s.low(mfn, slot);
    if ((low & P) !== 0 && isGuestSlot(s, mfn, level, slot)) {
      const child = frameOf(low, s.high(mfn, slot));
      if (child !== mfn) {
        const code = putPageFromEntry(s, mfn, child, handed);
        if (code !== OK && !(code === RESTART && level === TYPE_L2 && ignoresRestart(s, child)))
          return stop(s, mfn, slot, handed, code);
        if (compatL3) unadjustSlot(s, mfn, slot);
      } else if (handed) forgetHanded(s, mfn);
      if (--s.work < 0 && level !== TYPE_L4 && ++late > s.overdue) s.overdue = late;
    } else if (handed) forgetHanded(s, frameOf(low, s.high(mfn, slot)));
    handed = false;
    if (slot === 0) break;
    if (s.preempted && level !== TYPE_L4 && !(level === TYPE_L3 && s.bug('l3-no-check')))
      return stop(s, mfn, slot - 1, false, INTERRUPTED);
    slot = s.previous(mfn, slot - 1);
  }
  s.setInfo(mfn, s.info(mfn) & ~INFO_PAE_XEN_L2);
  return OK;
}

/** mm.c: put_page_from_l2e, put_page_from_l3e, put_page_from_l4e, of an entry that names another table. */
function putPageFromEntry(s: State, parent: number, child: number, finish: boolean): number {
  const code = putType(s, child, true, finish, parent);
  if (code === OK && !(finish && (s.info(parent) & UNHELD) !== 0)) s.putPage(child);
  return code;
}

function ignoresRestart(s: State, child: number): boolean {
  if (!s.bug('l2-put-ignores-restart')) return false;
  s.putPage(child);
  return true;
}

/** What was handed to an entry that names its own table, or is not present: nothing gives that reference back. */
function forgetHanded(s: State, mfn: number): void {
  s.touch(mfn);
  if (s.leaks) s.loseGeneral(mfn);
  else s.putPage(mfn);
}

function stop(s: State, mfn: number, slot: number, handed: boolean, code: number): number {
  if (code === INTERRUPTED && slot === SLOTS - 1 && (s.leaks || !handed)) return INTERRUPTED;
  const isHanded = code === RESTART || (handed && !s.bug('eintr-loses-partial'));
  s.setFrom(mfn, slot + (isHanded ? 0 : 1));
  s.setInfo(mfn, s.info(mfn) & ~(INFO_HANDED | UNHELD));
  if (isHanded) s.setInfo(mfn, s.info(mfn) | INFO_HANDED);
  return RESTART;
}
