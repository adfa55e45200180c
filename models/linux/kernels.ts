/** The kernels that differ in how they build and keep their pagetables, from 2.6.23 to 6.x. */
import type { Arch } from '../../src/program/machine.js';
import { BASE, type Profile } from './profile.js';

export interface KernelFamily {
  /** The first version of the family, its name in commands. */
  readonly id: string;
  readonly versions: string;
  /** What is new in it. */
  readonly title: string;
  readonly arches: readonly Arch[];
  readonly profile: Profile;
  /** What it does otherwise on x86_32. */
  readonly pae?: Partial<Profile>;
  /** Where it does not boot on every machine as it was released: `pgt-buf-end-moves` of the catalogue. */
  readonly broken?: Arch;
}

const BOTH: readonly Arch[] = ['x86_64', 'x86_32'];
const PAE: Partial<Profile> = { existingPte: 'keepRO', rangeRule: 'none', existingThrough: 'direct' };

const from2627: Profile = { ...BASE };
const from2637: Profile = { ...from2627, buffer: 'mapped', rangeRule: 'end', isa: 'identity' };
const from2639rc: Profile = {
  ...from2637,
  buffer: 'top',
  fixmapRule: 'newestWritable',
  existingThrough: 'fixmap',
  cleanupHighmap: true,
};
const from2639: Profile = { ...from2639rc, rangeRule: 'top', reserveTail: 'all' };
const from31: Profile = { ...from2639, buffer: 'mapped', batchedAlloc: true };
const from39: Profile = {
  ...from31,
  buffer: 'brk',
  rangeRule: 'none',
  fixmapRule: 'writable',
  existingThrough: 'direct',
  reserveTail: 'none',
  identityEarly: false,
  recycle: true,
  flushOnWritable: true,
  setPte: 'hypercall',
  freeP2m: true,
};
const from42: Profile = { ...from39, fixmapTables: 1, p2mOutside: true, makesRoom: true, isa: 'unmapFirst' };
const from516: Profile = {
  ...from42,
  fixmapTables: 2,
  pinVsyscall: true,
  fixmapSetPte: 'hypercall',
  hypercallsFromPagingInit: true,
  marking: 'afterBootmem',
};

/** In order of age. */
export const KERNELS: readonly KernelFamily[] = [
  {
    id: '2.6.23',
    versions: '2.6.23 to 2.6.26',
    title: 'the first of them, 32-bit only: tables hooked first, then filled in one pass',
    arches: ['x86_32'],
    profile: BASE,
    pae: PAE,
  },
  {
    id: '2.6.27',
    versions: '2.6.27 to 2.6.36',
    title: '64-bit: tables are filled through early_ioremap, then hooked; 32-bit: two passes',
    arches: BOTH,
    profile: from2627,
    pae: { ...PAE, passes: 2 },
  },
  {
    id: '2.6.37',
    versions: '2.6.37 to 2.6.38',
    title: 'mask_rw_pte looks at e820_table_start and _end; 32-bit starts on initial_page_table',
    arches: BOTH,
    profile: from2637,
    pae: { ...PAE, passes: 2, initialPageTable: true },
  },
  {
    id: '2.6.39-rc',
    versions: '2.6.39-rc1 to -rc7',
    title: 'tables at the end of memory that is not mapped yet, while the rule is still the old one',
    arches: BOTH,
    profile: from2639rc,
    pae: { ...PAE, passes: 2, initialPageTable: true, buffer: 'mapped' },
    broken: 'x86_64',
  },
  {
    id: '2.6.39',
    versions: '2.6.39 to 3.1-rc',
    title: 'all of the buffer is read-only up to pgt_buf_top; pagetable_reserve gives the rest back',
    arches: BOTH,
    profile: from2639,
    pae: { ...PAE, passes: 2, initialPageTable: true, buffer: 'mapped' },
  },
  {
    id: '3.1',
    versions: '3.1 to 3.8',
    title: 'the buffer is inside what is mapped again; the rule stays',
    arches: BOTH,
    profile: from31,
    pae: { ...PAE, passes: 2, initialPageTable: true },
  },
  {
    id: '3.9',
    versions: '3.9 to 4.1',
    title: 'top-down, from .brk and from what is mapped already; no rule is needed',
    arches: BOTH,
    profile: from39,
    pae: { ...PAE, passes: 2, initialPageTable: true },
  },
  {
    id: '4.2',
    versions: '4.2 to 5.15',
    title: 'the list of frames may lie outside the kernel map, and moves where the host has devices',
    arches: BOTH,
    profile: from42,
    pae: { ...PAE, passes: 2, initialPageTable: true, p2mOutside: false, makesRoom: false },
  },
  {
    id: '5.16',
    versions: '5.16 to 6.x',
    title: 'plain stores early on, hypercalls from paging_init on; PG_pinned after the memory map is there',
    arches: ['x86_64'],
    profile: from516,
  },
];

export function profileOf(family: KernelFamily, arch: Arch): Profile {
  return arch === 'x86_32' ? { ...family.profile, ...family.pae } : family.profile;
}

/** The family of a version such as `2.6.38` or `6.1`; undefined where none has it. */
export function familyOf(version: string): KernelFamily | undefined {
  const named = KERNELS.find(({ id }) => id === version);
  if (named || !/^\d+\.\d+(\.\d+)?(-rc\d*)?$/.test(version)) return named;
  if (version.startsWith('2.6.39-rc')) return KERNELS.find(({ id }) => id === '2.6.39-rc');
  const wanted = numbers(version);
  return KERNELS.findLast(({ id }) => !id.includes('rc') && compare(numbers(id), wanted) <= 0);
}

function numbers(version: string): number[] {
  return version
    .replace(/-rc.*$/, '')
    .split('.')
    .map(Number);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
