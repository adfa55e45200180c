/**
 * A pagetable entry and its flags.
 *
 * ```
 *   63  62..52      51 ........ 12   11..9  8   7    6  5   4    3    2   1   0
 *   NX  AVAIL_HIGH  frame number     AVL    G  PSE   D  A  PCD  PWT  US  RW   P
 *                   (mfn, 40 bits)             PAT at L1
 * ```
 *
 * Two forms are used. In memory and in operation records an entry is two 32-bit words, `low` (bits 0..31)
 * and `high` (bits 32..63). An {@link Entry} is the same 64 bits taken apart: the frame number and Xen's
 * 24-bit flags, in which bits 0..11 are entry bits 0..11 and bits 12..23 are entry bits 52..63
 * (Xen: include/asm-x86/x86_64/page.h, get_pte_flags).
 */
export interface Entry {
  /** Frame number, entry bits 12..51: 0 .. 2^40-1. */
  readonly mfn: number;
  /** Entry bits 0..11 and 52..63 as 24 bits. */
  readonly flags: number;
}

export const P = 1 << 0;
export const RW = 1 << 1;
export const US = 1 << 2;
export const PWT = 1 << 3;
export const PCD = 1 << 4;
export const A = 1 << 5;
export const D = 1 << 6;
/** Page size at L2 and above. */
export const PSE = 1 << 7;
/** The same bit in an L1 entry: third bit of the cache attribute. */
export const PAT = 1 << 7;
export const G = 1 << 8;
export const AVL9 = 1 << 9;
export const AVL10 = 1 << 10;
export const AVL11 = 1 << 11;
/** Entry bit 52: Xen's mark of a guest kernel page in a 64-bit guest's L1 entry (_PAGE_GUEST_KERNEL). */
export const GUEST_KERNEL = 1 << 12;
/** Entry bit 62: mark of a grant mapping, which a debug build refuses (_PAGE_GNTTAB). */
export const GNTTAB = 1 << 22;
export const NX = 1 << 23;

/** All of AVL9..AVL11. */
export const AVAIL = AVL9 | AVL10 | AVL11;
/** Entry bits 52..62. */
export const AVAIL_HIGH = 0x7ff << 12;

/** The three bits that choose a cache attribute in an L1 entry. */
export const CACHE_ATTRIBUTES = PWT | PCD | PAT;

/** Slots of a table page. */
export const SLOTS = 512;
/** The all-zero entry. */
export const ZERO: Entry = { mfn: 0, flags: 0 };
/** Largest frame number that an entry can hold. */
export const MFN_MAX = 2 ** 40 - 1;

const TWO_20 = 2 ** 20;

export function entry(mfn: number, flags: number): Entry {
  return { mfn, flags };
}

/** Frame number of the entry with these words. */
export function mfnOf(low: number, high: number): number {
  return (low >>> 12) + (high & 0xfffff) * TWO_20;
}

/** 24-bit flags of the entry with these words. */
export function flagsOf(low: number, high: number): number {
  return (low & 0xfff) | ((high >>> 20) << 12);
}

export function entryOf(low: number, high: number): Entry {
  return { mfn: mfnOf(low, high), flags: flagsOf(low, high) };
}

/** Entry bits 0..31, as a signed 32-bit number. */
export function lowWord(mfn: number, flags: number): number {
  return (mfn << 12) | (flags & 0xfff);
}

/** Entry bits 32..63, as a signed 32-bit number. */
export function highWord(mfn: number, flags: number): number {
  return ((mfn / TWO_20) & 0xfffff) | ((flags >>> 12) << 20);
}

export function lowOf(e: Entry): number {
  return lowWord(e.mfn, e.flags);
}

export function highOf(e: Entry): number {
  return highWord(e.mfn, e.flags);
}

/** The entry with one of its words, or both, replaced by those of another. */
export function withPart(old: Entry, part: 'entry' | 'low' | 'high', e: Entry): Entry {
  return entryOf(lowOf(part === 'high' ? old : e), highOf(part === 'low' ? old : e));
}

export function isSame(a: Entry, b: Entry): boolean {
  return a.mfn === b.mfn && a.flags === b.flags;
}
