import type { Failure } from '../lockstep/lockstep.js';
import { type Candidate, smallerThan } from './candidates.js';

/**
 * The smallest program found that fails in the same way (same kind, same invariant): each step takes the first
 * of the smaller candidates that still does, until none does.
 */
export function shrink(
  program: Candidate,
  failure: Failure,
  run: (candidate: Candidate) => Failure | undefined,
): { program: Candidate; failure: Failure } {
  for (const candidate of smallerThan(program)) {
    const found = run(candidate);
    if (found && sameFailure(found, failure)) return shrink(candidate, found, run);
  }
  return { program, failure };
}

function sameFailure(a: Failure, b: Failure): boolean {
  return a.kind === b.kind && a.violation?.invariant === b.violation?.invariant;
}
