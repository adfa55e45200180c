/** From a virtual address to its L1 entry, through memory from the kernel's base pointer, as the processor goes. */
import { P, PSE, RW } from '../x86/entry.js';
import { frameOf, type State } from './state.js';

/** Where the last successful walk ended: L1 table and slot, and whether every level above lets the guest write. */
export let walkedTable = 0;
export let walkedSlot = 0;
export let walkedWritable = false;

/** [2^47, 0xffff880000000000), by the high half of the address: not canonical, or Xen's (rules 3.7). */
export function inXenHole(s: State, high: number): boolean {
  return !s.compat && high >>> 0 >= 0x8000 && high >>> 0 < 0xffff8800;
}

/** False where a level is not present, maps a superpage, or the address is Xen's. */
export function walk(s: State, low: number, high: number): boolean {
  if (inXenHole(s, high)) return false;
  walkedWritable = true;
  let table = s.compat ? s.kernelBase : step(s, s.kernelBase, (high >>> 7) & 511);
  if (table < 0) return false;
  table = step(s, table, s.compat ? low >>> 30 : (low >>> 30) | ((high & 0x7f) << 2));
  if (table < 0) return false;
  table = step(s, table, (low >>> 21) & 511);
  if (table < 0) return false;
  walkedTable = table;
  walkedSlot = (low >>> 12) & 511;
  return true;
}

function step(s: State, table: number, slot: number): number {
  const low = s.low(table, slot);
  if ((low & P) === 0 || (low & PSE) !== 0) return -1;
  if ((low & RW) === 0) walkedWritable = false;
  const next = frameOf(low, s.high(table, slot));
  return next < s.limit ? next : -1;
}
