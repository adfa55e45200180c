/** How much Xen does for one operation of a guest's, beyond what a guest may ask for without being interrupted. */
import type { Machine } from '../src/program/machine.js';
import { rootLevel } from './frames.js';
import type { Violation } from './invariant.js';

/** What a model says of its last operation (rules 16.1). */
export interface Effort {
  readonly machine: Machine;
  /** Units of work of one L2 or L3 done after an event, without looking for it. */
  overdue(): number;
  /** How deep the demotions of tables were nested. */
  depth(): number;
}

/**
 * After an event one unit may be done for the sake of progress (Xen: fd7bfce039, 2014). Demotions nest no deeper
 * than there are levels, and one more for a linear entry (XSA-240).
 */
export function effortFault(model: Effort): Violation | undefined {
  if (model.overdue() > 1) {
    const message = `An event waits while ${model.overdue()} entries of a table are worked off.`;
    return { invariant: 'bounded-work', message, frame: 0 };
  }
  if (model.depth() > rootLevel(model.machine) + 1) {
    const message = `Demotions of tables nest ${model.depth()} deep.`;
    return { invariant: 'bounded-recursion', message, frame: 0 };
  }
  return undefined;
}
