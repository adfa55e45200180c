/**
 * The switch of a 32-bit Linux guest from initial_page_table to swapper_pg_dir, in which the new root is built
 * in two steps (arch/x86/xen/mmu_pv.c: xen_write_cr3_init, 2.6.37 to 5.8), and its two-pass direct map
 * (arch/x86/mm/init_32.c: kernel_physical_mapping_init).
 *
 * The pages must stay read-only from the moment they are tables. Which orders of the steps Xen accepts is said
 * here as a set of pairs, from what each step needs, not by running a model; the models must accept these
 * orders and no other.
 */
import { A, D, entry, P, RW, US } from '../models/x86/entry.js';
import { BOOT_MFN, FIRST_FRAME_MFN, WINDOW_0 } from '../src/program/machine.js';
import type { Operation } from '../src/program/operation.js';

const frame = (index: number) => FIRST_FRAME_MFN + index;
/** initial_page_table and initial_kernel_pmd. */
export const OLD_ROOT = frame(0);
export const OLD_PMD = frame(1);
/** swapper_pg_dir and swapper_kernel_pmd. */
export const NEW_ROOT = frame(2);
export const NEW_PMD = frame(3);
const KERNEL_SLOT = 3;
/** The L1 tables that hold the kernel and the windows, in the L2 slots where the boot tables have them. */
const KERNEL_L1 = [BOOT_MFN.K0, BOOT_MFN.B1, BOOT_MFN.K2, BOOT_MFN.K3];

/** A store through the frame's own window: it faults once the window is read-only. */
function store(mfn: number, slot: number, target: number): Operation {
  const va = windowOf(mfn);
  return {
    kind: 'store',
    va: { ...va, low: va.low + slot * 8 },
    part: 'entry',
    entry: entry(target, P | RW | A | D),
  };
}

function windowOf(mfn: number) {
  const { low, high } = WINDOW_0.x86_32;
  return { low: low + (mfn - FIRST_FRAME_MFN) * 4096, high };
}

function remap(mfn: number, flags: number): Operation {
  return {
    kind: 'update_va',
    va: windowOf(mfn),
    entry: entry(mfn, flags),
    flush: 'invlpg',
    badBitmap: false,
    fd: 'self',
  };
}

const readOnly = (mfn: number) => remap(mfn, P | US);
const writable = (mfn: number) => remap(mfn, P | RW | US);

/** The guest runs on initial_page_table, whose kernel L2 is initial_kernel_pmd; swapper_pg_dir is a clone of it. */
export const PROLOGUE: readonly Operation[] = [
  ...KERNEL_L1.map((l1, slot) => store(OLD_PMD, slot, l1)),
  store(OLD_ROOT, KERNEL_SLOT, OLD_PMD),
  store(NEW_ROOT, KERNEL_SLOT, OLD_PMD),
  readOnly(OLD_PMD),
  readOnly(OLD_ROOT),
  { kind: 'pin', level: 3, mfn: OLD_ROOT },
  { kind: 'new_baseptr', mfn: OLD_ROOT },
  { kind: 'unpin', mfn: BOOT_MFN.B3 },
];

export const STEPS = {
  /** Copies initial_kernel_pmd, by plain stores. */
  copyPmd: KERNEL_L1.map((l1, slot) => store(NEW_PMD, slot, l1)),
  /** Replaces the cloned pointer to the L2 that must not be shared. */
  linkPmd: [store(NEW_ROOT, KERNEL_SLOT, NEW_PMD)],
  readOnlyPmd: [readOnly(NEW_PMD)],
  readOnlyRoot: [readOnly(NEW_ROOT)],
  loadRoot: [{ kind: 'new_baseptr', mfn: NEW_ROOT }],
  pinRoot: [{ kind: 'pin', level: 3, mfn: NEW_ROOT }],
  unpinOld: [{ kind: 'unpin', mfn: OLD_ROOT }],
  /** The old tables become data pages again. */
  writableOldRoot: [writable(OLD_ROOT)],
  writableOldPmd: [writable(OLD_PMD)],
} as const satisfies Record<string, readonly Operation[]>;

export type Step = keyof typeof STEPS;
export const STEP_NAMES = Object.keys(STEPS) as Step[];

/**
 * What must come before what, and why. Loading and pinning may come in either order: both validate the tables.
 * Unpinning the old root may come at any time: the base pointer holds it until the new one is loaded.
 */
export const BEFORE: readonly (readonly [Step, Step])[] = [
  ['copyPmd', 'readOnlyPmd'], // a plain store needs the writable window
  ['linkPmd', 'readOnlyRoot'],
  ['readOnlyPmd', 'loadRoot'], // a page with a writable mapping cannot become a table
  ['readOnlyPmd', 'pinRoot'],
  ['readOnlyRoot', 'loadRoot'],
  ['readOnlyRoot', 'pinRoot'],
  ['loadRoot', 'writableOldRoot'], // too early: the page still is a table
  ['unpinOld', 'writableOldRoot'],
  ['loadRoot', 'writableOldPmd'],
  ['unpinOld', 'writableOldPmd'],
];

/** Whether Xen accepts every step in this order. */
export function isAccepted(order: readonly Step[]): boolean {
  return BEFORE.every(([first, then]) => order.indexOf(first) < order.indexOf(then));
}

/** All orders of the given steps. */
export function* orders<T>(steps: readonly T[]): Generator<T[]> {
  if (steps.length === 0) yield [];
  for (let i = 0; i < steps.length; i++) {
    for (const rest of orders(steps.toSpliced(i, 1))) yield [steps[i]!, ...rest];
  }
}

/**
 * The two passes of the direct map over the windows' L1 table: each slot is written, then written again with
 * its final flags. `tables` are frames that became tables in between. With `keepsReadOnly` a slot that is
 * present and read-only stays so (xen_set_pte_init's rule); without it the second pass asks for RW again.
 */
export function secondPass(frames: number, tables: ReadonlySet<number>, keepsReadOnly: boolean): Operation[] {
  return Array.from({ length: frames }, (_, index) => {
    const flags = keepsReadOnly && tables.has(frame(index)) ? P | A | D : P | RW | A | D;
    return {
      kind: 'store_frame',
      mfn: BOOT_MFN.B1,
      slot: index,
      part: 'entry',
      entry: entry(frame(index), flags),
    };
  });
}
