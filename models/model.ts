import type { Machine } from '../src/program/machine.js';
import type { Changes } from './x86/changes.js';

/** Xen would stop the host here (BUG_ON). */
export class XenStops extends Error {}

/** Everything that can be asked of a model's state; both models answer alike or one of them is wrong. */
export interface ModelState {
  readonly machine: Machine;
  /** Frames 0 .. frameLimit-1 exist; everything beyond is no memory. */
  readonly frameLimit: number;
  /** Type, flags and owner of a frame in one word, laid out in `x86/page-type.ts`. */
  info(mfn: number): number;
  typeCount(mfn: number): number;
  /** General references, the allocation's included. */
  generalCount(mfn: number): number;
  /** Xen's linear_pt_count: >0 linear entries in this table to others, <0 linear entries elsewhere to this one. */
  linearCount(mfn: number): number;
  /** Of a partial table: the slot where its validation stopped (nr_validated_ptes); else 0. */
  partialFrom(mfn: number): number;
  /** Type and general references that failed validations lost for good (section 14 of the rules). */
  lostTypeReferences(mfn: number): number;
  lostGeneralReferences(mfn: number): number;
  /** Low and high word of what is in memory, for any frame of the guest's. */
  low(mfn: number, slot: number): number;
  high(mfn: number, slot: number): number;
  /** First slot from `slot` on whose entry is not all zero, of a frame of the guest's; 512 if there is none. */
  nextUsed(mfn: number, slot: number): number;
  /** Whether the M2P was updated for the frame since the start, and to what. */
  m2pLow(mfn: number): number;
  m2pHigh(mfn: number): number;
  /** Frame of the kernel's and the user base pointer of a vCPU; 0 for none. */
  kernelBase(cpu?: number): number;
  userBase(cpu?: number): number;
  /** Frame of the base pointer that the processor has loaded: the user's after a return to user mode. */
  loadedBase(cpu?: number): number;
  /** Frames of the GDT, in order. */
  gdtFrames(cpu?: number): number;
  gdtFrame(index: number, cpu?: number): number;
  ldtEntries(cpu?: number): number;
  ldtLow(cpu?: number): number;
  ldtHigh(cpu?: number): number;
  /** Frame behind a page of the LDT that the processor has used, 0..15; 0 for none. */
  ldtFrame(page: number, cpu?: number): number;
  /** The table whose cleanup is pending on a vCPU (old_guest_table); 0 for none. */
  deferred(cpu?: number): number;
  /** Whether that cleanup drops a type reference of its own (not old_guest_table_partial); 0 or 1. */
  deferredWhole(cpu?: number): number;
  /** The table that named it when it was put there (old_guest_ptpg); 0 for none. */
  deferredParent(cpu?: number): number;
  /** Whether a call of this vCPU was interrupted and has not gone on; 0 or 1. */
  interrupted(cpu?: number): number;
  /** Translations that the vCPU's TLB holds, the oldest first (rules 16.6). */
  tlbSize(cpu?: number): number;
  /** Of one of them: the page's address in two words, its frame, and whether stores may go through it (0 or 1). */
  tlbLow(index: number, cpu?: number): number;
  tlbHigh(index: number, cpu?: number): number;
  tlbFrame(index: number, cpu?: number): number;
  tlbWritable(index: number, cpu?: number): number;
  /** The domain is being destroyed; 0 or 1. */
  dying(): number;
}

export interface Model extends ModelState {
  readonly name: 'reference' | 'optimized';
  /** What the last operation may have changed. */
  readonly changes: Changes;
  /** Takes the machine's start state. */
  start(machine: Machine): void;
  /** Takes the start state again, of the same machine or of one that begins alike (`src/program/alike.ts`). */
  reset(machine?: Machine): void;
  /**
   * Runs the operation whose records begin at `at` and writes its answer (see `x86/result.ts`) to
   * `results[at / 8]`; a multicall writes each element's answer to that element's place besides.
   */
  run(code: Int32Array, at: number, results: Int32Array): void;
}
