/**
 * Shrinks a failing program to the smallest one that fails the same way. The passes of `candidates.ts` are run
 * until none of them finds anything smaller in the order of `order.ts`; then programs of other finds are tried, if
 * there are any, and last `regrow`, which takes longest.
 */
import { judgeOf } from '../lockstep/judge.js';
import type { Failure } from '../lockstep/lockstep.js';
import type { Candidate } from '../program/candidate.js';
import { PASSES } from './candidates.js';
import { candidateOf, type Draft, draftOf } from './draft.js';
import { idOf } from './identity.js';
import { isSmaller } from './order.js';
import type { Pass, Steps } from './pass.js';
import { regrow } from './regrow.js';
import { singleRemovals } from './remove.js';

export interface Finding {
  readonly program: Candidate;
  readonly failure: Failure;
}

/** What happens when one operation, or one element of one, is left out. */
export interface Removal {
  /** Index of the operation; then of the element in it, if it is one; then of the element in that call of a multicall. */
  readonly path: readonly number[];
  /** The other failure that is met then; undefined where nothing fails. */
  readonly failure: Failure | undefined;
}

export interface Reduction extends Finding {
  /** Stable short name of the program (`identity.ts`). */
  readonly id: string;
  /** Programs that were run. */
  readonly runs: number;
  /** No smaller program was found, and without any one operation or element it no longer fails: `proof` says so. */
  readonly minimal: boolean;
  readonly proof: readonly Removal[];
  /** What the program was when the first sibling took its place; it may fail for another reason. */
  readonly replaced: Finding | undefined;
  /** Failures of other kinds that were met on the way: the first program of each, not shrunk. */
  readonly others: readonly Finding[];
}

export interface ReducerOptions {
  /** Called with every smaller program. */
  readonly onStep?: (best: Candidate, runs: number) => void;
  /** The pass that tries programs of other finds. */
  readonly siblings?: Pass;
  /** Without `regrow`. */
  readonly quick?: boolean;
}

export interface ReduceOptions extends ReducerOptions {
  /** Most programs to run; without it until nothing smaller is found, which takes a last look at some hundred. */
  readonly budget?: number;
}

/** What the program fails with, if it does. For the proof it is asked again, of programs that may have been tried before. */
export type Run = (candidate: Candidate, isProof: boolean) => Failure | undefined;

/** Yields programs to run and gets what each fails with. */
type Runs<T> = Generator<Candidate, T, Failure | undefined>;

/**
 * The smallest program found that fails as `failure` says. A reduction that ended with its budget goes on when
 * its program is reduced again.
 */
export function reduce(
  program: Candidate,
  failure: Failure,
  run: Run,
  options: ReduceOptions = {},
): Reduction {
  const reducer = new Reducer(program, failure, run, options);
  reducer.advance(options.budget ?? Infinity);
  return reducer.result();
}

/**
 * A reduction that can be done bit by bit: with `run`, or by whoever looks at `wanted` and says what it came to
 * (`tell`), be it much later.
 */
export class Reducer {
  /** The program whose outcome decides how it goes on; undefined when the reduction is complete. */
  wanted: Candidate | undefined;
  runs = 0;
  private best: Draft;
  /** Answers of all programs that were tried and are not the best any more. */
  private readonly tried = new Map<string, Failure | undefined>();
  private readonly machines = new Map<unknown, number>();
  private readonly met = new Map<string, Finding>();
  private readonly work: Runs<void>;
  private proof: readonly Removal[] = [];
  private replaced: Finding | undefined;
  private isProof = false;
  private done = false;

  constructor(
    private program: Candidate,
    private failure: Failure,
    private readonly run?: Run,
    private readonly options: ReducerOptions = {},
  ) {
    this.best = draftOf(program);
    this.work = this.steps();
    this.take(this.work.next());
  }

  /** Runs that many programs more, fewer where the reduction is complete; whether it is. */
  advance(runs: number): boolean {
    const until = this.runs + runs;
    while (this.wanted && this.runs < until) this.tell(this.run!(this.wanted, this.isProof));
    return this.done;
  }

  /** What `wanted` fails with, if it does. */
  tell(failure: Failure | undefined): void {
    this.take(this.work.next(failure));
  }

  /** Operations of the smallest program so far. */
  get operations(): number {
    return this.best.operations.length;
  }

  result(): Reduction {
    const { program, failure, runs, proof, replaced } = this;
    return {
      id: idOf(program),
      program,
      failure,
      runs,
      minimal: this.done,
      proof,
      replaced,
      others: [...this.met.values()],
    };
  }

  private take(step: IteratorResult<Candidate, void>): void {
    this.done = step.done === true;
    this.wanted = step.done ? undefined : step.value;
  }

  /** The whole reduction. */
  private *steps(): Runs<void> {
    const { siblings, quick } = this.options;
    yield* this.tryOut(cutAfter(this.best, this.failure));
    do yield* this.settle();
    while ((siblings && (yield* this.join(siblings))) || (!quick && (yield* this.exhaust(regrow))));
    this.proof = yield* this.prove();
  }

  /** Until no pass finds anything smaller. */
  private *settle(): Runs<void> {
    for (let unchanged = 0, i = 0; unchanged < PASSES.length; i = (i + 1) % PASSES.length)
      unchanged = (yield* this.exhaust(PASSES[i]!)) ? 0 : unchanged + 1;
  }

  /** Whether a sibling took the program's place. */
  private *join(siblings: Pass): Runs<boolean> {
    const { program, failure } = this;
    const taken = yield* this.exhaust(siblings);
    if (taken) this.replaced ??= { program, failure };
    return taken;
  }

  /** Whether the pass found anything smaller. */
  private *exhaust(pass: Pass): Runs<boolean> {
    const before = this.best;
    const steps: Steps = pass(before);
    for (let step = steps.next(); !step.done;) {
      const taken = yield* this.tryOut(step.value);
      step = steps.next(taken ? this.best : undefined);
    }
    return this.best !== before;
  }

  /** Takes the draft for the best if it is smaller and fails the same way; whether it was taken. */
  private *tryOut(draft: Draft): Runs<boolean> {
    if (!isSmaller(draft, this.best)) return false;
    const candidate = candidateOf(draft);
    const found = yield* this.outcome(candidate);
    if (found === undefined || !sameFailure(found, this.failure)) return false;
    this.failure = found;
    this.best = cutAfter(draft, found);
    this.program = this.best.operations.length < draft.operations.length ? candidateOf(this.best) : candidate;
    this.options.onStep?.(this.program, this.runs);
    return true;
  }

  private *outcome(candidate: Candidate): Runs<Failure | undefined> {
    const key = this.keyOf(candidate);
    if (!this.isProof && this.tried.has(key)) return this.tried.get(key);
    const failure = yield candidate;
    this.runs++;
    this.tried.set(key, failure);
    if (failure && !sameFailure(failure, this.failure)) this.meet(candidate, failure);
    return failure;
  }

  private meet(candidate: Candidate, failure: Failure): void {
    const kind = `${failure.kind} ${failure.violation?.invariant}`;
    if (this.met.has(kind)) return;
    this.met.set(kind, { program: candidateOf(cutAfter(draftOf(candidate), failure)), failure });
  }

  private *prove(): Runs<Removal[]> {
    const proof: Removal[] = [];
    this.isProof = true;
    for (const { path, draft } of singleRemovals(this.best))
      proof.push({ path, failure: yield* this.outcome(candidateOf(draft)) });
    return proof;
  }

  private keyOf({ machine, code }: Candidate): string {
    let number = this.machines.get(machine);
    if (number === undefined) this.machines.set(machine, (number = this.machines.size));
    return `${number} ${Buffer.from(code.buffer, code.byteOffset, code.byteLength).toString('latin1')}`;
  }
}

/** What comes after the operation that fails has no part in it. */
function cutAfter(draft: Draft, failure: Failure): Draft {
  return failure.operation + 1 < draft.operations.length
    ? { ...draft, operations: draft.operations.slice(0, failure.operation + 1) }
    : draft;
}

/** The models differ in both, both break the same invariant, or a model gave up in both. */
export function sameFailure(a: Failure, b: Failure): boolean {
  return judgeOf(a) === judgeOf(b);
}

/** What a find is kept with. */
export function alsoMet({ replaced, others }: Reduction): Finding[] {
  return [...(replaced ? [replaced] : []), ...others];
}
