// Rules on an entry or a descriptor by itself: what is forbidden in it, and what Xen makes of it.
import type { Machine } from '../../src/program/machine.js';
import * as f from '../x86/entry.js';
import { entry, entryOf, highWord, lowWord, type Entry } from '../x86/entry.js';
import { EINVAL } from '../x86/result.js';

export const isPresent = (e: Entry): boolean => (e.flags & f.P) !== 0;
const withFlags = (e: Entry, flags: number): Entry => (flags === e.flags ? e : entry(e.mfn, flags));
// mm.c: L1_DISALLOW_MASK .. L4_DISALLOW_MASK, l1_disallow_mask, l3_disallow_mask (rules 2.1).
export function forbiddenFlags(
  { arch, hardwareDomain, debugBuild }: Machine,
  level: number,
  e: Entry,
): number {
  const l1 = (hardwareDomain ? 0 : f.CACHE_ATTRIBUTES) | (debugBuild ? f.GNTTAB : 0);
  const upper = f.PWT | f.PCD | f.PSE | f.G | (level === 3 && arch === 'x86_32' ? f.AVAIL_HIGH | f.NX : 0);
  return isPresent(e) ? e.flags & (level === 1 ? l1 : upper) : 0;
}
// pv/mm.h: adjust_guest_l1e .. l4e. A 64-bit kernel runs in ring 3; bit 52 marks its own pages (rules 2.2).
export function adjustGuestEntry(is32bit: boolean, level: number, e: Entry): Entry {
  if (!isPresent(e) || level > 4) return e;
  if (is32bit) return level === 3 ? withFlags(e, e.flags | f.US | f.RW) : e;
  if (level > 1) return withFlags(e, e.flags | f.US | (level === 4 ? f.A : 0));
  const flags = e.flags & f.US ? e.flags : e.flags | f.US | f.GUEST_KERNEL;
  return withFlags(e, flags & f.GUEST_KERNEL ? flags : flags | f.G);
}
// pv/mm.h: unadjust_guest_l3e, when a 32-bit L3 entry loses its reference (rules 2.2).
export const unadjustGuestL3e = (e: Entry): Entry =>
  isPresent(e) ? withFlags(e, e.flags & ~(f.US | f.RW | f.A)) : e;
// mm.c: FASTPATH_FLAG_WHITELIST. A change of harmless flags needs no new reference; in an upper table RW is harmless
// where Xen has no linear pagetables (rules 3.3, 3.4).
const HARMLESS = f.NX | f.AVAIL_HIGH | f.AVAIL | f.G | f.D | f.A | f.US;
export function isFastPath({ linear }: Machine, level: number, a: Entry, b: Entry): boolean {
  const harmless = HARMLESS | (level > 1 && !linear ? f.RW : 0);
  return a.mfn === b.mfn && ((a.flags ^ b.flags) & ~harmless) === 0;
}
// mm.c: get_page_from_l1e. I/O memory is mapped uncached, and its read-only set without RW (rules 2.3).
export function restrictIoMapping(e: Entry, isReadOnly: boolean): Entry {
  const [cache, WRITE_PROTECT] = [e.flags & f.CACHE_ATTRIBUTES, f.PWT | f.PAT];
  const added = cache === 0 ? f.PWT | f.PCD : cache === f.PWT || cache === WRITE_PROTECT ? f.PCD : 0;
  const removed = (isReadOnly ? f.RW : 0) | (cache === WRITE_PROTECT ? f.PAT : 0);
  return withFlags(e, (e.flags | added) & ~removed);
}
const [TYPE, CALL_GATE, S, PRESENT, L, GRANULARITY] = [0xf00, 0xc00, 1 << 12, 1 << 15, 1 << 21, 1 << 23];
const [DPL_SHIFT, FLAT_KERNEL_CS] = [13, { x86_64: 0xe033, x86_32: 0xe019 }];
export const FIRST_RESERVED_GDT_ENTRY = 14 * 512;
// pv/descriptor-tables.c: check_descriptor. No segment is more privileged than the guest's kernel, no flat
// one ends within Xen's area, and a call gate must fault: its DPL goes into the selector (rules 2.9).
export function checkDescriptor({ arch, paeXenSlot }: Machine, descriptor: Entry): Entry | number {
  const [a, word] = [lowWord(descriptor.mfn, descriptor.flags), highWord(descriptor.mfn, descriptor.flags)];
  const is32bit = arch === 'x86_32';
  const dpl = Math.max((word >>> DPL_SHIFT) & 3, is32bit ? 1 : 3);
  const b = word & ~(3 << DPL_SHIFT);
  if (!(b & PRESENT) || !(b & (S | TYPE))) return descriptor;
  const [base, selector] = [(b & 0xff000000) | ((b & 0xff) << 16) | (a >>> 16), a >>> 16];
  const limit = (((b & 0xf0000) | (a & 0xffff)) + 1) * (b & GRANULARITY ? 4096 : 1);
  const isFlat = is32bit && base === 0 && limit > 0xc0000000 + paeXenSlot * 0x200000;
  const segment = entryOf(isFlat ? a | 0xffff : a, (isFlat ? b | 0xf0000 : b) | (dpl << DPL_SHIFT));
  if (b & S) return is32bit && b & L ? EINVAL : segment;
  const isGate = (b & TYPE) === CALL_GATE && !(b & (is32bit ? 0xe0 : 0xff));
  const isGuests = selector >>> 3 < FIRST_RESERVED_GDT_ENTRY || (selector & 4) !== 0;
  if (!isGate || (!isGuests && selector !== FLAT_KERNEL_CS[arch])) return EINVAL;
  return entryOf((a & ~(3 << 16)) | (dpl << 16), b);
}
