import { A, D, G, P, RW, US, type Entry, entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';

export type Arch = 'x86_64' | 'x86_32';

/** A run of frames: first frame number and how many. */
export interface Range {
  readonly mfn: number;
  readonly count: number;
}

export interface StartTable {
  readonly level: Level;
  readonly mfn: number;
  readonly pinned: boolean;
  readonly entries: readonly { readonly slot: number; readonly entry: Entry }[];
}

/** What holds before the first operation; types and counts of all frames follow from it. */
export interface StartState {
  readonly ram: readonly Range[];
  readonly io: readonly Range[];
  /** I/O frames in Xen's read-only set. */
  readonly ioReadOnly: readonly Range[];
  /** Pages of Xen's heap that Xen shares with the guest. */
  readonly shared: readonly Range[];
  readonly tables: readonly StartTable[];
  /** The kernel's base pointer. */
  readonly base: number;
}

export interface MachineOptions {
  readonly arch: Arch;
  /** dom0: may map I/O frames, may set cache attributes, has its stores to L1 tables emulated. */
  readonly hardwareDomain: boolean;
  /** VM-assist: stores of an ordinary domain to L1 tables are emulated too. */
  readonly writablePagetables: boolean;
  /** x86_32: first slot of the slot-3 L2 that belongs to Xen. */
  readonly paeXenSlot: number;
  /** A debug build of Xen, which refuses bit 62 in L1 entries. */
  readonly debugBuild: boolean;
  /** As Xen 4.17 is (`shipped`), or without the reference leaks of section 14 of the rules (`intended`). */
  readonly quirks: 'shipped' | 'intended';
  /** Virtual CPUs, 1..4; all begin with the start state's base pointer. */
  readonly vcpus: number;
  /** Xen accepts linear pagetables (CONFIG_PV_LINEAR_PT). */
  readonly linear: boolean;
}

export interface Machine extends MachineOptions {
  /** How many frames `F0`.. and windows there are in the standard layout; 0 for a start state spelled out. */
  readonly frames: number;
  readonly start: StartState;
}

/** Xen's default first slot of its own in a slot-3 L2 (hypervisor area from 0xF5800000). */
export const DEFAULT_PAE_XEN_SLOT = 428;
/** Most frames of the standard layout: one window each in one L1 table. */
export const MAX_FRAMES = 512;

/** The frame that stands for all frames of Xen's own in the entries that Xen writes (below 1 MiB nothing is ever given to a guest). */
export const XEN_MFN = 0x1;
/** Boot tables of the standard layout, by name. */
export const BOOT_MFN = {
  B1: 0x101,
  B2: 0x102,
  B3: 0x103,
  B4: 0x104,
  K0: 0x105,
  K2: 0x106,
  K3: 0x107,
} as const;
/** Tables of the standard layout that have no name in the text. */
const UNNAMED_MFN = 0x108;
const UNNAMED_COUNT = 3;
/** Most virtual CPUs. */
export const MAX_VCPUS = 4;
/** `F0`. */
export const FIRST_FRAME_MFN = 0x200;
/** `BAD`, a frame number beyond all memory. */
export const BAD_MFN = { x86_64: 0xffffffff, x86_32: 0xfffff } as const;

/** Frame numbers from here on cannot be RAM of the guest's (64 GiB), so that a program cannot ask for endless memory. */
export const FRAME_LIMIT_MAX = 2 ** 24;

/**
 * Frame numbers from here on are beyond what the processor can address (40 physical address bits, as QEMU
 * has), so not even the hardware domain may map them.
 */
export const MFN_ADDRESSABLE = 2 ** 28;

const standardStarts = { x86_64: new Map<number, StartState>(), x86_32: new Map<number, StartState>() };

/**
 * The standard layout: `frames` writable frames behind windows, and a boot pagetable (docs/format.md). Machines of as
 * many frames have the same object for it (`alike.ts`).
 */
export function standardMachine(options: MachineOptions, frames: number): Machine {
  const { arch, hardwareDomain, writablePagetables, paeXenSlot, debugBuild, quirks, vcpus, linear } = options;
  let start = standardStarts[arch].get(frames);
  if (!start) {
    start = arch === 'x86_64' ? start64(frames) : start32(frames);
    standardStarts[arch].set(frames, start);
  }
  // Spelled out, as objects made by spreading others get shapes of their own, which V8 reads slowly.
  return {
    arch,
    hardwareDomain,
    writablePagetables,
    paeXenSlot,
    debugBuild,
    quirks,
    vcpus,
    linear,
    frames,
    start,
  };
}

/** Virtual address of window 0, as the low and high 32 bits; window i is i pages further. */
export const WINDOW_0 = {
  x86_64: { low: 0x80200000 | 0, high: 0xffffffff | 0 },
  x86_32: { low: 0xc0200000 | 0, high: 0 },
} as const;

const { B1, B2, B3, B4, K0, K2, K3 } = BOOT_MFN;

function start64(frames: number): StartState {
  const kernel = P | RW | US | A | D;
  return {
    ...standardRam(frames),
    tables: [
      table(1, B1, windows(frames, P | RW | US | A | D | G)),
      table(1, UNNAMED_MFN, []),
      table(1, UNNAMED_MFN + 1, []),
      table(2, B2, [
        { slot: 0, entry: entry(UNNAMED_MFN, kernel) },
        { slot: 1, entry: entry(B1, kernel) },
        { slot: 2, entry: entry(UNNAMED_MFN + 1, kernel) },
      ]),
      table(3, B3, [{ slot: 510, entry: entry(B2, kernel) }]),
      { ...table(4, B4, [{ slot: 511, entry: entry(B3, kernel) }]), pinned: true },
    ],
    base: B4,
  };
}

function start32(frames: number): StartState {
  const kernel = P | RW | US | A | D;
  return {
    ...standardRam(frames),
    tables: [
      table(1, B1, windows(frames, P | RW | A | D)),
      table(1, K0, []),
      table(1, K2, []),
      table(1, K3, []),
      table(
        2,
        B2,
        [K0, B1, K2, K3].map((mfn, slot) => ({ slot, entry: entry(mfn, kernel) })),
      ),
      ...[0, 1, 2].map((slot) => table(2, UNNAMED_MFN + slot, [])),
      {
        ...table(
          3,
          B3,
          [UNNAMED_MFN, UNNAMED_MFN + 1, UNNAMED_MFN + 2, B2].map((mfn, slot) => ({
            slot,
            entry: entry(mfn, kernel),
          })),
        ),
        pinned: true,
      },
    ],
    base: B3,
  };
}

function standardRam(frames: number) {
  return {
    ram: [
      { mfn: B1, count: UNNAMED_MFN + UNNAMED_COUNT - B1 },
      { mfn: FIRST_FRAME_MFN, count: frames },
    ],
    io: [{ mfn: 0, count: 1 }],
    ioReadOnly: [],
    shared: [],
  };
}

/** `F0`, `F1`…, so many of them. */
export function frameMfns(count: number): number[] {
  return Array.from({ length: count }, (_, i) => FIRST_FRAME_MFN + i);
}

function windows(frames: number, flags: number) {
  return frameMfns(frames).map((mfn, slot) => ({ slot, entry: entry(mfn, flags) }));
}

function table(level: Level, mfn: number, entries: StartTable['entries']): StartTable {
  return { level, mfn, pinned: false, entries };
}
