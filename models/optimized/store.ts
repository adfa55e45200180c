/** What a guest's own stores do: plain ones, and those that Xen emulates. */
import { P, RW } from '../x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED, TYPE_L1, TYPE_WRITABLE } from '../x86/page-type.js';
import { FAULT, OK } from '../x86/result.js';
import { emulateStore } from './l1.js';
import { frameOf } from './frame-number.js';
import type { State } from './state.js';
import { l1SlotOf, walk } from './walk.js';

/** Which half of the entry is written, as in the record: 0 both, 1 low, 2 high. */
const LOW_HALF = 1;
const HIGH_HALF = 2;

/** The guest reads through an address; its translation stays in the TLB (rules 16.6). */
export function touchPage(s: State, vaLow: number, vaHigh: number): number {
  return s.v.tlb.pages.find(vaLow & ~0xfff, vaHigh) >= 0 ? OK : translate(s, vaLow, vaHigh);
}

function translate(s: State, vaLow: number, vaHigh: number): number {
  if (!walk(s, vaLow, vaHigh)) return FAULT;
  const mapping = s.low(s.walkTable, l1SlotOf(vaLow));
  if ((mapping & P) === 0) return FAULT;
  const mfn = frameOf(mapping, s.high(s.walkTable, l1SlotOf(vaLow)));
  s.v.tlb.pages.add(vaLow & ~0xfff, vaHigh, mfn, (mapping & RW) !== 0 && s.walkWritable);
  s.translates = true;
  return OK;
}

/** A store that goes through the translation that the TLB holds, if that lets it. */
export function storeCached(s: State, vaLow: number, vaHigh: number, low: number, high: number): number {
  const { pages } = s.v.tlb;
  const held = pages.find(vaLow & ~0xfff, vaHigh);
  if (held < 0 || pages.writable[held] === 0) {
    translate(s, vaLow, vaHigh);
    return storeThrough(s, vaLow, vaHigh, 0, low, high);
  }
  const mfn = pages.frame[held]!;
  if (s.owned(mfn)) s.setEntry(mfn, (vaLow & 0xfff) >> 3, low, high);
  return OK;
}

/** A store through a virtual address, with a clean TLB. */
export function store(
  s: State,
  vaLow: number,
  vaHigh: number,
  part: number,
  low: number,
  high: number,
): number {
  if (s.translates) flush(s);
  return storeThrough(s, vaLow, vaHigh, part, low, high);
}

function flush(s: State): void {
  s.changes.vcpus = true;
  s.v.tlb.flush();
}

function storeThrough(
  s: State,
  vaLow: number,
  vaHigh: number,
  part: number,
  low: number,
  high: number,
): number {
  if (!walk(s, vaLow, vaHigh)) return FAULT;
  const mapping = s.low(s.walkTable, l1SlotOf(vaLow));
  if ((mapping & P) === 0) return FAULT;
  const mfn = frameOf(mapping, s.high(s.walkTable, l1SlotOf(vaLow)));
  const slot = (vaLow & 0xfff) >> 3;
  if ((mapping & RW) === 0) return storeReadOnly(s, mfn, slot, part, low, high);
  if (!s.walkWritable) return FAULT;
  if (s.owned(mfn)) {
    s.setEntry(
      mfn,
      slot,
      part === HIGH_HALF ? s.low(mfn, slot) : low,
      part === LOW_HALF ? s.high(mfn, slot) : high,
    );
  }
  return OK;
}

/** pv/ro-page-fault.c: ptwr_do_page_fault (rules 3.11). A store to a frame that is mapped read-only. */
export function storeReadOnly(
  s: State,
  mfn: number,
  slot: number,
  part: number,
  low: number,
  high: number,
): number {
  if (s.hardware && s.isReadOnlyIo(mfn)) return OK; // a write to a read-only I/O frame is dropped
  if (!s.emulates || !s.owned(mfn) || s.typeCount(mfn) === 0) return FAULT;
  if ((s.info(mfn) & (INFO_TYPE | INFO_VALIDATED)) !== (TYPE_L1 | INFO_VALIDATED)) return FAULT;
  const newLow = part === HIGH_HALF ? s.low(mfn, slot) : low;
  const newHigh = part === LOW_HALF ? s.high(mfn, slot) : high;
  return emulateStore(s, mfn, slot, newLow, newHigh, part === HIGH_HALF, part === 0) ? OK : FAULT;
}

/** The guest's own plain stores have left the frame with these entries: `count` records from `at` on. */
export function mayFill(s: State, mfn: number): boolean {
  return s.owned(mfn) && (s.typeCount(mfn) === 0 || (s.info(mfn) & INFO_TYPE) === TYPE_WRITABLE);
}
