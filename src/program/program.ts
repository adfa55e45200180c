import type { Level } from '../../models/x86/page-type.js';
import type { Machine } from './machine.js';

/** What holds of one frame after the last operation. */
export interface FinalFrame {
  readonly mfn: number;
  /** Level of a validated pagetable page; 0 where the frame is none. */
  readonly level: Level | 0;
  readonly pinned: boolean;
  /** Type count, where the text gives it. */
  readonly references: number | undefined;
  /** How many of the entries below hold. */
  readonly count: number;
  /** Slots of the entries that the text gives, and the entries' words. */
  readonly slots: Int32Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** A whole program in memory. */
export interface Program {
  readonly name: string;
  readonly machine: Machine;
  /** Records of the operations, one after the other (`operation.ts`). */
  readonly code: Int32Array;
  /** Expected answer by record; UNKNOWN where there is none. */
  readonly expected: Int32Array;
  readonly finals: readonly FinalFrame[];
}
