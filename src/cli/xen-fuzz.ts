import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UNKNOWN } from '../../models/x86/result.js';
import { saveFind } from '../database/finds.js';
import { CLASS_WORDS } from '../fuzz/class.js';
import { courtText } from '../fuzz/trials.js';
import { operationStarts, RECORD } from '../program/record.js';
import { TextError } from '../text/error.js';
import { HEADER, printProgram } from '../text/print.js';
import { Campaign, type Catch, type Shrunk } from '../xen/campaign.js';
import type { Farm } from '../xen/farm.js';
import { courtOf } from './court-options.js';
import { Progress } from './progress.js';
import type { XenCommandOptions } from './xen-farms.js';
import { nameOf } from './xen-confirm.js';

/** What real Xen and the models disagree about. It may be a security issue of Xen's: see docs/real-xen.md. */
const FINDS_FOLDER = join('.pvmmu', 'xen-finds');
const SECONDS_DEFAULT = 30;
/** The class of mistakes that need a lost race. */
const RACES = 'K';
/** Programs drawn between looks at the clock and at answers. */
const DRAWN_AT_ONCE = 50;
const EXIT_FOUND = 1;
const EXIT_INTERRUPTED = 130;

/** `pvmmu xen fuzz`: exit status 0 if real Xen and both models agree, 1 if not, 130 after Ctrl-C. */
export async function fuzzXen(farm: Farm, options: XenCommandOptions, signal: AbortSignal): Promise<void> {
  const seed = options.seed ?? randomBytes(4).toString('hex');
  const counts = farm.build.showsCounts ? '' : ' (its frame table cannot be read)';
  console.log(`Fuzzing ${nameOf(farm.build)} ${farm.build.arch}${counts}, against both models. Seed ${seed}`);
  for (const { id, class: kind } of options.defect ?? [])
    if (kind === RACES && !farm.build.races)
      console.log(
        `${id} is of class ${kind} (${CLASS_WORDS[kind]}), which this image of Xen does not allow.`,
      );
  const run = new XenFuzzRun(farm, options, seed, signal);
  await run.draw();
  run.summarize();
}

class XenFuzzRun {
  private readonly caught: Catch[] = [];
  private readonly found = new Set<string>();
  private readonly campaign: Campaign;
  private readonly begin = performance.now();

  constructor(
    farm: Farm,
    private readonly options: XenCommandOptions,
    private readonly seed: string,
    private readonly signal: AbortSignal,
  ) {
    const { programs = Infinity } = options;
    const { defects } = courtOf(options);
    this.campaign = new Campaign(farm, { seed, defects, programs }, (found) => this.caught.push(found));
  }

  /** Draws programs until the time or number that was asked for is over; what surprises is shrunk at once. */
  async draw(): Promise<void> {
    const { campaign, options, signal } = this;
    const seconds = options.time ?? (options.programs === undefined ? SECONDS_DEFAULT : Infinity);
    const progress = new Progress(
      seconds,
      '{rate} programs/s  {operations} operations/s  {programs} programs',
    );
    for (let over = false; !signal.aborted && !(over && campaign.idle && this.caught.length === 0);) {
      over ||= campaign.allDrawn || this.seconds() >= seconds;
      let drawn = 0;
      while (!over && drawn < DRAWN_AT_ONCE && campaign.draw()) drawn++;
      await sleep(drawn < DRAWN_AT_ONCE ? 2 : 0);
      const each = (count: number) => Math.round(count / this.seconds()).toLocaleString('en');
      const programs = campaign.programs.toLocaleString('en');
      progress.update(this.seconds(), {
        rate: each(campaign.programs),
        operations: each(campaign.operations),
        programs,
      });
      for (let found = this.caught.shift(); found; found = this.caught.shift()) {
        progress.stop();
        await this.report(found);
      }
    }
    progress.stop();
  }

  private async report(found: Catch): Promise<void> {
    console.log(`Caught: ${found.surprise.failure.message}. Shrinking; Ctrl-C keeps the best so far.`);
    const shrunk = await this.campaign.shrink(found, this.signal);
    const { reduction, surprise } = shrunk;
    const { program, failure, runs, minimal, proof } = reduction;
    const answers = surprise.answer?.results ?? new Int32Array(program.code.length / RECORD).fill(UNKNOWN);
    const text = printProgram({ ...program, name: 'counterexample', expected: answers, finals: [] });
    const passing = proof.filter((removal) => removal.failure === undefined).length;
    console.log(
      [
        '',
        `Found: ${failure.message}`,
        `Shrunk from ${operationStarts(found.program.code).length} operations in ${runs} runs on real Xen:`,
        '',
        HEADER,
        text,
        ...surprise.lines,
        this.save(found, shrunk, answers),
        minimal
          ? `Proof: ${proof.length} programs with one operation or element less: ${passing} agree.`
          : 'Not minimal: interrupted.',
        `Repeat: ${this.repeat(found)}`,
      ].join('\n'),
    );
  }

  private save(found: Catch, { reduction, surprise }: Shrunk, expected: Int32Array): string {
    const { program, failure, id } = reduction;
    this.found.add(id);
    try {
      saveFind(FINDS_FOLDER, {
        id,
        title: failure.message,
        kind: failure.kind,
        invariant: failure.violation?.invariant,
        options: courtText(courtOf(this.options)),
        repeat: this.repeat(found),
        program: { ...program, name: 'counterexample', expected, finals: [] },
      });
      const path = join(FINDS_FOLDER, id);
      if (surprise.lines.length > 0) writeFileSync(`${path}.log`, `${surprise.lines.join('\n')}\n`);
      return `Saved: ${path}.pvmmu`;
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      return `Not saved: ${error.message}`;
    }
  }

  private repeat({ number }: Catch): string {
    return this.command(number + 1);
  }

  private command(programs: number): string {
    const { arch, xen } = this.options;
    const court = courtText(courtOf(this.options));
    return [
      'npx pvmmu xen fuzz',
      ...(xen ? [`--xen ${xen}`] : []),
      ...(arch ? [`--arch ${arch}`] : []),
      ...(court ? [court] : []),
      `--seed ${this.seed} --programs ${programs}`,
    ].join(' ');
  }

  summarize(): void {
    const { campaign, signal } = this;
    const { programs, equalPrograms, operations, sorts, stopped, knownLosses, outcomes, unrepeated } =
      campaign;
    const seconds = this.seconds();
    console.log(`Answers: ${outcomes.shares()}`);
    for (const [sort, count] of sorts) console.log(`${count} programs: ${sort}`);
    for (const { number, surprise } of unrepeated)
      console.log(`Once only, program ${number}: ${surprise.failure.message}`);
    for (const [why, count] of stopped) console.log(`${count} programs were not run to their end: ${why}`);
    console.log(`${knownLosses} programs lost references as both models say (rules 14)`);
    console.log(`Repeat: ${this.command(Math.max(1, programs))}`);
    console.log(
      `xen: ${programs} programs, ${equalPrograms} equal; ${operations} operations; ${this.found.size} finds, ` +
        `${seconds.toFixed(1)} s`,
    );
    const differing = programs > equalPrograms;
    process.exitCode = signal.aborted ? EXIT_INTERRUPTED : differing ? EXIT_FOUND : 0;
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }
}
