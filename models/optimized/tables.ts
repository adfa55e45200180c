/**
 * L2 to L4 tables: type references on any frame, validation and its failures, entries, and the one place
 * (Xen: vcpu->arch.old_guest_table) where a table waits for its cleanup.
 */
import { A, G, P, PCD, PSE, PWT, RW, SLOTS, US } from '../x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  isTable,
  TYPE_L1,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
} from '../x86/page-type.js';
import { EINVAL, EPERM, OK } from '../x86/result.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../x86/xen-entries.js';
import { harmless, promoteL1, releaseL1 } from './l1.js';
import { frameOf, type State } from './state.js';
import { writeXenL2Slots, writeXenL4Slots } from './xen-slots.js';

/** What a type is requested as: the type, and for the L2 under slot 3 of a 32-bit L3 the flag. */
const REQUEST = INFO_TYPE | INFO_PAE_XEN_L2;
const TYPE_INFO = INFO_TYPE | INFO_VALIDATED | INFO_PARTIAL | INFO_PAE_XEN_L2 | INFO_HANDED;
export const L2_PAE_XEN = TYPE_L2 | INFO_PAE_XEN_L2;

const FORBIDDEN_LOW = PWT | PCD | PSE | G;
/** 32-bit L3: bits 52..63 are forbidden too (rules 2.1). */
const FORBIDDEN_HIGH_COMPAT_L3 = ~0xfffff;
const KERNEL_SLOT = 3;

/** mm.c: _get_page_type (rules 1.4), for pagetable types. The general reference is the caller's business. */
export function getType(s: State, mfn: number, want: number): number {
  const info = s.info[mfn]!;
  if (s.typeCount[mfn] === 0) {
    s.touch(mfn);
    s.typeCount[mfn] = 1;
    s.info[mfn] = (info & ~TYPE_INFO) | want;
    s.linear[mfn] = 0;
    s.from[mfn] = 0;
    return validate(s, mfn);
  }
  if ((info & REQUEST) !== want) return EINVAL;
  s.touch(mfn);
  if ((info & INFO_VALIDATED) !== 0) {
    s.typeCount[mfn]!++;
    return OK;
  }
  s.info[mfn] = info & ~INFO_PARTIAL; // resumes where the last attempt stopped
  const code = validate(s, mfn);
  s.putPage(mfn);
  return code;
}

/** mm.c: validate_page (rules 1.5). */
function validate(s: State, mfn: number): number {
  const code = promote(s, mfn);
  if (code === OK) {
    s.info[mfn] = (s.info[mfn]! | INFO_VALIDATED) & ~INFO_HANDED;
    s.from[mfn] = 0;
  } else if (s.deferred === mfn) {
    s.info[mfn]! |= INFO_PARTIAL;
    s.getPage(mfn);
  } else {
    s.info[mfn]! &= ~TYPE_INFO;
    s.typeCount[mfn] = 0;
  }
  return code;
}

function promote(s: State, mfn: number): number {
  switch (s.info[mfn]! & INFO_TYPE) {
    case TYPE_L1:
      return promoteL1(s, mfn);
    case TYPE_L3:
      return s.compat ? promoteCompatL3(s, mfn) : promoteTable(s, mfn, TYPE_L3);
    default:
      return promoteTable(s, mfn, s.info[mfn]! & INFO_TYPE);
  }
}

/** mm.c: put_page_type (rules 1.6). A table without references is demoted; its type stays. */
export function putType(s: State, mfn: number): void {
  s.touch(mfn);
  if (--s.typeCount[mfn]! !== 0 || !isTable(s.info[mfn]! & INFO_TYPE)) return;
  s.info[mfn]! &= ~INFO_VALIDATED;
  release(s, mfn, SLOTS);
  s.info[mfn]! &= ~INFO_PAE_XEN_L2;
}

/**
 * mm.c: get_page_and_type_from_mfn (rules 2.11, TAKE). With `handed` the general reference is there already.
 * A table that failed and waits for its cleanup keeps the reference taken here.
 */
export function take(s: State, mfn: number, want: number, handed: boolean): number {
  if (!handed) {
    if (!s.owned(mfn)) return EINVAL;
    s.getPage(mfn);
  }
  const code = getType(s, mfn, want);
  if (code !== OK && !handed) {
    if (s.deferred !== mfn) s.putPage(mfn);
    else if (s.leftover === mfn) s.lostGenerals[mfn]!++; // kept for a cleanup that has its own (rules 5.4)
  }
  return code;
}

/** mm.c: put_page_and_type. */
export function putTypeAndPage(s: State, mfn: number): void {
  putType(s, mfn);
  s.putPage(mfn);
}

/** mm.c: promote_l2_table, promote_l4_table, and promote_l3_table of a 64-bit guest (rules 2.6). */
function promoteTable(s: State, mfn: number, level: number): number {
  const from = s.from[mfn]!;
  for (let slot = s.memory.next(mfn, from); slot < SLOTS; slot = s.memory.next(mfn, slot + 1)) {
    if (!isGuestSlot(s, mfn, level, slot)) {
      slot = lastXenSlot(level);
      continue;
    }
    const low = s.low(mfn, slot);
    if ((low & P) === 0) continue;
    const high = s.high(mfn, slot);
    const handed = slot === from && (s.info[mfn]! & INFO_HANDED) !== 0;
    const code = getPageFromEntry(s, mfn, level, low, high, handed);
    if (code !== OK) {
      stop(s, mfn, slot, handed, frameOf(low, high));
      return code;
    }
    const newLow = adjustedLow(s, level, low);
    if (newLow !== low) s.setEntry(mfn, slot, newLow, high);
  }
  if (level === TYPE_L4) writeXenL4Slots(s, mfn);
  if (s.info[mfn]! & INFO_PAE_XEN_L2) writeXenL2Slots(s, mfn);
  return OK;
}

/** mm.c: promote_l3_table of a 32-bit guest: four slots, the last of them special (rules 2.6, 6.3). */
function promoteCompatL3(s: State, mfn: number): number {
  for (let slot = s.memory.next(mfn, KERNEL_SLOT + 1); slot < SLOTS; slot = s.memory.next(mfn, slot + 1)) {
    s.setEntry(mfn, slot, 0, 0);
  }
  const from = s.from[mfn]!;
  for (let slot = from; slot <= KERNEL_SLOT; slot++) {
    const low = s.low(mfn, slot);
    const high = s.high(mfn, slot);
    const handed = slot === from && (s.info[mfn]! & INFO_HANDED) !== 0;
    let code = OK;
    if (slot === KERNEL_SLOT) code = getKernelL2(s, low, high, handed);
    else if ((low & P) === 0) continue;
    else code = getPageFromEntry(s, mfn, TYPE_L3, low, high, handed);
    if (code !== OK) {
      unadjust(s, mfn, slot);
      stop(s, mfn, slot, handed, frameOf(low, high));
      return code;
    }
    s.setEntry(mfn, slot, adjustedLow(s, TYPE_L3, low), high);
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
  const code = take(s, mfn, L2_PAE_XEN, handed);
  if (code !== OK || s.typeCount[mfn] === 1) return code;
  if (!s.leaks) {
    putTypeAndPage(s, mfn);
    return EINVAL;
  }
  s.lostTypes[mfn]!++;
  if (!handed) s.lostGenerals[mfn]!++; // a handed one is given back by the cleanup
  return EINVAL;
}

/** Validation stopped at this slot (rules 2.11, STOP). From slot 1 on the table waits for its cleanup. */
function stop(s: State, mfn: number, slot: number, handed: boolean, child: number): void {
  if (slot === 0) return;
  s.from[mfn] = slot;
  const takesOver = child !== 0 && s.deferred === child;
  s.info[mfn]! &= ~INFO_HANDED;
  if (takesOver || handed) s.info[mfn]! |= INFO_HANDED;
  if (takesOver) takeOver(s, child, handed);
  defer(s, mfn, false);
}

/**
 * The failing child need not wait any more: the cleanup of its parent reaches it. A child that waited since
 * an earlier MOV to CR3 loses what that cleanup does not give back.
 */
function takeOver(s: State, child: number, handed: boolean): void {
  if (child === s.leftover) {
    s.touch(child);
    if (handed) s.lostGenerals[child]!++;
    if (s.deferredWhole) s.lostTypes[child]!++;
  }
  s.deferred = 0;
  s.deferredWhole = false;
  s.leftover = 0;
}

/** Puts a table where its cleanup waits. Xen has one such place, and forgets what was there (rules 14.1, 5.4). */
export function defer(s: State, mfn: number, whole: boolean): void {
  const before = s.deferred;
  if (before !== 0) {
    if (!s.leaks) {
      if (before !== mfn) s.alsoDeferred.push(before);
    } else {
      s.touch(before);
      s.lostGenerals[before]!++;
      if (s.deferredWhole) s.lostTypes[before]!++;
    }
  }
  s.deferred = mfn;
  s.deferredWhole = whole;
  s.leftover = 0;
}

/** mm.c: put_old_guest_table (rules 2.11, CLEANUP). */
export function cleanup(s: State): void {
  while (s.deferred !== 0) {
    const mfn = s.deferred;
    const whole = s.deferredWhole;
    s.deferred = s.alsoDeferred.pop() ?? 0;
    s.deferredWhole = false;
    if (whole) putType(s, mfn);
    else dropPartial(s, mfn);
    s.putPage(mfn);
  }
}

/** A table whose validation stopped gives back what it took (rules 2.11, DROP). */
function dropPartial(s: State, mfn: number): void {
  const info = s.info[mfn]!;
  if ((info & INFO_PARTIAL) === 0) return;
  s.touch(mfn);
  const from = s.from[mfn]!;
  s.info[mfn] = info & ~(INFO_PARTIAL | INFO_HANDED);
  if (info & INFO_HANDED) {
    const child = frameOf(s.low(mfn, from), s.high(mfn, from));
    dropPartial(s, child);
    s.putPage(child);
    if (isCompatL3(s, mfn)) unadjustSlot(s, mfn, from);
  }
  release(s, mfn, from);
  s.info[mfn]! &= ~INFO_PAE_XEN_L2;
  s.typeCount[mfn] = 0;
  s.from[mfn] = 0;
  s.putPage(mfn);
}

/** mm.c: demote_l1_table .. demote_l4_table (rules 2.7): what the guest slots below `end` hold is dropped. */
function release(s: State, mfn: number, end: number): void {
  const level = s.info[mfn]! & INFO_TYPE;
  if (level === TYPE_L1) return releaseL1(s, mfn, end);
  const compatL3 = isCompatL3(s, mfn);
  for (let slot = s.memory.next(mfn, 0); slot < end; slot = s.memory.next(mfn, slot + 1)) {
    if (!isGuestSlot(s, mfn, level, slot)) {
      slot = lastXenSlot(level);
      continue;
    }
    const low = s.low(mfn, slot);
    if ((low & P) === 0) continue;
    putPageFromEntry(s, mfn, low, s.high(mfn, slot));
    if (compatL3) unadjustSlot(s, mfn, slot);
  }
}

/** mm.c: get_page_from_l2e, get_page_from_l3e, get_page_from_l4e (rules 2.4). */
function getPageFromEntry(
  s: State,
  parent: number,
  level: number,
  low: number,
  high: number,
  handed: boolean,
): number {
  if (forbidden(s, level, low, high)) return EINVAL;
  const mfn = frameOf(low, high);
  const code = take(s, mfn, level - 1, handed);
  if (code !== EINVAL || !getLinear(s, parent, level, low, mfn)) return code;
  return OK;
}

/** mm.c: define_get_linear_pagetable (rules 2.5). */
function getLinear(s: State, parent: number, level: number, low: number, mfn: number): boolean {
  if ((level === TYPE_L3 && s.compat) || (low & RW) !== 0) return false;
  if (mfn === parent) return true;
  if (!s.owned(mfn) || s.linear[parent]! < 0 || s.linear[mfn]! > 0) return false;
  if ((s.info[mfn]! & (INFO_TYPE | INFO_VALIDATED)) !== (level | INFO_VALIDATED)) return false;
  s.touch(parent);
  s.linear[parent]!++;
  s.getPage(mfn);
  s.linear[mfn]!--;
  s.typeCount[mfn]!++;
  return true;
}

/** mm.c: put_page_from_l2e, put_page_from_l3e, put_page_from_l4e; _put_page_type for the linear counts. */
function putPageFromEntry(s: State, parent: number, low: number, high: number): void {
  const mfn = frameOf(low, high);
  if (mfn === parent) return;
  if ((s.info[mfn]! & INFO_TYPE) === (s.info[parent]! & INFO_TYPE)) {
    s.touch(parent);
    s.touch(mfn);
    s.linear[parent]!--;
    s.linear[mfn]!++;
  }
  putTypeAndPage(s, mfn);
}

/** mm.c: mod_l2_entry, mod_l3_entry, mod_l4_entry (rules 3.4 to 3.6). `kept` are old bits that stay. */
export function modTableEntry(
  s: State,
  table: number,
  slot: number,
  low: number,
  high: number,
  kept: number,
): number {
  const level = s.info[table]! & INFO_TYPE;
  if (!isGuestSlot(s, table, level, slot)) return level === TYPE_L2 ? EPERM : EINVAL;
  if (level === TYPE_L3 && s.compat && slot === KERNEL_SLOT) return EINVAL;
  const oldLow = s.low(table, slot);
  const oldHigh = s.high(table, slot);
  const merged = oldLow & kept;
  let newLow = low;
  if ((low & P) !== 0) {
    if (forbidden(s, level, low, high)) return EINVAL;
    newLow = adjustedLow(s, level, low);
    if (harmless(oldLow ^ newLow, oldHigh ^ high)) {
      s.setEntry(table, slot, newLow | merged, high);
      return OK;
    }
    const code = getPageFromEntry(s, table, level, newLow, high, false);
    if (code !== OK) return code;
  }
  s.setEntry(table, slot, newLow | merged, high);
  if ((oldLow & P) !== 0) putPageFromEntry(s, table, oldLow, oldHigh);
  return OK;
}

/** Slots that the guest may use: not Xen's in an L4 or in the L2 under slot 3, and four in a 32-bit L3. */
function isGuestSlot(s: State, mfn: number, level: number, slot: number): boolean {
  if (level === TYPE_L4) return slot < XEN_L4_FIRST || slot > XEN_L4_LAST;
  if (level === TYPE_L2) return (s.info[mfn]! & INFO_PAE_XEN_L2) === 0 || slot < s.paeXenSlot;
  return level !== TYPE_L3 || !s.compat || slot <= KERNEL_SLOT;
}

/** Where a run of Xen's slots ends. */
function lastXenSlot(level: number): number {
  return level === TYPE_L4 ? XEN_L4_LAST : SLOTS - 1;
}

function forbidden(s: State, level: number, low: number, high: number): boolean {
  if ((low & FORBIDDEN_LOW) !== 0) return true;
  return s.compat && level === TYPE_L3 && (high & FORBIDDEN_HIGH_COMPAT_L3) !== 0;
}

/** pv/mm.h: adjust_guest_l2e, adjust_guest_l3e, adjust_guest_l4e (rules 2.2). */
function adjustedLow(s: State, level: number, low: number): number {
  if (s.compat) return level === TYPE_L3 ? low | US | RW : low;
  return level === TYPE_L4 ? low | US | A : low | US;
}

function isCompatL3(s: State, mfn: number): boolean {
  return s.compat && (s.info[mfn]! & INFO_TYPE) === TYPE_L3;
}

/** pv/mm.h: unadjust_guest_l3e (rules 2.2), on the slots below `end`. */
function unadjust(s: State, mfn: number, end: number): void {
  for (let slot = 0; slot < end; slot++) unadjustSlot(s, mfn, slot);
}

function unadjustSlot(s: State, mfn: number, slot: number): void {
  const low = s.low(mfn, slot);
  if ((low & P) !== 0) s.setEntry(mfn, slot, low & ~(US | RW | A), s.high(mfn, slot));
}
