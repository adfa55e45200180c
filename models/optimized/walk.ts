/** From a virtual address to its L1 table, through memory from the kernel's base pointer, as the processor goes. */
import { P, PSE, RW } from '../x86/entry.js';
import { frameOf } from './frame-number.js';
import type { State } from './state.js';

/** What an L1 table maps. */
const REGION = 1 << 21;

/** [2^47, 0xffff880000000000), by the high half of the address: not canonical, or Xen's (rules 3.7). */
export function inXenHole(s: State, high: number): boolean {
  return !s.compat && high >>> 0 >= 0x8000 && high >>> 0 < 0xffff8800;
}

/**
 * Finds the L1 table of an address: `s.walkTable`, and in `s.walkWritable` whether every level above lets the
 * guest write. False where a level is not present or maps a superpage, or the address is Xen's.
 */
export function walk(s: State, low: number, high: number): boolean {
  if (low >>> 21 === s.walkRegion && high === s.walkHigh) return true;
  s.forgetWalk();
  return !inXenHole(s, high) && walkMemory(s, low, high);
}

function walkMemory(s: State, low: number, high: number): boolean {
  let writable = true;
  let table = s.v.kernelBase;
  for (let level = s.compat ? 3 : 4; level > 1; level--) {
    s.onWalk(table);
    const slot = slotOf(low, high, level);
    const entry = s.low(table, slot);
    if ((entry & P) === 0 || (entry & PSE) !== 0) return false;
    if ((entry & RW) === 0) writable = false;
    table = frameOf(entry, s.high(table, slot));
    if (table >= s.limit) return false;
  }
  s.rememberWalk(low >>> 21, high, table, writable);
  return true;
}

/** The same as Xen finds it, through its linear window: a translation that the TLB holds comes first (rules 16.6). */
export function walkWindow(s: State, low: number, high: number): boolean {
  if (!s.staleWindow) return walk(s, low, high);
  const { window } = s.v.tlb;
  const region = low & ~(REGION - 1);
  const held = window.find(region, high);
  if (held >= 0) {
    s.forgetWalk();
    s.walkTable = window.frame[held]!;
    return true;
  }
  if (!walk(s, low, high)) return false;
  window.add(region, high, s.walkTable, true);
  s.translates = true;
  return true;
}

/** Slot of the address in its table of the level: 9 bits each, and in a 32-bit L3 two. */
function slotOf(low: number, high: number, level: number): number {
  if (level === 4) return (high >>> 7) & 511;
  if (level === 3) return (low >>> 30) | ((high & 0x7f) << 2);
  return (low >>> 21) & 511;
}

/** Slot of the address in its L1 table. */
export function l1SlotOf(low: number): number {
  return (low >>> 12) & 511;
}
