/** L1 entries: what they may map, the references they hold, and how they change. */
import { CACHE_ATTRIBUTES, P, PAT, PCD, PWT, RW, SLOTS, US } from '../x86/entry.js';
import { INFO_OWNER, INFO_OWNER_SHIFT, INFO_SPECIAL, OWNER_IO } from '../x86/page-type.js';
import { EACCES, EBUSY, EINVAL, EPERM, OK } from '../x86/result.js';
import { FD_SELF, FD_XEN } from '../../src/program/record.js';
import { ALL_ONES_FRAME, frameOf } from './frame-number.js';
import type { State } from './state.js';

/** Bit 52 of an entry, Xen's guest kernel mark, in its high word. */
const GUEST_KERNEL_BIT = 20;
const GUEST_KERNEL_HIGH = 1 << GUEST_KERNEL_BIT;
const US_BIT = 2;
const G_BIT = 8;
/** Of the high word all above the frame number may change without new references. */
const FRAME_HIGH = 0xfffff;

/** Low word of the entry last accepted by `getPageFromL1e`, with what Xen silently changed in it. */
let acceptedLow = 0;

/** mm.c: get_page_from_l1e (rules 2.3). Takes the references of a present entry, or says why not. */
function getPageFromL1e(s: State, low: number, high: number, fd: number): number {
  return isForbidden(s, low, high) ? EINVAL : getAllowed(s, low, high, fd);
}

function isForbidden(s: State, low: number, high: number): boolean {
  return ((low & s.l1ForbiddenLow) | (high & s.l1ForbiddenHigh)) !== 0;
}

/** The same of an entry of which nothing is forbidden. */
function getAllowed(s: State, low: number, high: number, fd: number): number {
  const mfn = frameOf(low, high);
  acceptedLow = low;
  if (fd !== FD_SELF || !s.owned(mfn)) return getForeign(s, low, mfn, fd);
  if ((low & RW) !== 0 && !s.makeWritable(mfn)) return EBUSY;
  if ((low & CACHE_ATTRIBUTES) !== 0 && (s.info(mfn) & INFO_SPECIAL) !== 0) return EACCES;
  s.touch(mfn);
  s.addTypes(mfn, (low & RW) >> 1); // RW is bit 1
  s.addGenerals(mfn, 1);
  return OK;
}

/** Not memory of the guest's, or not in the name of the guest: an I/O mapping, or nothing. */
function getForeign(s: State, low: number, mfn: number, fd: number): number {
  const io = mfn >= s.limit || (s.info(mfn) & INFO_OWNER) === OWNER_IO << INFO_OWNER_SHIFT;
  if (io) return mapIo(s, low, mfn, fd);
  s.notFound(mfn);
  return EBUSY;
}

/** No reference is kept on an I/O frame, but what the entry says is made uncached, and read-only where it must be. */
function mapIo(s: State, low: number, mfn: number, fd: number): number {
  if (fd === FD_XEN || !s.mayMapIo(mfn)) return mfn === ALL_ONES_FRAME ? EINVAL : EPERM;
  if ((low & RW) !== 0 && s.isReadOnlyIo(mfn)) acceptedLow &= ~RW;
  if (s.bug('mmio-cache-fastpath')) return OK;
  const cache = low & CACHE_ATTRIBUTES;
  if (cache === 0) acceptedLow |= PWT | PCD;
  else if (cache === PWT) acceptedLow |= PCD;
  else if (cache === (PAT | PWT)) acceptedLow = (acceptedLow | PCD) & ~PAT;
  return OK;
}

/** mm.c: put_page_from_l1e (rules 2.3). The type stays writable, validated (rules 1.6). */
function putPageFromL1e(s: State, low: number, high: number): void {
  if ((low & P) === 0) return;
  const mfn = frameOf(low, high);
  if (!s.owned(mfn)) return;
  s.addTypes(mfn, 0 - ((low & RW) >> 1));
  s.putPage(mfn);
}

/** pv/mm.h: adjust_guest_l1e (rules 2.2), on a present entry of a 64-bit guest: its kernel's pages are marked, … */
function adjustedHigh(s: State, low: number, high: number): number {
  return high | (((~low & US) << (GUEST_KERNEL_BIT - US_BIT)) & s.adjustsL1);
}

/** … and all others are global. The low word, with the high one as it has become. */
function adjustedLow(s: State, low: number, newHigh: number): number {
  return low | ((US | ((~newHigh & GUEST_KERNEL_HIGH) >> (GUEST_KERNEL_BIT - G_BIT))) & s.adjustsL1);
}

/** mm.c: promote_l1_table (rules 2.6). */
export function promoteL1(s: State, mfn: number): number {
  for (let slot = s.next(mfn, 0); slot < SLOTS; slot = s.next(mfn, slot + 1)) {
    const low = s.low(mfn, slot);
    if ((low & P) === 0) continue;
    const high = s.high(mfn, slot);
    const code = getPageFromL1e(s, low, high, FD_SELF);
    if (code !== OK) {
      releaseL1(s, mfn, slot);
      return code;
    }
    const newHigh = adjustedHigh(s, low, high);
    const newLow = adjustedLow(s, acceptedLow, newHigh);
    if (newLow !== low || newHigh !== high) s.setEntry(mfn, slot, newLow, newHigh);
  }
  return OK;
}

/** mm.c: demote_l1_table (rules 2.7): the references of the slots below `end` are dropped. */
export function releaseL1(s: State, mfn: number, end: number): void {
  for (let slot = s.next(mfn, 0); slot < end; slot = s.next(mfn, slot + 1)) {
    putPageFromL1e(s, s.low(mfn, slot), s.high(mfn, slot));
  }
}

/** mm.c: mod_l1_entry (rules 3.3). `kept` are old bits that stay (preserve-AD). */
export function modL1Entry(
  s: State,
  table: number,
  slot: number,
  low: number,
  high: number,
  fd: number,
  kept: number,
): number {
  const oldLow = s.low(table, slot);
  const oldHigh = s.high(table, slot);
  const merged = oldLow & kept;
  if ((low & P) === 0) {
    s.setEntry(table, slot, low | merged, high);
    putPageFromL1e(s, oldLow, oldHigh);
    return OK;
  }
  if (isForbidden(s, low, high)) return EINVAL;
  const newHigh = adjustedHigh(s, low, high);
  const newLow = adjustedLow(s, low, newHigh);
  if (harmless(s.harmlessL1, oldLow ^ newLow, oldHigh ^ newHigh)) {
    s.setEntry(table, slot, newLow | merged, newHigh);
    return OK;
  }
  const code = getAllowed(s, newLow, newHigh, fd);
  if (code !== OK) return s.bug('error-codes-flattened') ? EINVAL : code;
  const flipped = acceptedLow !== newLow;
  s.setEntry(table, slot, acceptedLow | merged, newHigh);
  putPageFromL1e(s, oldLow, oldHigh);
  return flipped && s.bug('error-codes-flip-leaks') ? 1 : OK;
}

/** Differences that need no new references: mm.c, FASTPATH_FLAG_WHITELIST (rules 3.3, step 4). */
export function harmless(mask: number, lowDifference: number, highDifference: number): boolean {
  return (lowDifference & ~mask) === 0 && (highDifference & FRAME_HIGH) === 0;
}

/**
 * pv/ro-page-fault.c: ptwr_emulated_update (rules 3.11). A guest's store to a slot of an L1 table in use;
 * `upperHalf` marks a plain four-byte store to the high word, `whole` one of all eight bytes, a 32-bit guest's CMPXCHG8B. False where the guest gets its page fault.
 */
export function emulateStore(
  s: State,
  table: number,
  slot: number,
  low: number,
  high: number,
  upperHalf: boolean,
  whole: boolean,
): boolean {
  const oldLow = s.low(table, slot);
  const oldHigh = s.high(table, slot);
  let newLow = low;
  let newHigh = high;
  if ((low & P) !== 0) {
    if (getPageFromL1e(s, low, high, FD_SELF) === OK) {
      newHigh = adjustedHigh(s, low, high);
      newLow = adjustedLow(s, acceptedLow, newHigh);
    } else if (s.compat && upperHalf) {
      newLow = low & ~P; // the guest is half way through a two-step write; the lower half will follow
    } else {
      return false;
    }
  }
  if (s.compat && whole && s.bug('ptwr-cmpxchg-raw')) s.setEntry(table, slot, low, high);
  else s.setEntry(table, slot, newLow, newHigh);
  putPageFromL1e(s, oldLow, oldHigh);
  return true;
}
