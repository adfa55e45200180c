/** A campaign on one machine, its state in files: each is written whole or not at all, so a kill loses a shard's work at most. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Campaign,
  mustBeSame,
  noCampaign,
  type Poisoned,
  shardsOf,
  type Store,
  TRIES,
} from './campaign.js';
import type { Shard, ShardResult } from './shard.js';

export class FolderStore implements Store {
  readonly place: string;

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

  async results(): Promise<ShardResult[]> {
    return this.all<ShardResult>('results');
  }

  async poisoned(): Promise<Poisoned[]> {
    return this.all<Poisoned>('poisoned');
  }

  async isStopped(): Promise<boolean> {
    return this.read<boolean>('stopped');
  }

  async stop(): Promise<void> {
    await this.campaign();
    this.write('stopped', true);
  }

  async work(
    run: (shard: Shard) => Promise<ShardResult>,
    workers: number,
    signal: AbortSignal,
  ): Promise<void> {
    const shards = shardsOf(await this.campaign()).values();
    const one = async () => {
      for (const shard of shards) {
        while (!this.isDone(shard)) {
          if (signal.aborted || (await this.isStopped())) return;
          await this.try(run, shard);
        }
      }
    };
    await Promise.all(Array.from({ length: workers }, one));
  }

  async close(): Promise<void> {
    // Files need none.
  }

  private isDone({ from }: Shard): boolean {
    return existsSync(this.file(`results/${from}`)) || existsSync(this.file(`poisoned/${from}`));
  }

  /** Each try is noted before it begins, so that one that takes the whole process with it counts. */
  private async try(run: (shard: Shard) => Promise<ShardResult>, shard: Shard): Promise<void> {
    const { from } = shard;
    const noted = existsSync(this.file(`tries/${from}`))
      ? this.read<{ tries: number; reason: string }>(`tries/${from}`)
      : { tries: 0, reason: '' };
    if (noted.tries >= TRIES) {
      this.write(`poisoned/${from}`, { from, reason: noted.reason });
      return;
    }
    const tries = noted.tries + 1;
    this.write(`tries/${from}`, { tries, reason: 'the process ended' });
    try {
      this.write(`results/${from}`, await run(shard));
    } catch (error) {
      this.write(`tries/${from}`, { tries, reason: (error as Error).message });
    }
  }

  private all<T>(folder: string): T[] {
    const path = join(this.place, folder);
    if (!existsSync(path)) return [];
    const names = readdirSync(path).filter((name) => name.endsWith('.json'));
    return names.map((name) => this.read<T>(join(folder, name.slice(0, -'.json'.length))));
  }

  private read<T>(name: string): T {
    return JSON.parse(readFileSync(this.file(name), 'utf8')) as T;
  }

  private write(name: string, value: unknown): void {
    const unfinished = `${this.file(name)}.${process.pid}.tmp`;
    writeFileSync(unfinished, JSON.stringify(value));
    renameSync(unfinished, this.file(name));
  }

  private file(name: string): string {
    return join(this.place, `${name}.json`);
  }
}
