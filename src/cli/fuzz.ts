import { Option } from 'commander';
import { randomBytes } from 'node:crypto';
import { findId } from '../database/find-id.js';
import { FINDS_FOLDER, saveFind } from '../database/finds.js';
import { type Catch, Fuzzer } from '../fuzz/fuzzer.js';
import { LOCKSTEP_MODES, SAMPLE } from '../fuzz/panel.js';
import type { Failure } from '../lockstep/lockstep.js';
import type { Arch } from '../program/machine.js';
import type { Candidate } from '../program/candidate.js';
import { alsoMet } from '../shrink/reduce.js';
import { TextError } from '../text/error.js';
import { courtText } from '../fuzz/trials.js';
import { CliCommand, wholeNumber } from './command.js';
import { addCourtOptions, archesFor, ARCHES, courtOf } from './court-options.js';
import { findJson, findText, reduceCommand, type Report, storedFind, whatFailed } from './find-report.js';
import { fuzzWithJobs } from './fuzz-jobs.js';
import { EXIT_FOUND, EXIT_INTERRUPTED, type FuzzOptions, limitsOf, sumsLine } from './fuzz-options.js';
import { replayKept, retiredText } from './kept-finds.js';
import { inSlices, Progress, shrinkInSlices } from './progress.js';
import { runCommand } from './repeat.js';
import {
  addRunReportOptions,
  drawnCase,
  findCase,
  requireOutputs,
  writeCampaign,
  writeRunReports,
} from './run-reports.js';
import type { Sample } from '../report/html/campaign.js';

const SECONDS_MAX = 31_536_000;
const JOBS_MAX = 256;

export const fuzzCommand = addRunReportOptions(addCourtOptions(new CliCommand('fuzz')))
  .description(
    'run generated programs on both models in lockstep, every invariant checked; shrink and keep what fails',
  )
  .addOption(new Option('--arch <arch>', 'one architecture only').choices(ARCHES))
  .option('--seed <seed>', 'name of the random stream (default: a new one, printed)')
  .option('--time <seconds>', 'how long to draw programs (default: 30)', wholeNumber('seconds', SECONDS_MAX))
  .option('--ops <count>', 'how many operations to run instead', wholeNumber('operations'))
  .addOption(
    new Option(
      '--lockstep <which>',
      `which operations the reference model runs: every one; one program in ${SAMPLE} (sampled); the same, compared at its end (digest)`,
    )
      .choices(LOCKSTEP_MODES)
      .default('every'),
  )
  .option(
    '--jobs <count>',
    'worker threads; the result does not depend on how many. Without it the run is in one thread and ends with the first find',
    wholeNumber('workers', JOBS_MAX),
  )
  .option('--stats', 'also print what operations met: level, type before, answer, and what none met')
  .option('--json', 'one JSON object a line: each find, then the summary')
  .option('--html <file>', 'also write a page about the run there, with a page for each find beside it')
  .example('half a minute on both architectures', 'fuzz')
  .example('find a mistake that Xen once made', 'fuzz --defect xsa-182')
  .example('do the same again', 'fuzz --arch x86_32 --seed spring --ops 100000')
  .action(fuzz);

/**
 * `pvmmu fuzz`: exit status 0 if nothing was found, 1 if something was, 130 after Ctrl-C.
 *
 * @throws InvalidArgumentError if the defects cannot be made on the architecture; TextError if the database
 * cannot be read.
 */
export async function fuzz(options: FuzzOptions): Promise<void> {
  requireOutputs(options);
  if (options.jobs !== undefined) return fuzzWithJobs(options, options.jobs);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.once('SIGINT', interrupt);
  const run = new FuzzRun(options, interruption.signal);
  run.replayFinds();
  const caught = await run.draw();
  if (caught) await run.shrink(caught);
  process.off('SIGINT', interrupt);
  run.summarize(caught);
  await run.writeReports(caught);
  if (interruption.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
  else process.exitCode = run.finds === 0 ? 0 : EXIT_FOUND;
}

/** One run: what earlier runs found, then new programs until one fails. */
class FuzzRun {
  private readonly arches: readonly Arch[];
  private readonly seed: string;
  private readonly court: string;
  private readonly fuzzer: Fuzzer;
  private readonly begin = performance.now();
  /** Finds of this run by id, and what it moved aside. */
  private readonly found = new Map<string, Report>();
  private readonly samples: Sample[] = [{ seconds: 0, operations: 0 }];
  private readonly fixed: string[] = [];

  constructor(
    private readonly options: FuzzOptions,
    private readonly signal: AbortSignal,
  ) {
    this.arches = archesFor(options, options.arch);
    this.seed = options.seed ?? randomBytes(4).toString('hex');
    this.court = courtText(courtOf(options));
    const { arches, seed } = this;
    const { stats = false, lockstep = 'every' } = options;
    this.fuzzer = new Fuzzer({ ...courtOf(options), arches, seed, stats, lockstep });
    const judged = options.alone ? 'one model by its invariants alone' : 'both models in lockstep';
    this.say(`Fuzzing ${this.arches.join(' and ')}, ${judged}. Seed ${this.seed}`);
  }

  get finds(): number {
    return this.found.size;
  }

  /** Runs the finds of earlier runs that had the same options; those that no longer fail move aside. */
  replayFinds(): void {
    const { fuzzer, arches, options } = this;
    const settings = { ...courtOf(options), arches };
    for (const { find, failure } of replayKept(settings, (program) => fuzzer.judge(program))) {
      const { id, program, repeat } = find;
      if (failure) {
        const report = this.reportOf(program, failure, repeat ?? reduceCommand(find));
        this.emit({ ...report, id, known: true });
      } else {
        this.fixed.push(id);
        this.say(retiredText(id));
      }
    }
  }

  /** Draws programs until one fails, or the time or number that was asked for is over. */
  async draw(): Promise<Catch | undefined> {
    const { fuzzer, options } = this;
    const { seconds, operations } = limitsOf(options);
    const progress = new Progress(seconds, '{rate} operations/s  {programs} programs  {outcomes}');
    let caught: Catch | undefined;
    const step = () => {
      caught = fuzzer.next();
      return caught !== undefined || this.seconds() >= seconds || fuzzer.operations >= operations;
    };
    await inSlices(this.signal, step, () => {
      const rate = Math.round(fuzzer.operations / this.seconds()).toLocaleString('en');
      const programs = fuzzer.programs.toLocaleString('en');
      this.samples.push({ seconds: this.seconds(), operations: fuzzer.operations });
      progress.update(this.seconds(), { rate, programs, outcomes: fuzzer.outcomes.shares(5) });
    });
    progress.stop();
    return caught;
  }

  /** Shrinks a catch, after Ctrl-C as far as it came, and keeps it and what was met on the way. */
  async shrink(caught: Catch): Promise<void> {
    this.say(`Caught: ${whatFailed(caught.failure)}. Shrinking; Ctrl-C keeps the best so far.`);
    const reducer = this.fuzzer.reducer(caught);
    await shrinkInSlices(this.signal, reducer);
    const find = this.fuzzer.find(caught, reducer.result());
    const { reduction, operationsDrawn, withoutDefects } = find;
    const repeat = this.repeatText(caught);
    const report = this.reportOf(reduction.program, reduction.failure, repeat);
    this.keep({ ...report, shrunk: { reduction, operationsDrawn, withoutDefects } });
    for (const other of alsoMet(reduction))
      this.keep({ ...this.reportOf(other.program, other.failure, repeat), metWith: report.id });
  }

  /** Ends the output: answers, the command that does the same again, and a line for scripts. */
  summarize(caught: Catch | undefined): void {
    const { fuzzer, options, fixed, finds } = this;
    const { operations, programs, outcomes, cells } = fuzzer;
    const repeat = this.repeatText(caught);
    const seconds = this.seconds();
    if (options.ktap) return;
    if (options.json) {
      const answers = outcomes.byOperation();
      const summary = { operations, programs, finds, fixed, answers, stats: cells?.rows(), repeat, seconds };
      console.log(JSON.stringify({ type: 'summary', ...summary, interrupted: this.signal.aborted }));
      return;
    }
    if (!caught) this.say(`Answers: ${outcomes.shares()}`);
    if (cells) this.say(cells.table());
    this.say(`Repeat: ${repeat}`);
    this.say(sumsLine(operations, programs, finds, seconds));
  }

  /** The reports that were asked for besides. */
  async writeReports(caught: Catch | undefined): Promise<void> {
    const { options, fuzzer, fixed, arches } = this;
    const finds = [...this.found.values()];
    const { operations, programs, outcomes } = fuzzer;
    const seconds = this.seconds();
    if (options.junit !== undefined || options.ktap) {
      const cases = [
        ...fixed.map((id) => ({ name: `find ${id}` })),
        ...(caught ? [] : [drawnCase(programs, operations)]),
        ...finds.map(findCase),
      ];
      writeRunReports(options, { name: 'pvmmu fuzz', seconds, cases });
    }
    if (options.html === undefined) return;
    const judged = options.alone ? 'by the invariants alone' : 'both models in lockstep';
    const repeat = this.repeatText(caught);
    const answers = outcomes.byOperation();
    const { samples } = this;
    const run = { arches, judged, operations, programs, seconds, repeat, samples, answers, fixed };
    await writeCampaign(options.html, run, finds);
    this.say(`Page: ${options.html}`);
  }

  private reportOf(program: Candidate, failure: Failure, repeat: string): Report {
    const answers = this.fuzzer.answersTo(program, failure);
    const options = this.court;
    return { id: findId(program, options), program, failure, answers, options, repeat, known: false };
  }

  private keep(report: Report): void {
    try {
      const known = !saveFind(FINDS_FOLDER, storedFind(report));
      this.emit({ ...report, known });
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      this.emit({ ...report, unsaved: error.message });
    }
  }

  private emit(report: Report): void {
    this.found.set(report.id, report);
    if (this.options.ktap) return;
    console.log(this.options.json ? JSON.stringify(findJson(report)) : findText(report));
  }

  /** The command that does what this run did, or finds again what was caught. */
  private repeatText(caught?: Catch): string {
    if (caught) return this.fuzzer.repeatOf(caught);
    return runCommand(this.options, this.seed, this.fuzzer.operations);
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }

  private say(line: string): void {
    if (!this.options.json && !this.options.ktap) console.log(line);
  }
}
