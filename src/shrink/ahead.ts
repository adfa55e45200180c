/** Shrinking where a program takes long to run, but many can run side by side. */
import type { Failure } from '../lockstep/lockstep.js';
import type { Candidate } from '../program/candidate.js';
import { Reducer, type Reduction, sameFailure } from './reduce.js';

/** Runs a program; what comes of it is not waited for any more once `unwanted` is aborted. */
export type RunAhead = (candidate: Candidate, unwanted: AbortSignal) => Promise<Failure | undefined>;

/** Most programs that run at once, and the fewest. */
const AHEAD_MAX = 256;
const AHEAD_MIN = 8;

/**
 * Reduces as `reduce` does, and with the same result: beside the program that decides how it goes on, those run that would
 * be wanted next if none of them failed. As many more as have been rejected in a row: so at most half are run in vain.
 * Ends early with the signal.
 */
export async function reduceAhead(
  program: Candidate,
  failure: Failure,
  run: RunAhead,
  signal: AbortSignal,
): Promise<Reduction> {
  const reducer = new Reducer(program, failure);
  const told: (Failure | undefined)[] = [];
  let scout = new Reducer(program, failure);
  let waiting: Promise<Failure | undefined>[] = [];
  let unwanted = new AbortController();
  let rejected = 0;
  while (reducer.wanted && !signal.aborted) {
    for (const most = Math.min(AHEAD_MIN + rejected, AHEAD_MAX); scout.wanted && waiting.length < most;) {
      const running = run(scout.wanted, unwanted.signal);
      running.catch(() => {}); // whoever waits for it hears of it
      waiting.push(running);
      scout.tell(undefined);
    }
    const outcome = await waiting.shift()!;
    reducer.tell(outcome);
    told.push(outcome);
    rejected++;
    if (outcome === undefined || !sameFailure(outcome, failure)) continue;
    unwanted.abort();
    unwanted = new AbortController();
    waiting = [];
    rejected = 0;
    scout = new Reducer(program, failure);
    for (const one of told) scout.tell(one);
  }
  unwanted.abort();
  return reducer.result();
}
