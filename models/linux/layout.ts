/**
 * Where everything is: what follows from a machine and a kernel before anything runs.
 *
 * Pages of memory in the order of their pfns; the initial mapping covers all up to `initialEnd`:
 *
 * ```
 *   low | ISA range | room | kernel text, static tables, .brk | initrd | p2m | start_info | builder's tables | stack, padding | …
 * ```
 *
 * A frame's number (mfn) has nothing to do with its place. `L1` covers `ptes` pages, an `L2` `ptes * pmds`: tables of 512 slots of which
 * only the first few are used, so that a machine of 200 pages has everything that one of 200,000 has.
 */
import type { Range } from '../../src/program/machine.js';
import type { Word64 } from '../../src/program/operation.js';
import type { GuestMachine } from './machine.js';
import type { Profile } from './profile.js';

/** The page that Xen shares with the guest (shared_info). */
export const SHARED_MFN = 0x180;
/** An I/O frame outside the ISA range. */
export const DEVICE_MFN = 0xf0;
/** First machine frame of the guest's memory. */
const FIRST_MFN = 0x200;
/** The ISA range of the machine, 0xa0000 to 0xfffff. */
export const ISA_MFN = 0xa0;
export const INVALID_P2M_ENTRY = -1;

/** Slots of the kernel's 64-bit address space. */
export const L4_DIRECT = 272;
export const L4_KERNEL = 511;
export const L3_KERNEL = 510;
export const L3_FIXMAP = 511;
export const L4_VMALLOC = 402;
export const L4_VMEMMAP = 468;
/** Some other slot of the kernel's. */
export const L4_EXTRA = 492;
/** The L2 slot of early_ioremap's L1, below those of level1_fixmap_pgt. */
export const L2_BTMAP = { x86_64: 505, x86_32: 426 } as const;
export const L2_FIXMAP = { x86_64: 506, x86_32: 427 } as const;
/** The L4 slot of a list of frames outside the kernel map, and that of a list that the kernel has moved. */
export const L4_P2M = 1;
export const L4_P2M_MOVED = 2;
/** 32-bit: the L3 entry of the kernel's part (KERNEL_PGD_BOUNDARY). */
export const PAE_KERNEL = 3;
/** struct pages that a page holds. */
export const STRUCT_PAGES = 64;
const NOWHERE: Range = { mfn: 0, count: 0 };
/** Pages of .brk that xen_map_identity_early may take. */
export const LEVEL1_IDENT_ENTRIES = 4;

/** Static pages of the image, in the order in which they lie. */
const STATIC_64 = [
  'init_level4_pgt',
  'level3_ident_pgt',
  'level3_kernel_pgt',
  'level2_ident_pgt',
  'level2_kernel_pgt',
  'level2_fixmap_pgt',
  'level1_fixmap_pgt',
  'level1_fixmap_pgt2',
  'level3_user_vsyscall',
  'bm_pte',
  'empty_zero_page',
] as const;
const STATIC_32 = ['swapper_pg_dir', 'initial_page_table', 'bm_pte', 'empty_zero_page'] as const;
export type StaticPage = (typeof STATIC_64)[number] | (typeof STATIC_32)[number];

export class Layout {
  /** The ISA range, in pages of the guest. */
  readonly isa: Range;
  readonly kernelStart: number;
  readonly statics: ReadonlyMap<StaticPage, number>;
  readonly brk: Range;
  readonly initrd: Range;
  readonly p2m: Range;
  /** 64-bit: the L3, L2 and L1 of a list outside the kernel map. */
  readonly p2mTables: Range;
  readonly startInfo: number;
  readonly ptBase: number;
  readonly ptCount: number;
  /** Pages of the guest where the host has devices, besides the ISA range. */
  readonly host: Range;
  /** First pfn that the domain builder has not mapped. */
  readonly initialEnd: number;
  readonly pmds: number;
  /** First pfn after the memory below 4 GiB. */
  readonly end: number;
  /** The range from 4 GiB on. */
  readonly high: Range;
  /** Pages of memory in pfn order: those that have a frame. */
  readonly ram: readonly Range[];
  readonly p2mOutside: boolean;
  /** Frames by pfn. */
  private readonly mfns: Int32Array;
  private readonly pfns = new Map<number, number>();
  readonly frames: number;

  constructor(
    readonly machine: GuestMachine,
    profile: Profile,
  ) {
    const { arch, ptes, text, initrd, p2m, pad, beyond, high } = machine;
    const isaStart = Math.ceil((ptes * 5) / 16);
    this.isa = { mfn: isaStart, count: Math.max(1, Math.floor(ptes / 2) - isaStart) };
    this.p2mOutside = profile.p2mOutside && machine.outside === 1;
    const names = arch === 'x86_64' ? STATIC_64 : STATIC_32;
    const brk = profile.buffer === 'brk' ? 12 : 8;
    const image = text + names.length + brk + initrd + (this.p2mOutside ? 0 : p2m) + 1;
    // Low memory has room for what the kernel takes before it has an allocator, as the 15 MiB below a real kernel have.
    let [start, tables, end, pmds] = [0, 0, 0, 0];
    for (let before = -1; before !== end;) {
      before = end;
      const pages = end + beyond + high;
      const direct = Math.ceil(pages / ptes) + Math.ceil(pages / (ptes * Math.max(1, pmds))) + 4;
      const map = arch === 'x86_64' ? Math.ceil(pages / STRUCT_PAGES) + 6 : 0;
      const room =
        direct + map + (profile.freeP2m ? p2m + 4 : 0) + (profile.makesRoom ? p2m + initrd + 4 : 0);
      start = Math.ceil((ptes / 2 + room) / ptes) * ptes;
      end = Math.ceil((start + image + tables + 1 + pad) / (2 * ptes)) * 2 * ptes;
      tables = end / ptes + (arch === 'x86_64' ? 3 : 2);
      pmds = Math.max(machine.pmds, end / ptes);
    }
    let next = start + text;
    this.kernelStart = start;
    this.statics = new Map(names.map((name) => [name, next++]));
    this.brk = { mfn: next, count: brk };
    this.initrd = { mfn: next + brk, count: initrd };
    next = this.initrd.mfn + initrd;
    const p2mInside = next;
    if (!this.p2mOutside) next += p2m;
    this.startInfo = next++;
    this.ptBase = next;
    this.ptCount = tables;
    this.initialEnd = end;
    this.pmds = pmds;
    // Outside the kernel map the list follows the initial mapping, its three tables follow the list.
    this.p2m = { mfn: this.p2mOutside ? end : p2mInside, count: p2m };
    this.p2mTables = { mfn: end + p2m, count: this.p2mOutside ? 3 : 0 };
    end = this.p2mOutside ? end + p2m + 3 : end;
    const conflict = machine.dom0 === 1 && profile.makesRoom ? machine.conflict : 0;
    this.host = [NOWHERE, this.p2m, this.initrd][conflict]!;
    this.end = end + beyond;
    const gigabyte = ptes * pmds;
    const above = Math.max(this.fourGigabytes, Math.ceil(this.end / gigabyte) * gigabyte);
    this.high = { mfn: above, count: high };
    const hole = { mfn: end + Math.min(machine.hole_at, beyond), count: machine.hole };
    const holeEnd = Math.min(this.end, hole.mfn + hole.count);
    this.ram = [{ mfn: 0, count: hole.mfn }, { mfn: holeEnd, count: this.end - holeEnd }, this.high].filter(
      ({ count }) => count > 0,
    );
    const pages = this.ram.flatMap(({ mfn, count }) => Array.from({ length: count }, (_, i) => mfn + i));
    this.frames = pages.length;
    this.mfns = new Int32Array(Math.max(this.end, high === 0 ? 0 : above + high)).fill(INVALID_P2M_ENTRY);
    for (const [i, pfn] of pages.entries()) this.place(pfn, FIRST_MFN + this.placeOf(i));
  }

  /** All pfns that anything may have: 0 .. maxPfn-1. */
  get maxPfn(): number {
    return this.mfns.length;
  }

  static(name: StaticPage): number {
    return this.statics.get(name)!;
  }

  /** The frame of a page as the domain builder gave it; INVALID_P2M_ENTRY for none. */
  mfn(pfn: number): number {
    return this.mfns[pfn] ?? INVALID_P2M_ENTRY;
  }

  pfn(mfn: number): number | undefined {
    return this.pfns.get(mfn);
  }

  get memory(): Range {
    return { mfn: FIRST_MFN, count: this.frames };
  }

  private place(pfn: number, mfn: number): void {
    this.mfns[pfn] = mfn;
    this.pfns.set(mfn, pfn);
  }

  /** Which frame page number i has, of `frames`. */
  private placeOf(i: number): number {
    const n = this.frames;
    if (this.machine.order === 1) return n - 1 - i;
    if (this.machine.order === 2) return (i ^ 1) < n ? i ^ 1 : i;
    return this.machine.order === 3 ? scattered(i, n) : i;
  }

  /** The address of a page in the direct map. */
  direct(pfn: number): Word64 {
    const { ptes } = this.machine;
    const table = Math.floor(pfn / ptes);
    if (this.machine.arch === 'x86_32') return address32(PAE_KERNEL, table, pfn % ptes);
    return address64(L4_DIRECT, Math.floor(table / this.pmds), table % this.pmds, pfn % ptes);
  }

  /** The address of a page of the image, and of whatever the domain builder has mapped. */
  kernel(pfn: number): Word64 {
    const { ptes, arch } = this.machine;
    if (arch === 'x86_32') return this.direct(pfn);
    return address64(L4_KERNEL, L3_KERNEL, Math.floor(pfn / ptes), pfn % ptes);
  }

  /** Page i of early_ioremap's mappings (`L2_BTMAP`) or of the other fixed ones. */
  fixmap(table: number, i: number): Word64 {
    return this.machine.arch === 'x86_32'
      ? address32(PAE_KERNEL, table, i)
      : address64(L4_KERNEL, L3_FIXMAP, table, i);
  }

  /** The page that has the struct page of a page (64-bit). */
  vmemmap(pfn: number): Word64 {
    const { ptes } = this.machine;
    const page = Math.floor(pfn / STRUCT_PAGES);
    const table = Math.floor(page / ptes);
    return address64(L4_VMEMMAP, Math.floor(table / this.pmds), table % this.pmds, page % ptes);
  }

  /** First pfn from 4 GiB on. */
  get fourGigabytes(): number {
    return 4 * this.machine.ptes * this.pmds;
  }
}

/** A walk through all numbers below n that is neither in order nor backwards. */
function scattered(i: number, n: number): number {
  let step = Math.floor(n * 0.618) || 1;
  while (divisor(step, n) !== 1) step++;
  return (i * step) % n;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

export function address64(l4: number, l3: number, l2: number, l1: number): Word64 {
  const low = ((l3 & 3) << 30) | (l2 << 21) | (l1 << 12);
  return { low, high: (l4 >= 256 ? 0xffff0000 | 0 : 0) | (l4 << 7) | (l3 >> 2) };
}

export function address32(l3: number, l2: number, l1: number): Word64 {
  return { low: (l3 << 30) | (l2 << 21) | (l1 << 12), high: 0 };
}

/** Slots of an address from the top level down: L4 (64-bit only), L3, L2, L1. */
export function slotsOf(va: Word64, wide: boolean): readonly number[] {
  const l2 = (va.low >>> 21) & 511;
  const l1 = (va.low >>> 12) & 511;
  if (!wide) return [va.low >>> 30, l2, l1];
  return [(va.high >>> 7) & 511, ((va.high & 0x7f) << 2) | (va.low >>> 30), l2, l1];
}

export function contains(range: Range, pfn: number): boolean {
  return pfn >= range.mfn && pfn < range.mfn + range.count;
}

export function overlaps(a: Range, b: Range): boolean {
  return a.mfn < b.mfn + b.count && b.mfn < a.mfn + a.count;
}
