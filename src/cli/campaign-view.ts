/** A campaign as it is shown: a line on the terminal, and its page. */
import { setTimeout } from 'node:timers/promises';
import {
  type Campaign,
  type Pace,
  PACE_SECONDS,
  type Poisoned,
  settingsOf,
  shardsOf,
  type Store,
  type Tally,
} from '../campaign/campaign.js';
import type { Union } from '../campaign/union.js';
import { parseFind } from '../database/find-text.js';
import { courtText } from '../fuzz/trials.js';
import type { Campaign as CampaignOnPage, ListedFind, Sample } from '../report/html/campaign.js';
import type { Point } from '../report/html/chart.js';
import { quoted } from '../text/shell.js';
import { Progress } from './progress.js';
import { toldFind, writeCampaignPage, writeFindPage } from './run-reports.js';

/** The rate that is shown is that of so many milliseconds. */
const RATE_MS = 20_000;
const WATCH_MS = 2_000;

export function stateText(campaign: Campaign, { done, running, setAside, finds, stopped }: Tally): string {
  const all = shardsOf(campaign).length;
  const under = running === 0 ? '' : `, ${running} under way`;
  return `campaign: ${done} of ${all} shards done${under}, ${setAside} set aside, ${finds} finds${stopped ? ', stopped' : ''}`;
}

/** No shard of it is done any more, unless it is started again. */
export function isOver(campaign: Campaign, { done, running, setAside, stopped }: Tally): boolean {
  return (stopped && running === 0) || done + setAside >= shardsOf(campaign).length;
}

/** The line on a terminal. */
export class CampaignProgress {
  private readonly progress: Progress;
  private readonly recent: { readonly at: number; readonly operations: number }[] = [];

  constructor(campaign: Campaign) {
    const all = shardsOf(campaign).length;
    const format = `{done} of ${all} shards  {running} under way  {aside} set aside  {rate} operations/s  {finds} finds  {cells} cells`;
    this.progress = new Progress(all, format);
  }

  show(tally: Tally): void {
    const { done, running, setAside, operations, finds, cells } = tally;
    const at = performance.now();
    const { recent } = this;
    recent.push({ at, operations });
    while (recent.length > 2 && at - recent[0]!.at > RATE_MS) recent.shift();
    const { at: since, operations: before } = recent[0]!;
    const rate = at === since ? '-' : rateText((operations - before) / ((at - since) / 1000));
    this.progress.update(done, { done, running, aside: setAside, rate, finds, cells });
  }

  stop(): void {
    this.progress.stop();
  }
}

function rateText(rate: number): string {
  return Math.round(rate).toLocaleString('en');
}

/** Shows how far the campaign is until it is over or the signal comes; without a terminal in a line for each change. */
export async function watch(
  store: Store,
  campaign: Campaign,
  signal: AbortSignal,
  page: StatusPage | undefined,
): Promise<void> {
  const progress = new CampaignProgress(campaign);
  let before = '';
  for (;;) {
    const tally = await store.tally();
    progress.show(tally);
    const now = stateText(campaign, tally);
    if (!process.stderr.isTTY && now !== before) console.log(now);
    before = now;
    if (signal.aborted || isOver(campaign, tally)) break;
    await page?.write(store, campaign, WATCH_MS / 1000);
    await setTimeout(WATCH_MS, undefined, { signal }).catch(() => undefined);
  }
  progress.stop();
}

/** The campaign's page, with one for each find beside it. */
export class StatusPage {
  private readonly listed = new Map<string, ListedFind>();

  constructor(private readonly path: string) {}

  /** With `refresh` a browser reads it again after so many seconds. */
  async write(store: Store, campaign: Campaign, refresh?: number): Promise<void> {
    const union = await store.union();
    const finds: ListedFind[] = [];
    for (const { id, text } of union.finds) {
      const find = toldFind(parseFind(text, id, `find ${id}`), false);
      const listed = this.listed.get(id) ?? (await writeFindPage(this.path, find));
      this.listed.set(id, listed);
      finds.push(listed);
    }
    const [tally, poisoned, pace] = [await store.tally(), await store.poisoned(), await store.pace()];
    writeCampaignPage(this.path, { ...pageOf(campaign, union, tally, poisoned, pace), refresh }, finds);
  }
}

function pageOf(
  campaign: Campaign,
  union: Union,
  tally: Tally,
  poisoned: readonly Poisoned[],
  pace: readonly Pace[],
): Omit<CampaignOnPage, 'finds'> {
  const { settings } = campaign;
  const samples = samplesOf(pace);
  return {
    arches: settings.arches,
    judged: settings.alone ? 'by the invariants alone' : 'both models in lockstep',
    operations: union.operations,
    programs: union.programs,
    seconds: samples.at(-1)!.seconds,
    repeat: startCommand(campaign),
    samples,
    answers: union.outcomes.byOperation(),
    fixed: [],
    shards: {
      all: shardsOf(campaign).length,
      ...tally,
      poisoned,
      rates: ratesOf(samples),
      coverage: coverageOf(union),
    },
  };
}

function coverageOf({ corpus, cells }: Union) {
  for (const { cell } of corpus.ways) cells.count(cell);
  return cells.coverage();
}

/** From the time of the first answers on, how many operations there were in all. */
function samplesOf(pace: readonly Pace[]): Sample[] {
  const samples: Sample[] = [{ seconds: 0, operations: 0 }];
  let sum = 0;
  for (const { at, operations } of pace) {
    const seconds = at - pace[0]!.at;
    if (seconds > samples.at(-1)!.seconds) samples.push({ seconds, operations: sum }); // nothing until then
    sum += operations;
    samples.push({ seconds: seconds + PACE_SECONDS, operations: sum });
  }
  return samples;
}

/** Steps. */
function ratesOf(samples: readonly Sample[]): Point[] {
  return samples.slice(1).flatMap((sample, i) => {
    const before = samples[i]!;
    const value = (sample.operations - before.operations) / (sample.seconds - before.seconds);
    return [
      { seconds: before.seconds, value },
      { seconds: sample.seconds, value },
    ];
  });
}

/** The command that begins the same campaign. */
function startCommand(campaign: Campaign): string {
  const { arches, seed, lockstep = 'every' } = campaign.settings;
  const court = courtText(settingsOf(campaign));
  return [
    'npx pvmmu campaign start',
    ...(arches.length === 1 ? [`--arch ${arches[0]!}`] : []),
    ...(court === '' ? [] : [court]),
    ...(lockstep === 'every' ? [] : [`--lockstep ${lockstep}`]),
    `--seed ${quoted(seed)} --programs ${campaign.programs} --shard ${campaign.shard}`,
  ].join(' ');
}
