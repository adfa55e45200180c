/**
 * The machine that a guest boots on, as a few small numbers: every combination is a machine, and smaller numbers
 * are a simpler one. What follows from them is in `layout.ts`; why tables are so small is in docs/linux-guest.md.
 */
import type { Arch } from '../../src/program/machine.js';
import { type Draw, oneIn, pick } from '../../src/generate/draw.js';

/** Ranges of the numbers, and what they mean; the first is the simplest. */
export const KEYS = {
  dom0: [0, 1, 'booted by Xen: I/O frames, the ISA range, the order of its tables'],
  ptes: [4, 512, 'entries of an L1 that are used (PTRS_PER_PTE)'],
  pmds: [1, 512, 'entries of an L2 that are used, if the initial mapping does not need more (PTRS_PER_PMD)'],
  text: [1, 16, 'pages of kernel text'],
  initrd: [0, 64, 'pages of the ramdisk'],
  p2m: [1, 8, 'pages of the list of frames (mfn_list)'],
  outside: [0, 1, 'the list is mapped outside the kernel map, where the kernel can have that'],
  pad: [0, 64, 'pages of padding at the end of the initial mapping'],
  beyond: [0, 1 << 20, 'pages of memory after the initial mapping'],
  hole: [0, 64, 'pages missing in that memory'],
  hole_at: [0, 1 << 20, 'how far beyond the initial mapping they begin'],
  reserved: [0, 1 << 16, 'pages that are taken at its end before the direct map is built'],
  high: [0, 1 << 16, 'pages from 4 GiB on (64-bit only)'],
  edge: [0, 1, 'the memory ends within a page'],
  order: [0, 3, 'frames: in order, backwards, in swapped pairs, scattered'],
  cpus: [1, 2, 'virtual CPUs'],
  processes: [0, 6, 'processes that are made'],
  schedule: [0, 2 ** 31 - 1, 'which of the possible things processes do'],
  reuse: [0, 1, 'the allocator hands out what came back last, or first'],
  conflict: [
    0,
    2,
    'dom0, where the kernel makes room: the host has devices where its list of frames (1) or its ramdisk (2) lies',
  ],
} as const satisfies Record<string, readonly [least: number, most: number, what: string]>;

export type MachineKey = keyof typeof KEYS;
/** `arch` and the numbers of {@link KEYS}. */
export type GuestMachine = { readonly arch: Arch } & { readonly [key in MachineKey]: number };

export const MACHINE_KEYS = Object.keys(KEYS) as MachineKey[];

/** A machine of few pages, on which boots take some hundred operations. */
export function drawGuestMachine(draw: Draw, arch: Arch): GuestMachine {
  const ptes = pick(draw, [4, 8, 8, 16]);
  const beyond = oneIn(draw, 6) ? 0 : draw.below(12 * ptes);
  return {
    arch,
    dom0: draw.below(2),
    ptes,
    pmds: 1 + draw.below(16),
    text: 1 + draw.below(3),
    initrd: oneIn(draw, 3) ? 0 : draw.below(2 * ptes),
    p2m: 1 + draw.below(3),
    outside: draw.below(2),
    pad: draw.below(ptes),
    beyond,
    hole: oneIn(draw, 2) ? 0 : draw.below(ptes),
    hole_at: draw.below(beyond + 1),
    reserved: oneIn(draw, 2) ? 0 : draw.below(2 * ptes),
    high: arch === 'x86_64' && oneIn(draw, 3) ? 1 + draw.below(4 * ptes) : 0,
    edge: oneIn(draw, 4) ? 1 : 0,
    order: draw.below(4),
    cpus: 1 + draw.below(2),
    processes: oneIn(draw, 3) ? 0 : draw.below(5),
    schedule: draw.below(KEYS.schedule[1]),
    reuse: draw.below(2),
    conflict: oneIn(draw, 3) ? 1 + draw.below(2) : 0,
  };
}

/** The machine as `--machine` takes it, without what is as simple as it can be. */
export function machineWords(machine: GuestMachine): string {
  return MACHINE_KEYS.filter((key) => machine[key] !== KEYS[key][0])
    .map((key) => `${key}=${machine[key]}`)
    .join(' ');
}

/** The simplest machine. */
export function leastMachine(arch: Arch): GuestMachine {
  return Object.fromEntries([
    ['arch', arch],
    ...MACHINE_KEYS.map((key) => [key, KEYS[key][0]]),
  ]) as GuestMachine;
}
