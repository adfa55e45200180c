/**
 * Campaigns whose processes are killed at random points: what they report is what an undisturbed one does.
 * PVMMU_KILLS=200 kills so often; each run prints how many of which it killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as pathOf } from 'node:path';
import { Redis } from 'ioredis';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stream } from '../../src/generate/streams.js';
import { lastLine, pvmmu } from '../cli/run.js';
import { HAS_REDIS, RedisServer } from './server.js';

const KILLS = Number(process.env['PVMMU_KILLS'] ?? 4);
/** Most shards that are done between two kills, so that the last kill too comes before the campaign's end. */
const SHARDS_BETWEEN = 2;
const SHARDS = SHARDS_BETWEEN * KILLS + 4;
const SHARD = 16;
const COURT = ['--alone', '--defect', 'double-pin-keeps-ref', '--seed', 'campaign'];
const SETTINGS = [...COURT, '--programs', String(SHARDS * SHARD), '--shard', String(SHARD)];
/** Random pauses end at a point of a process's start, its work or its end. */
const PAUSE_MS = 900;
const LOOK_MS = 20;
const LIMIT_MS = 240_000 + KILLS * 20_000;

const newFolder = () => mkdtempSync(join(tmpdir(), 'pvmmu-kills-'));

/** A campaign that is worked on and killed. */
class Disturbed {
  readonly killed = { worker: 0, coordinator: 0, Redis: 0 };
  private readonly draw = stream('kills');
  private readonly workers: (ChildProcess | undefined)[] = [undefined, undefined];

  constructor(
    private readonly place: readonly string[],
    private readonly cwd: string,
    private readonly done: () => Promise<number>,
    private readonly server?: RedisServer,
  ) {}

  /** The report at its end. */
  async run(): Promise<string> {
    await this.killCoordinator(); // perhaps before there is a campaign
    await this.command('start', ...SETTINGS);
    while (this.kills < KILLS) {
      this.workers.forEach((worker, i) => (this.workers[i] = worker ?? this.spawn('work', '--jobs', '1')));
      await this.wait();
      const victim = this.draw.below(10);
      if (victim < 6) await this.killWorker(this.draw.below(this.workers.length));
      else if (victim < 8 || !this.server) await this.killCoordinator();
      else await this.killRedis(this.server);
    }
    expect(await this.done()).toBeLessThan(SHARDS);
    for (const worker of this.workers) if (worker) await kill(worker);
    await this.command('start', ...SETTINGS); // what was killed may have left shards out of the queue
    expect(lastLine(await this.command('work', '--jobs', '2'))).toBe(
      `campaign: ${SHARDS} of ${SHARDS} shards done, 0 set aside, ${await this.finds()} finds`,
    );
    return reportOf(this.place, this.cwd);
  }

  /** For a random number of shards, then a random while. */
  private async wait(): Promise<void> {
    const until = (await this.done()) + this.draw.below(SHARDS_BETWEEN);
    const latest = performance.now() + 10 * PAUSE_MS;
    while ((await this.done()) < until && performance.now() < latest) await setTimeout(LOOK_MS);
    await this.pause();
  }

  /** For a random while, but no longer than it takes to do what may be done before this kill. */
  private async pause(): Promise<void> {
    const end = performance.now() + this.draw.below(PAUSE_MS);
    const most = SHARDS_BETWEEN * (this.kills + 1);
    while (performance.now() < end && (await this.done()) < most) await setTimeout(LOOK_MS);
  }

  private get kills(): number {
    const { worker, coordinator, Redis: queue } = this.killed;
    return worker + coordinator + queue;
  }

  private async killWorker(i: number): Promise<void> {
    const worker = this.workers[i];
    this.workers[i] = undefined;
    if (worker) await kill(worker);
    this.killed.worker++;
  }

  private async killCoordinator(): Promise<void> {
    const coordinator = this.spawn('start', ...SETTINGS);
    await this.pause();
    await kill(coordinator);
    this.killed.coordinator++;
  }

  private async killRedis(server: RedisServer): Promise<void> {
    await server.kill();
    await setTimeout(this.draw.below(PAUSE_MS / 3));
    await server.start();
    this.killed.Redis++;
  }

  private async finds(): Promise<number> {
    return (await reportOf(this.place, this.cwd)).match(/^find /gm)?.length ?? 0;
  }

  private async command(...words: string[]): Promise<string> {
    const { out, err } = await pvmmu(['campaign', ...words, ...this.place], undefined, this.cwd);
    expect(err).toBe('');
    return out;
  }

  private spawn(...words: string[]): ChildProcess {
    const args = [pathOf('dist/cli.js'), 'campaign', ...words, ...this.place];
    return spawn(process.execPath, args, { cwd: this.cwd, stdio: 'ignore' });
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** All that the campaign has come to, its corpus included. */
async function reportOf(place: readonly string[], cwd: string): Promise<string> {
  const { out } = await pvmmu(['campaign', 'status', ...place], undefined, cwd);
  const json = await pvmmu(['campaign', 'status', '--json', ...place], undefined, cwd);
  return out + JSON.stringify(JSON.parse(json.out), undefined, 1);
}

let undisturbed: string;
beforeAll(async () => {
  const cwd = newFolder();
  await pvmmu(['campaign', 'start', ...SETTINGS], undefined, cwd);
  await pvmmu(['campaign', 'work', '--jobs', '2'], undefined, cwd);
  undisturbed = await reportOf([], cwd);
}, LIMIT_MS);

test(
  'a campaign in files has the same report after its workers were killed',
  async () => {
    const cwd = newFolder();
    const results = join(cwd, '.pvmmu/campaigns/campaign/results');
    const done = async () =>
      existsSync(results) ? readdirSync(results).filter((name) => name.endsWith('.json')).length : 0;
    const campaign = new Disturbed([], cwd, done);
    expect(await campaign.run()).toBe(undisturbed);
    console.log('killed', campaign.killed);
  },
  LIMIT_MS,
);

describe.skipIf(!HAS_REDIS)('on Redis (skipped where there is no redis-server)', () => {
  const server = new RedisServer();
  let redis: Redis;
  beforeAll(async () => {
    await server.start();
    redis = new Redis(server.url, { maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.kill();
  });

  test(
    'a campaign has the same report after its workers, those who start it, and Redis were killed',
    async () => {
      const done = async () => Number(await redis.hget('pvmmu:kills', 'shards'));
      const place = ['--redis', server.url, '--name', 'kills'];
      const campaign = new Disturbed(place, newFolder(), done, server);
      expect(await campaign.run()).toBe(undisturbed);
      console.log('killed', campaign.killed);
    },
    LIMIT_MS,
  );
});
