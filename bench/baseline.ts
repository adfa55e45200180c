/**
 * How many operations it takes to find each defect of the catalogue: with `fc.commands` of fast-check as it
 * comes, commands drawn uniformly (`commands.ts`), and with the generator of `pvmmu fuzz`. Both models in
 * lockstep judge in both cases, after a program is drawn as a whole; the operations up to the one after which
 * it fails count. A ratio counts a defect that was not found with all operations that were spent on it.
 * `npm run bench:baseline -- [--only ID] [--seeds N] [--ops N] [--json]`.
 */
import '../src/engine.js';
import { parseArgs } from 'node:util';
import { type Defect, DEFECTS, defectsNamed, numberOf } from '../models/defects/index.js';
import { fc } from '../src/fastcheck/index.js';
import { Fuzzer } from '../src/fuzz/fuzzer.js';
import { type Trials, trialsOf } from '../src/fuzz/trials.js';
import type { Failure } from '../src/lockstep/lockstep.js';
import type { Arch } from '../src/program/machine.js';
import { operationStarts } from '../src/program/record.js';
import type { Candidate } from '../src/program/candidate.js';
import { programOf, sequences } from './commands.js';
import { print } from './figures.js';
import { optionsOrExit, wholeNumber } from './options.js';

/** Most commands of a sequence; all lengths up to it are equally likely. */
const COMMANDS_MAX = 40;
/** As the fuzzer does it: one program in a hundred ends with a look at the whole state. */
const THOROUGH_EVERY = 100;
/** No end but the budget's. */
const SEQUENCES_MAX = 2 ** 31 - 1;
const SEEDS_MAX = 999;
const COURT = { alone: false, quirks: 'intended' } as const;

/** What the searches for one defect with one generator came to. */
class Search {
  operations = 0;
  finds = 0;
  /** Programs that fail without the defect too, whose operations are not counted. */
  skipped = 0;

  /** Whether the generator found the defect with some seed. Not found, its operations are a lower bound. */
  get found(): boolean {
    return this.finds > 0;
  }

  /** Operations of all seeds by their finds, so that a search which ended without one counts too. */
  get operationsPerFind(): number {
    return this.operations / Math.max(1, this.finds);
  }
}

/** The search with one seed: until the first find, or `budget` operations have been drawn. */
class Attempt {
  over = false;
  private drawn = 0;

  constructor(
    private readonly search: Search,
    private readonly clean: Trials,
    private readonly budget: number,
  ) {}

  /** Counts the program that was judged last, of so many operations. */
  count(operations: number, failed?: { readonly program: Candidate; readonly failure: Failure }): void {
    this.drawn += operations;
    this.over = this.drawn >= this.budget;
    if (!failed) {
      this.search.operations += operations;
    } else if (this.clean.run(failed.program)) {
      this.search.skipped++;
    } else {
      this.search.operations += failed.failure.operation + 1;
      this.search.finds++;
      this.over = true;
    }
  }
}

/** With fast-check, whose runs end when the property fails: here, when the attempt is over. */
function runCommands(defect: Defect, seed: number, attempt: Attempt): void {
  const trials = trialsOf({ ...COURT, defects: new Set([defect.id]) });
  let runs = 0;
  const property = fc.property(sequences(archOf(defect), COMMANDS_MAX), ([machine, commands]) => {
    const program = { machine, code: programOf(commands) };
    const failure = trials.run(program, runs++ % THOROUGH_EVERY === 0);
    attempt.count(operationStarts(program.code).length, failure && { program, failure });
    return !attempt.over;
  });
  fc.check(property, { seed, numRuns: SEQUENCES_MAX, unbiased: true, endOnFailure: true });
}

function runFuzzer(defect: Defect, seed: number, attempt: Attempt): void {
  const defects = new Set([defect.id]);
  const arches = [archOf(defect)];
  const fuzzer = new Fuzzer({ arches, seed: `${seed}`, quirks: 'intended', defects, alone: false });
  while (!attempt.over) {
    const before = fuzzer.operations;
    const caught = fuzzer.next();
    attempt.count(fuzzer.operations - before, caught);
  }
}

function archOf(defect: Defect): Arch {
  return defect.arches[0]!;
}

/** Seeds of a defect's searches begin here, so that no two defects are looked for with the same programs. */
function firstSeed(defect: Defect): number {
  return numberOf(defect) * (SEEDS_MAX + 1);
}

function searched(defect: Defect, run: typeof runFuzzer): Search {
  const search = new Search();
  for (let i = 0; i < seeds; i++) run(defect, firstSeed(defect) + i, new Attempt(search, clean, budget));
  return search;
}

/** Prints the figures of one defect; the ratio, unless neither generator found it. */
function compare(defect: Defect): { baseline: Search; ours: Search; ratio?: number } {
  const baseline = searched(defect, runCommands);
  const ours = searched(defect, runFuzzer);
  print(`${defect.id}, baseline`, baseline.operationsPerFind, unitOf(baseline));
  print(`${defect.id}, ours`, ours.operationsPerFind, unitOf(ours));
  if (!baseline.found && !ours.found) return { baseline, ours };
  const ratio = baseline.operationsPerFind / ours.operationsPerFind;
  const bound = !baseline.found ? ' or more' : !ours.found ? ' or less' : '';
  print(`${defect.id}, ratio`, ratio, `times${bound}`);
  return { baseline, ours, ratio };
}

function unitOf({ found }: Search): string {
  return found ? 'operations' : 'operations, not found';
}

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      seeds: { type: 'string', default: '3' },
      ops: { type: 'string', default: '300000' },
      json: { type: 'boolean' }, // read by figures.ts
    },
  });
  return {
    defects: values.only?.flatMap(defectsNamed) ?? DEFECTS,
    seeds: wholeNumber('--seeds', values.seeds, SEEDS_MAX),
    budget: wholeNumber('--ops', values.ops, SEQUENCES_MAX),
  };
}

const { defects, seeds, budget } = optionsOrExit('baseline', options);
const clean = trialsOf({ ...COURT, defects: new Set() });
const results = defects.map(compare);
const ratios = results.flatMap(({ ratio }) => ratio ?? []);
const missed = (which: 'baseline' | 'ours') => results.filter((result) => !result[which].found).length;
if (ratios.length > 0) print('geometric mean of the ratios', geometricMean(ratios), 'times');
print('ratios in the mean', ratios.length, 'defects');
print('not found by the baseline', missed('baseline'), 'defects');
print('not found by ours', missed('ours'), 'defects');
print('not found by either', results.length - ratios.length, 'defects');
print('skipped, baseline', sum(results.map(({ baseline }) => baseline.skipped)), 'programs');
print('skipped, ours', sum(results.map(({ ours }) => ours.skipped)), 'programs');

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function geometricMean(numbers: readonly number[]): number {
  return Math.exp(sum(numbers.map(Math.log)) / numbers.length);
}
