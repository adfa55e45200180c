import { InvalidArgumentError, Option } from 'commander';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import manifest from '../../package.json' with { type: 'json' };
import { type Campaign, settingsOf, shardsOf, type Store } from '../campaign/campaign.js';
import { FolderStore } from '../campaign/folder.js';
import { RedisStore } from '../campaign/redis.js';
import type { Shard, ShardResult } from '../campaign/shard.js';
import { CORPUS_FOLDER, saveCorpus } from '../database/corpus.js';
import { parseFind } from '../database/find-text.js';
import { FINDS_FOLDER, saveFind } from '../database/finds.js';
import { cellText } from '../fuzz/cells.js';
import { LOCKSTEP_MODES, type LockstepMode } from '../fuzz/panel.js';
import type { Arch } from '../program/machine.js';
import { TextError } from '../text/error.js';
import { Pool } from '../workers/pool.js';
import { CampaignProgress, stateText, StatusPage, watch } from './campaign-view.js';
import { CliCommand, wholeNumber } from './command.js';
import { addCourtOptions, archesFor, ARCHES, courtOf, type CourtOptions } from './court-options.js';
import { PAGE_MARK, requireOutput } from './output.js';

interface PlaceOptions {
  readonly redis?: string;
  readonly name: string;
}

interface StartOptions extends PlaceOptions, CourtOptions {
  readonly arch?: Arch;
  readonly seed?: string;
  readonly programs: number;
  readonly shard: number;
  readonly lockstep: LockstepMode;
}

interface WorkOptions extends PlaceOptions {
  readonly jobs?: number;
}

interface StatusOptions extends PlaceOptions {
  readonly watch?: true;
  readonly json?: true;
  readonly html?: string;
}

interface FetchOptions extends PlaceOptions {
  readonly corpus: string;
}

const PROGRAMS_DEFAULT = 100_000;
/** A quarter of a second's work and more: few enough to lose little by a kill, enough for a queue of many workers. */
const SHARD_DEFAULT = 2048;
const JOBS_MAX = 256;
/** A shard takes about a second, and more where finds are shrunk. */
const SHARD_LIMIT_MS = 300_000;
const EXIT_FOUND = 1;

export const campaignCommand = new CliCommand('campaign')
  .description('run very many programs on all cores of this machine, or with Redis on many machines')
  .example('begin one on this machine', 'campaign start')
  .example('do its shards', 'campaign work');

addCourtOptions(placed('start', 'begin a campaign, or let a stopped one go on'))
  .addOption(new Option('--arch <arch>', 'one architecture only').choices(ARCHES))
  .option('--seed <seed>', 'name of the random stream (default: a new one)')
  .option('--programs <count>', 'programs in all', wholeNumber('programs'), PROGRAMS_DEFAULT)
  .option('--shard <count>', 'programs that a worker does at a time', wholeNumber('programs'), SHARD_DEFAULT)
  .addOption(
    new Option('--lockstep <which>', 'which programs the reference model runs, as for fuzz')
      .choices(LOCKSTEP_MODES)
      .default('every'),
  )
  .example('on this machine', 'campaign start')
  .example('for many machines', 'campaign start --redis redis://queue:6379 --programs 100000000')
  .action(start);
placed('work', 'do shards of a campaign until none is left')
  .option('--jobs <count>', 'worker threads (default: one for each core)', wholeNumber('workers', JOBS_MAX))
  .example('on each machine', 'campaign work --redis redis://queue:6379')
  .action(work);
placed('status', 'what a campaign has done and found')
  .option('--watch', 'show how far it is until it has ended, then the same')
  .addOption(new Option('--json', 'as one JSON object').conflicts('watch'))
  .option('--html <file>', 'also write its page there; with --watch again and again')
  .example('of the campaign on this machine', 'campaign status')
  .example(
    'of one on many machines, live',
    'campaign status --redis redis://queue:6379 --watch --html page.html',
  )
  .action(status);
placed('fetch', 'keep what a campaign has found, and its corpus: the shortest way to each cell that it met')
  .option('--corpus <folder>', 'where the corpus goes, a program text each', CORPUS_FOLDER)
  .example('then hold both models against its answers', 'campaign fetch && npx pvmmu replay .pvmmu/corpus/*')
  .action(fetch);
placed('stop', 'let no further shard of a campaign begin')
  .example('of the campaign on this machine', 'campaign stop')
  .action(stop);

function placed(name: string, description: string): CliCommand {
  const command = campaignCommand.command(name) as CliCommand;
  return command
    .description(description)
    .option(
      '--redis <url>',
      'the Redis or Valkey that holds the campaign (default: files in .pvmmu/campaigns)',
    )
    .option('--name <name>', 'of the campaign', campaignName, 'campaign') as CliCommand;
}

function campaignName(text: string): string {
  if (!/^[\w.-]{1,60}$/.test(text))
    throw new InvalidArgumentError('Expected up to 60 letters, digits, dots, dashes and underscores.');
  return text;
}

async function withStore(options: PlaceOptions, act: (store: Store) => Promise<void>): Promise<void> {
  const { redis, name } = options;
  const store = redis === undefined ? new FolderStore(name) : await RedisStore.connect(redis, name);
  try {
    await act(store);
  } finally {
    await store.close();
  }
}

/** @throws TextError if a campaign with other settings has the name. */
async function start(options: StartOptions): Promise<void> {
  await withStore(options, async (store) => {
    const { programs, shard, lockstep, seed = randomBytes(4).toString('hex') } = options;
    const { quirks, defects, alone } = courtOf(options);
    const arches = archesFor(options, options.arch);
    const settings = { arches, seed, quirks, defects: [...defects].sort(), alone, lockstep };
    const campaign: Campaign = { version: manifest.version, programs, shard, settings };
    await store.start(campaign);
    console.log(`campaign: ${shardsOf(campaign).length} shards, seed ${seed}, in ${store.place}`);
  });
}

/** @throws TextError if there is no campaign, or one of another version of pvmmu. */
async function work(options: WorkOptions): Promise<void> {
  await withStore(options, async (store) => {
    const campaign = await ownCampaign(store);
    const workers = options.jobs ?? availableParallelism();
    const settings = settingsOf(campaign);
    const pool = new Pool({ workers, data: { work: 'shard', settings }, limitMs: SHARD_LIMIT_MS });
    const progress = new CampaignProgress(campaign);
    const signal = interruption();
    const run = (shard: Shard) => pool.run<ShardResult>(shard);
    await store.work({ run, workers, signal, show: (tally) => progress.show(tally) });
    progress.stop();
    await pool.close();
    console.log(stateText(campaign, await store.tally()));
  });
}

async function status(options: StatusOptions): Promise<void> {
  const { json, html } = options;
  if (html !== undefined) requireOutput(html, PAGE_MARK);
  await withStore(options, async (store) => {
    const campaign = await store.campaign();
    const page = html === undefined ? undefined : new StatusPage(html);
    if (options.watch) await watch(store, campaign, interruption(), page);
    await page?.write(store, campaign);
    const union = await store.union();
    const poisoned = await store.poisoned();
    const tally = await store.tally();
    if (json) {
      const { shards, programs, operations, failed, finds } = union;
      const answers = union.outcomes.byOperation();
      const corpus = union.corpus.ways.map((way) => ({ ...way, cell: cellText(way.cell) }));
      const sums = { shards, programs, operations, failed, finds, answers, corpus };
      const { stopped } = tally;
      console.log(JSON.stringify({ type: 'campaign', campaign, ...sums, poisoned, stopped }));
    } else {
      console.log(union.report());
      for (const { from, reason } of poisoned) console.log(`set aside: shard ${from}: ${reason}`);
      if (html !== undefined) console.log(`Page: ${html}`);
      console.log(stateText(campaign, tally));
    }
    if (union.failed > 0) process.exitCode = EXIT_FOUND;
  });
}

/** Keeps the campaign's finds with those of other runs, and writes its corpus. */
async function fetch(options: FetchOptions): Promise<void> {
  await withStore(options, async (store) => {
    const campaign = await ownCampaign(store);
    const { finds, corpus } = await store.union();
    const newFinds = finds.filter(({ id, text }) =>
      saveFind(FINDS_FOLDER, parseFind(text, id, `find ${id}`)),
    );
    const written = saveCorpus(options.corpus, settingsOf(campaign), corpus.ways);
    console.log(`${FINDS_FOLDER}: ${newFinds.length} new finds of ${finds.length}`);
    console.log(`${options.corpus}: ${written} new programs of ${corpus.size}`);
  });
}

async function stop(options: PlaceOptions): Promise<void> {
  await withStore(options, async (store) => {
    await store.stop();
    console.log(stateText(await store.campaign(), await store.tally()));
  });
}

/** @throws TextError if the campaign is of another version of pvmmu: it would draw other programs. */
async function ownCampaign(store: Store): Promise<Campaign> {
  const campaign = await store.campaign();
  if (campaign.version !== manifest.version)
    throw new TextError(store.place, 0, 0, `is of pvmmu ${campaign.version}, expected ${manifest.version}`);
  return campaign;
}

/** Ctrl-C. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}
