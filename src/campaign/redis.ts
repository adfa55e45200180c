/**
 * A campaign over many machines, on BullMQ with Redis or Valkey: a job for each shard, one hash for the results. A shard
 * whose worker is killed runs again, and its result is stored once: the first one stays, the others are equal to it.
 */
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { setTimeout } from 'node:timers/promises';
import { TextError } from '../text/error.js';
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

/** How long a job whose worker is gone is held for that worker, and how often such jobs are looked for. */
const LOCK_MS = 10_000;
const STALLED_LOOK_MS = 5_000;
const POLL_MS = 200;
const CONNECT_MS = 5_000;

export class RedisStore implements Store {
  readonly place: string;
  private readonly redis: Redis;
  private readonly queue: Queue<Shard>;
  private readonly queueName: string;
  private readonly key: string;

  private constructor(redis: Redis, url: string, name: string) {
    this.redis = redis;
    this.place = `${withoutPassword(url)} campaign ${name}`;
    this.key = `pvmmu:${name}`;
    this.queueName = `pvmmu-${name}`;
    this.queue = new Queue<Shard>(this.queueName, { connection: redis });
    this.queue.on('error', () => undefined); // the connection comes back by itself
  }

  /** @throws TextError if no Redis answers there. */
  static async connect(url: string, name: string): Promise<RedisStore> {
    // BullMQ waits for a connection that is lost; a first one that cannot be made is an error of the caller's.
    const redis = new Redis(url, {
      lazyConnect: true,
      maxRetriesPerRequest: null,
      connectTimeout: CONNECT_MS,
    });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
    } catch (error) {
      redis.disconnect();
      throw new TextError(withoutPassword(url), 0, 0, `no Redis answers there: ${(error as Error).message}`);
    }
    return new RedisStore(redis, url, name);
  }

  async start(campaign: Campaign): Promise<void> {
    await this.redis.hsetnx(this.key, 'campaign', JSON.stringify(campaign));
    mustBeSame(await this.campaign(), campaign, this.place);
    await this.redis.hset(this.key, 'stopped', '0');
    const opts = { attempts: TRIES };
    // A job's name in the queue is that of its shard: what is there already is not added again.
    const jobs = shardsOf(campaign).map((data) => ({
      name: 'shard',
      data,
      opts: { ...opts, jobId: `shard-${data.from}` },
    }));
    await this.queue.addBulk(jobs);
    await this.queue.resume();
  }

  async campaign(): Promise<Campaign> {
    const text = await this.redis.hget(this.key, 'campaign');
    if (text === null) throw noCampaign(this.place);
    return JSON.parse(text) as Campaign;
  }

  async results(): Promise<ShardResult[]> {
    const texts = await this.redis.hvals(`${this.key}:results`);
    return texts.map((text) => JSON.parse(text) as ShardResult);
  }

  async poisoned(): Promise<Poisoned[]> {
    const jobs = await this.queue.getFailed();
    return jobs.map(({ data, failedReason }) => ({ from: data.from, reason: failedReason }));
  }

  async isStopped(): Promise<boolean> {
    return (await this.redis.hget(this.key, 'stopped')) === '1';
  }

  async stop(): Promise<void> {
    await this.campaign();
    await this.redis.hset(this.key, 'stopped', '1');
    await this.queue.pause();
  }

  async work(
    run: (shard: Shard) => Promise<ShardResult>,
    workers: number,
    signal: AbortSignal,
  ): Promise<void> {
    const shards = shardsOf(await this.campaign()).length;
    const connection = this.redis.duplicate(); // BullMQ closes none that it was given
    connection.on('error', () => undefined);
    const worker = new Worker<Shard>(
      this.queueName,
      async ({ data }) => {
        const result = await run(data);
        await this.redis.hsetnx(`${this.key}:results`, String(data.from), JSON.stringify(result));
      },
      {
        connection,
        concurrency: workers,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_LOOK_MS,
        maxStalledCount: TRIES - 1,
      },
    );
    worker.on('error', () => undefined); // of the connection, which comes back; those of shards are kept in the queue
    while (!signal.aborted && !(await this.isStopped()) && (await this.ended()) < shards)
      await setTimeout(POLL_MS);
    await worker.close(signal.aborted);
    connection.disconnect();
  }

  async close(): Promise<void> {
    await this.queue.close();
    this.redis.disconnect();
  }

  /** Shards that are done or set aside. */
  private async ended(): Promise<number> {
    return (await this.redis.hlen(`${this.key}:results`)) + (await this.queue.getFailedCount());
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
