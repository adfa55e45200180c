import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { Invariant } from '../../properties/index.js';
import { Fuzzer } from '../fuzz/fuzzer.js';
import type { Failure } from '../lockstep/lockstep.js';
import type { Arch } from '../program/machine.js';
import { operationStarts } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { idOf } from '../shrink/identity.js';
import { Reducer } from '../shrink/reduce.js';
import { candidateText } from '../shrink/text.js';
import { answersOf } from './external.js';
import { type Guest, machineOf, runGuest } from './guest.js';
import { isExternal, judgeAnswers, judgeOf, type ModelUnderTest } from './judge.js';

export interface CheckOptions {
  /** Names the random choices: the same seed gives the same programs. Without it `pvmmu`. */
  readonly seed?: string;
  /** How many programs are run, 1000 without it; of `programs` that are given, all without it. */
  readonly runs?: number;
  /** The model under test: the optimized one, another in this process, or a filter (`externalModel`). */
  readonly model?: ModelUnderTest;
  /** What it must agree with: the reference model; `undefined` if the invariants alone are to judge. */
  readonly reference?: Model | undefined;
  /** Invariants beyond the usual ones. They are asked after every operation. */
  readonly invariants?: readonly Invariant[];
  /** Who the programs come from, instead of the fuzzer. */
  readonly guest?: Guest;
  /** The programs themselves. */
  readonly programs?: Iterable<Candidate>;
  /** One architecture only. */
  readonly arch?: Arch;
  /** Most operations of a guest's run: 200 without it. */
  readonly length?: number;
  /** Most runs to shrink what was found: 20,000 without it. */
  readonly shrinkRuns?: number;
}

/** What `check` has found, shrunk. */
export interface Found {
  /** Stable short name of the shrunk program. */
  readonly id: string;
  readonly failure: Failure;
  readonly program: Candidate;
  /** Program text, without answers. */
  readonly text: string;
  /** Operations before shrinking. */
  readonly operationsDrawn: number;
  /** Nothing can be left out. */
  readonly minimal: boolean;
}

export interface CheckResult {
  /** Programs and operations that were run. */
  readonly programs: number;
  readonly operations: number;
  /** The first program that failed, if one did. */
  readonly found: Found | undefined;
}

const RUNS_DEFAULT = 1000;
const LENGTH_DEFAULT = 200;
const SHRINK_RUNS_DEFAULT = 20_000;
/** A filter is started once for so many programs. */
const BATCH = 100;

/**
 * Runs programs until one fails, and shrinks that.
 *
 * @throws TextError if a guest's operation is malformed, or an external model does not do what it should.
 */
export function check(options: CheckOptions = {}): CheckResult {
  const { model = new OptimizedModel(), invariants = [] } = options;
  const reference = 'reference' in options ? options.reference : new ReferenceModel();
  const judge = judgeOf(model, reference, invariants);
  let [programs, operations] = [0, 0];
  for (const batch of batches(programsFor(options), isExternal(model) ? BATCH : 1)) {
    const answers = isExternal(model) ? answersOf(model, batch) : [];
    for (const [i, program] of batch.entries()) {
      const failure = isExternal(model) ? judgeAnswers(program, answers[i]!, reference!) : judge(program);
      programs++;
      operations += operationStarts(program.code).length;
      if (failure) return { programs, operations, found: shrunk(program, failure, judge, options) };
    }
  }
  return { programs, operations, found: undefined };
}

/** The programs that the fuzzer draws from a seed, without end: machine and records of each. */
export function* programs({
  seed = 'pvmmu',
  arch,
}: Pick<CheckOptions, 'seed' | 'arch'> = {}): Generator<Candidate> {
  const arches = arch === undefined ? (['x86_64', 'x86_32'] as const) : [arch];
  const fuzzer = new Fuzzer({ arches, seed, quirks: 'intended', defects: new Set(), alone: true });
  for (let number = 0; ; number++) yield fuzzer.draw(number).program;
}

function* programsFor(options: CheckOptions): Generator<Candidate> {
  const { programs: given, guest, seed = 'pvmmu', length = LENGTH_DEFAULT } = options;
  const runs = options.runs ?? (given ? Infinity : RUNS_DEFAULT);
  let count = 0;
  if (guest) {
    const [machine, model] = [machineOf(guest), new OptimizedModel()];
    while (count < runs) yield runGuest(guest, machine, `${seed}.${count++}`, length, model);
    return;
  }
  for (const program of given ?? programs(options)) {
    if (count++ >= runs) return;
    yield program;
  }
}

function* batches(all: Iterable<Candidate>, size: number): Generator<Candidate[]> {
  let batch: Candidate[] = [];
  for (const program of all) {
    batch.push(program);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function shrunk(
  program: Candidate,
  failure: Failure,
  judge: (candidate: Candidate) => Failure | undefined,
  { shrinkRuns = SHRINK_RUNS_DEFAULT }: CheckOptions,
): Found {
  const reducer = new Reducer(program, failure, judge);
  reducer.advance(shrinkRuns);
  const { program: smallest, failure: left, minimal } = reducer.result();
  return {
    id: idOf(smallest),
    failure: left,
    program: smallest,
    text: candidateText(smallest),
    operationsDrawn: operationStarts(program.code).length,
    minimal,
  };
}
