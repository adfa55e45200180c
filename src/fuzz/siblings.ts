import { type Judge, judgeOf } from '../lockstep/judge.js';
import { type Draft, draftOf } from '../shrink/draft.js';
import type { Pass } from '../shrink/pass.js';
import { Drawings, type DrawingSettings } from './drawings.js';
import { type Court, type Trials, trialsOf } from './trials.js';

/** The run that they are taken from, the same for all finds. */
const RUN = 'siblings';
/** Most of its programs that are looked at, and most that are kept of each judge's failures. */
const PROGRAMS = 4_000;
const KEPT = 4;
/** Programs that shrinking one of them runs: more make few of them smaller. */
const RUNS = 4_000;
/** Fewest operations of a program in whose place one of them is tried. */
const LENGTH_MIN = 3;

/**
 * Programs of one fixed run that fail, shrunk. What a find is shrunk to depends on the program that it was drawn with,
 * where no step leads to the smallest; that it is at least no larger than these does not.
 */
export class Siblings {
  private programs = 0;
  private readonly drawings: Drawings;
  private readonly trials: Trials;
  private readonly kept = new Map<Judge, Draft[]>();

  constructor(private readonly settings: Court & DrawingSettings) {
    this.drawings = new Drawings(settings);
    this.trials = trialsOf(settings);
  }

  /** The pass that tries those to which this judge objects, which are drawn when they are first asked for. */
  of(judge: Judge): Pass {
    const drafts = () => this.drafts(judge);
    return function* ({ operations }) {
      if (operations.length < LENGTH_MIN) return;
      for (const sibling of drafts()) if (yield sibling) return;
    };
  }

  private drafts(judge: Judge): readonly Draft[] {
    const { kept } = this;
    for (; this.programs < PROGRAMS && (kept.get(judge)?.length ?? 0) < KEPT; this.programs++)
      this.meet(this.programs);
    return kept.get(judge) ?? [];
  }

  private meet(number: number): void {
    const { trials, kept, settings } = this;
    const { program } = this.drawings.draw(RUN, number);
    const failure = trials.screened(program);
    if (!failure) return;
    const judge = judgeOf(failure);
    const those = kept.get(judge) ?? [];
    if (those.length === KEPT) return;
    const reducer = trials.reducer(program, failure, settings.arches, { quick: true });
    reducer.advance(RUNS);
    kept.set(judge, [...those, draftOf(reducer.result().program)]);
  }
}
