/** A campaign on one machine, its state in files: each is written whole or not at all, so a kill loses a shard's work at most. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  type Campaign,
  DEATHS,
  mustBeSame,
  noCampaign,
  type Pace,
  PACE_SECONDS,
  type Poisoned,
  shardsOf,
  type Store,
  type Tally,
  TRIES,
  type Work,
} from './campaign.js';
import type { Shard, ShardResult } from './shard.js';
import { type Sums, Union } from './union.js';

/** A result as it is kept, with the time of its answer in seconds since 1970. */
type KeptResult = ShardResult & { readonly at: number };

/** What the results of some shards come to: made from these again wherever it is missing. */
interface KeptSums {
  readonly shards: readonly number[];
  readonly sums: Sums;
  readonly pace: readonly Pace[];
}

/** Of a shard that has begun and is not done. */
interface Tries {
  /** Tries that failed. */
  readonly failed: number;
  /** Tries that began, beyond those that failed. */
  readonly deaths: number;
  /** Of the last failure. */
  readonly reason: string;
  /** The process that tried it last. */
  readonly pid: number;
}

/** So many results beyond those summed up are read one by one. */
const UNSUMMED_MAX = 200;
const SHOW_MS = 1000;

export class FolderStore implements Store {
  readonly place: string;
  private known: Union | undefined;
  private readonly paceByTime = new Map<number, number>();

  constructor(name: string) {
    this.place = join('.pvmmu', 'campaigns', name);
  }

  async start(campaign: Campaign): Promise<void> {
    if (existsSync(this.file('campaign'))) mustBeSame(await this.campaign(), campaign, this.place);
    for (const folder of ['results', 'tries', 'poisoned'])
      mkdirSync(join(this.place, folder), { recursive: true });
    this.write('campaign', campaign);
    this.write('stopped', false);
  }

  async campaign(): Promise<Campaign> {
    if (!existsSync(this.file('campaign'))) throw noCampaign(this.place);
    return this.read<Campaign>('campaign');
  }

  /** The sums that are kept, and what is not in them from the results. */
  async union(): Promise<Union> {
    const union = this.known ?? this.summed(await this.campaign());
    this.known = union;
    const fresh = this.numbers('results').filter((from) => !union.done.has(from));
    for (const from of fresh) this.add(union, this.read<KeptResult>(`results/${from}`));
    if (fresh.length > UNSUMMED_MAX) this.keepSums(union);
    return union;
  }

  async tally(): Promise<Tally> {
    const union = await this.union();
    return {
      done: union.shards,
      running: this.numbers('tries').filter((from) => !this.isDone(from) && this.isUnderWay(from)).length,
      setAside: this.numbers('poisoned').length,
      operations: union.operations,
      finds: union.findCount,
      cells: union.corpus.size,
      stopped: this.isStopped(),
    };
  }

  async pace(): Promise<readonly Pace[]> {
    await this.union();
    return this.paces().sort((a, b) => a.at - b.at);
  }

  async poisoned(): Promise<readonly Poisoned[]> {
    return this.numbers('poisoned').map((from) => this.read<Poisoned>(`poisoned/${from}`));
  }

  async stop(): Promise<void> {
    await this.campaign();
    this.write('stopped', true);
  }

  async work({ run, workers, signal, show }: Work): Promise<void> {
    const shards = shardsOf(await this.campaign()).values();
    await this.union();
    const ended = new AbortController();
    const one = async () => {
      for (const shard of shards) {
        while (!this.isDone(shard.from)) {
          if (signal.aborted || this.isStopped()) return;
          await this.try(run, shard);
        }
      }
    };
    const showing = this.showUntil(ended.signal, show);
    try {
      await Promise.all(Array.from({ length: workers }, one));
    } finally {
      ended.abort();
      await showing;
    }
  }

  async close(): Promise<void> {
    // Files need none.
  }

  private async showUntil(ended: AbortSignal, show: Work['show']): Promise<void> {
    while (!ended.aborted) {
      show(await this.tally());
      await setTimeout(SHOW_MS, undefined, { signal: ended }).catch(() => undefined);
    }
  }

  private isDone(from: number): boolean {
    return existsSync(this.file(`results/${from}`)) || existsSync(this.file(`poisoned/${from}`));
  }

  private isStopped(): boolean {
    return this.read<boolean>('stopped');
  }

  /** Each try is noted before it begins, so that one that takes the whole process with it counts. */
  private async try(run: Work['run'], shard: Shard): Promise<void> {
    const { from } = shard;
    const name = `tries/${from}`;
    const { failed, deaths, reason } = existsSync(this.file(name))
      ? this.read<Tries>(name)
      : { failed: 0, deaths: 0, reason: '' };
    if (failed >= TRIES || deaths >= DEATHS) {
      const why = failed >= TRIES ? reason : `its process ended ${deaths} times`;
      this.write(`poisoned/${from}`, { from, reason: why });
      return;
    }
    const { pid } = process;
    this.write(name, { failed, deaths: deaths + 1, reason, pid });
    try {
      this.keep(await run(shard));
      rmSync(this.file(name), { force: true });
    } catch (error) {
      this.write(name, { failed: failed + 1, deaths, reason: (error as Error).message, pid });
    }
  }

  private isUnderWay(from: number): boolean {
    try {
      process.kill(this.read<Tries>(`tries/${from}`).pid, 0);
      return true;
    } catch {
      return false; // it has ended, or the shard has since been done
    }
  }

  /**
   * Ways that are no better than those of results that are kept need not be kept again. So a result that is there stays
   * as it is: another process's, of the same shard, may have left out what this one has.
   */
  private keep(result: ShardResult): void {
    const union = this.known!;
    const ways = union.corpus.better(result.ways ?? []);
    const kept: KeptResult = { ...result, ways, at: Math.floor(Date.now() / 1000) };
    if (this.writeOnce(`results/${result.from}`, kept)) this.add(union, kept);
  }

  private add(union: Union, { at, ...result }: KeptResult): void {
    if (union.done.has(result.from)) return;
    union.add(result);
    this.addPace({ at: at - (at % PACE_SECONDS), operations: result.operations });
  }

  private addPace({ at, operations }: Pace): void {
    this.paceByTime.set(at, (this.paceByTime.get(at) ?? 0) + operations);
  }

  private paces(): Pace[] {
    return [...this.paceByTime].map(([at, operations]) => ({ at, operations }));
  }

  private summed({ settings }: Campaign): Union {
    const union = new Union(settings.arches);
    if (!existsSync(this.file('sums'))) return union;
    const { shards, sums, pace } = this.read<KeptSums>('sums');
    union.addSums(sums);
    for (const from of shards) union.done.add(from);
    pace.forEach((one) => this.addPace(one));
    return union;
  }

  private keepSums(union: Union): void {
    const kept: KeptSums = { shards: [...union.done], sums: union.sums, pace: this.paces() };
    this.write('sums', kept);
  }

  /** The shards that have a file in the folder. */
  private numbers(folder: string): number[] {
    const path = join(this.place, folder);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .map((name) => Number(name.slice(0, -'.json'.length)))
      .sort((a, b) => a - b);
  }

  private read<T>(name: string): T {
    return JSON.parse(readFileSync(this.file(name), 'utf8')) as T;
  }

  private write(name: string, value: unknown): void {
    renameSync(this.writeUnfinished(name, value), this.file(name));
  }

  /** Unless there is such a file; whether there was none. */
  private writeOnce(name: string, value: unknown): boolean {
    const unfinished = this.writeUnfinished(name, value);
    try {
      linkSync(unfinished, this.file(name));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return false;
    } finally {
      rmSync(unfinished);
    }
  }

  private writeUnfinished(name: string, value: unknown): string {
    const unfinished = `${this.file(name)}.${process.pid}.tmp`;
    writeFileSync(unfinished, JSON.stringify(value));
    return unfinished;
  }

  private file(name: string): string {
    return join(this.place, `${name}.json`);
  }
}
