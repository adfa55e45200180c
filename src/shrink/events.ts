/** What the passes ask of operations that an event or a lost race interrupts. */
import type { Operation } from '../program/operation.js';

/** Events and races of what stays: this many are tried again when something else is left out or put in. */
const NUMBERS = 4;

export function isInterrupted({ preempt, contend }: Operation): boolean {
  return preempt !== undefined || contend !== undefined;
}

/** The operations with one event or lost race at another time. */
export function* otherNumbers(operations: readonly Operation[]): Generator<readonly Operation[]> {
  for (const [i, operation] of operations.entries()) {
    for (let number = 0; number < NUMBERS; number++) {
      if (operation.preempt !== undefined) yield operations.with(i, { ...operation, preempt: number });
      if (operation.contend !== undefined) yield operations.with(i, { ...operation, contend: number });
    }
  }
}
