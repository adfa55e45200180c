/** `pvmmu fuzz --jobs`: the programs of a run in shards, on worker threads. */
import { randomBytes } from 'node:crypto';
import { type LostProgram, runShards } from '../campaign/run-shards.js';
import type { ShardResult } from '../campaign/shard.js';
import type { Union } from '../campaign/union.js';
import { parseFind, printFind } from '../database/find-text.js';
import { FINDS_FOLDER, saveFind } from '../database/finds.js';
import { streamName } from '../fuzz/drawings.js';
import type { FuzzSettings } from '../fuzz/fuzzer.js';
import { courtText, trialsOf } from '../fuzz/trials.js';
import type { Sample } from '../report/html/campaign.js';
import { quoted } from '../text/shell.js';
import { Pool } from '../workers/pool.js';
import { archesFor, courtOf } from './court-options.js';
import { EXIT_FOUND, EXIT_INTERRUPTED, type FuzzOptions, limitsOf, sumsLine } from './fuzz-options.js';
import { replayKept, retiredText } from './kept-finds.js';
import { Progress } from './progress.js';
import { runCommand } from './repeat.js';
import {
  drawnCase,
  findCase,
  type ToldFind,
  toldFind,
  writeCampaign,
  writeRunReports,
} from './run-reports.js';

/** A shard takes about a second, and some more where finds are shrunk. */
const SHARD_LIMIT_MS = 120_000;

/** What came of the run. */
interface Done {
  readonly settings: FuzzSettings;
  readonly union: Union;
  /** Kept ones that still fail, and new ones. */
  readonly finds: readonly (ToldFind & { readonly text: string })[];
  /** Kept ones that fail no longer. */
  readonly fixed: readonly string[];
  readonly lost: readonly Lost[];
  readonly seconds: number;
  readonly samples: readonly Sample[];
  readonly interrupted: boolean;
}

interface Lost {
  readonly reason: string;
  readonly repeat: string;
}

/** Exit status 0 if nothing was found, 1 if something was or a program was lost, 130 after Ctrl-C. */
export async function fuzzWithJobs(options: FuzzOptions, workers: number): Promise<void> {
  const { seed = randomBytes(4).toString('hex'), lockstep = 'every', stats = false } = options;
  const settings = { ...courtOf(options), arches: archesFor(options, options.arch), seed, lockstep, stats };
  const say = (line: string) => {
    if (!options.json && !options.ktap) console.log(line);
  };
  say(`Fuzzing ${settings.arches.join(' and ')} with worker threads. Seed ${seed}`);
  const kept = replay(settings);
  for (const { id, text } of kept.finds) say(`find ${id}, kept by an earlier run\n${text}`);
  for (const id of kept.fixed) say(retiredText(id));
  const done = await run(settings, kept, options, workers);
  if (options.json) printJson(done);
  else {
    for (const { reason, repeat } of done.lost) say(`Lost: ${reason}. Repeat: ${repeat}`);
    say(done.union.report());
    if (stats) say(done.union.cells.table());
    say(`Repeat: ${repeatText(options, done)}`);
  }
  writeRunReports(options, { name: 'pvmmu fuzz', seconds: done.seconds, cases: casesOf(done) });
  if (options.html !== undefined) {
    await writePage(options.html, options, done);
    say(`Page: ${options.html}`);
  }
  const { operations, programs } = done.union;
  say(sumsLine(operations, programs, done.finds.length, done.seconds));
  if (done.interrupted) process.exitCode = EXIT_INTERRUPTED;
  else process.exitCode = done.finds.length + done.lost.length === 0 ? 0 : EXIT_FOUND;
}

type Kept = Pick<Done, 'finds' | 'fixed'>;

function replay(settings: FuzzSettings): Kept {
  const trials = trialsOf(settings);
  const replayed = [...replayKept(settings, (program) => trials.run(program))];
  const failing = replayed.filter(({ failure }) => failure);
  return {
    finds: failing.map(({ find }) => ({ ...toldFind(find, true), text: printFind(find) })),
    fixed: replayed.filter(({ failure }) => !failure).map(({ find }) => find.id),
  };
}

async function run(settings: FuzzSettings, kept: Kept, options: FuzzOptions, workers: number): Promise<Done> {
  const { seconds, operations } = limitsOf(options);
  const begin = performance.now();
  const spent = () => (performance.now() - begin) / 1000;
  const samples: Sample[] = [{ seconds: 0, operations: 0 }];
  let interrupted = false;
  process.once('SIGINT', () => (interrupted = true));
  const progress = new Progress(seconds, '{rate} operations/s  {programs} programs  {finds} finds');
  const pool = new Pool({ workers, data: { work: 'shard', settings }, limitMs: SHARD_LIMIT_MS });
  const { union, lost } = await runShards({
    arches: settings.arches,
    run: (shard) => pool.run<ShardResult>(shard),
    workers,
    isEnough: (done) => {
      const rate = Math.round(done.operations / spent()).toLocaleString('en');
      progress.update(spent(), { rate, programs: done.programs, finds: done.findCount });
      samples.push({ seconds: spent(), operations: done.operations });
      return interrupted || done.operations >= operations || spent() >= seconds;
    },
  });
  progress.stop();
  await pool.close();
  const known = new Set(kept.finds.map(({ id }) => id));
  const drawn = union.finds
    .filter(({ id }) => !known.has(id))
    .map(({ id, text }) => {
      const find = parseFind(text, id, `find ${id}`);
      return { ...toldFind(find, !saveFind(FINDS_FOLDER, find)), text };
    });
  return {
    settings,
    union,
    finds: [...kept.finds, ...drawn],
    fixed: kept.fixed,
    lost: lost.map((program) => lostOf(settings, program)),
    seconds: spent(),
    samples,
    interrupted,
  };
}

function printJson({ settings, union, finds, fixed, lost, interrupted }: Done): void {
  for (const { id, text, known } of finds)
    console.log(JSON.stringify({ type: 'stored_find', id, text, known }));
  const { programs, operations, failed } = union;
  const answers = union.outcomes.byOperation();
  const stats = settings.stats ? { stats: union.cells.rows() } : {};
  const sums = { operations, programs, failed, finds: finds.length, fixed, lost, answers, ...stats };
  console.log(JSON.stringify({ type: 'jobs_summary', ...sums, interrupted }));
}

function casesOf({ union: { programs, operations }, finds, fixed, lost }: Done) {
  const lostCases = lost.map(({ reason, repeat }) => ({
    name: `lost program: ${repeat}`,
    failure: { what: reason, text: `Repeat: ${repeat}` },
  }));
  return [
    ...fixed.map((id) => ({ name: `find ${id}` })),
    ...(finds.length + lost.length === 0 ? [drawnCase(programs, operations)] : []),
    ...finds.map(findCase),
    ...lostCases,
  ];
}

function repeatText(options: FuzzOptions, { settings, union }: Done): string {
  return `${runCommand(options, settings.seed, union.operations)} --jobs ${options.jobs}`;
}

async function writePage(path: string, options: FuzzOptions, done: Done): Promise<void> {
  const { settings, union, seconds, samples } = done;
  const { operations, programs } = union;
  const campaign = {
    arches: settings.arches,
    judged: options.alone ? 'by the invariants alone' : 'both models in lockstep',
    operations,
    programs,
    seconds,
    repeat: repeatText(options, done),
    samples,
    answers: union.outcomes.byOperation(),
    fixed: done.fixed,
  };
  await writeCampaign(path, campaign, done.finds);
}

function lostOf(settings: FuzzSettings, { number, reason }: LostProgram): Lost {
  const { arches, seed } = settings;
  const court = courtText(settings);
  const repeat = [
    `npx pvmmu fuzz --arch ${arches[number % arches.length]!}`,
    ...(court === '' ? [] : [court]),
    `--seed ${quoted(streamName(seed, Math.floor(number / arches.length)))} --ops 1`,
  ];
  return { reason, repeat: repeat.join(' ') };
}
