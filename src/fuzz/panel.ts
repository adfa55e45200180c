import type { Failure } from '../lockstep/lockstep.js';
import type { Candidate } from '../program/candidate.js';
import { type Court, type Trials, trialsOf } from './trials.js';

/**
 * Which operations of a run the reference model runs too. All modes run every operation on the optimized model and
 * check every invariant after it.
 *
 * - `every`: every operation; answers, and all that either model has changed, are compared after each one.
 * - `sampled`: one program in SAMPLE, in the same way.
 * - `digest`: one program in SAMPLE, by itself; its answers and the digest of its last state are compared at its end.
 *
 * The reference model makes about a million operations a second, so what runs faster than that does not run it on
 * every operation.
 */
export type LockstepMode = 'every' | 'digest' | 'sampled';

export const LOCKSTEP_MODES: readonly LockstepMode[] = ['every', 'digest', 'sampled'];
export const SAMPLE = 64;

/** Judges the programs of a run by their number, so that any division of the run's work judges alike. */
export class Panel {
  private readonly alone: Trials;
  private readonly sample: Trials;
  private last: Trials;

  constructor(
    court: Court,
    /** What judges with the reference model on every operation, if the court has one. */
    private readonly full: Trials,
    mode: LockstepMode = 'every',
  ) {
    this.alone = mode === 'every' ? full : trialsOf({ ...court, alone: true });
    this.sample = mode === 'digest' ? trialsOf(court, 'end') : full;
    this.last = full;
  }

  /** The optimized model's answers to the last program, by record. */
  get answers(): Int32Array {
    return this.last.answers;
  }

  /** What a program fails with, if it does; what fails is run again in full, which says after which operation. */
  judge(program: Candidate, number: number, thorough: boolean): Failure | undefined {
    this.last = number % SAMPLE === 0 ? this.sample : this.alone;
    const failure = this.last.run(program, thorough);
    if (!failure || this.last === this.full) return failure;
    this.last = this.full;
    return this.full.run(program) ?? failure;
  }
}
