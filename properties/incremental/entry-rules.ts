/** The flags that entries must and must not have (`legal-entries.ts`), ready to be held against an entry's words. */
import { G, GUEST_KERNEL } from '../../models/x86/entry.js';
import { TYPE_L1, TYPE_L4 } from '../../models/x86/page-type.js';
import type { Machine } from '../../src/program/machine.js';
import { forbiddenFlags, requiredFlags } from '../legal-entries.js';

/** Masks are looked up by the level of the table, 1 to 4. */
const LEVELS = TYPE_L4 + 1;

export class EntryRules {
  private readonly forbiddenLow = new Int32Array(LEVELS);
  private readonly forbiddenHigh = new Int32Array(LEVELS);
  private readonly requiredLow = new Int32Array(LEVELS);
  /** An L1 entry needs one of the two marks of a 64-bit guest's pages. */
  private readonly marksPages: boolean;

  constructor(machine: Machine) {
    this.marksPages = machine.arch === 'x86_64';
    for (let level = TYPE_L1; level < LEVELS; level++) {
      this.forbiddenLow[level] = lowFlags(forbiddenFlags(machine, level));
      this.forbiddenHigh[level] = highFlags(forbiddenFlags(machine, level));
      this.requiredLow[level] = lowFlags(requiredFlags(machine, level));
    }
  }

  /** Whether a present entry, in a slot of the guest's, is as it has to be; `entryFault` says what is not. */
  allow(level: number, low: number, high: number): boolean {
    if ((low & this.forbiddenLow[level]) !== 0 || (high & this.forbiddenHigh[level]) !== 0) return false;
    if ((~low & this.requiredLow[level]) !== 0) return false;
    return level !== TYPE_L1 || !this.marksPages || (low & G) !== 0 || (high & highFlags(GUEST_KERNEL)) !== 0;
  }
}

/** What of an entry's flags stands in its low word, and in its high word. */
function lowFlags(flags: number): number {
  return flags & 0xfff;
}

function highFlags(flags: number): number {
  return (flags >>> 12) << 20;
}
