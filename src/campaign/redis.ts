/**
 * A campaign over many machines, on BullMQ with Redis or Valkey: a job for each shard, and the sums of what they gave
 * (`sums-script.ts`). A shard whose worker is killed runs again; its result is added once.
 */
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { setTimeout } from 'node:timers/promises';
import type { Corpus, Way } from '../fuzz/corpus.js';
import { TextError } from '../text/error.js';
import {
  type Campaign,
  DEATHS,
  mustBeSame,
  noCampaign,
  type Pace,
  type Poisoned,
  shardsOf,
  type Store,
  type Tally,
  TRIES,
  type Work,
} from './campaign.js';
import type { Shard, ShardResult } from './shard.js';
import { ADD_RESULT, keysOf, wordsOf } from './sums-script.js';
import { Union } from './union.js';

/** How long a job whose worker is gone is held for that worker, and how often such jobs are looked for. */
const LOCK_MS = 10_000;
const STALLED_LOOK_MS = 5_000;
/** How often a worker asks how far the campaign is. */
const LOOK_MS = 2_000;
const CONNECT_MS = 5_000;
/** Jobs that are put into the queue at once. */
const ADD_AT_ONCE = 1_000;

/** Redis with the script as a command. */
interface Scripted extends Redis {
  addResult(...words: (string | number)[]): Promise<[done: number, better: string[]]>;
}

type Hash = Record<string, string>;

export class RedisStore implements Store {
  readonly place: string;
  private readonly redis: Scripted;
  private readonly queue: Queue<Shard>;
  private readonly queueName: string;
  private readonly keys: ReturnType<typeof keysOf>;

  private constructor(redis: Redis, url: string, name: string) {
    redis.defineCommand('addResult', { lua: ADD_RESULT });
    this.redis = redis as Scripted;
    this.place = `${withoutPassword(url)} campaign ${name}`;
    this.keys = keysOf(`pvmmu:${name}`);
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
    const [key, doneKey] = this.keys;
    await this.redis.hsetnx(key, 'campaign', JSON.stringify(campaign));
    mustBeSame(await this.campaign(), campaign, this.place);
    await this.redis.hset(key, 'stopped', '0');
    const done = await this.redis.getBuffer(doneKey);
    const isDone = (index: number) => ((done?.[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
    // A job's name in the queue is that of its shard: what is there already is not added again.
    const opts = { attempts: TRIES, removeOnComplete: true };
    const jobs = shardsOf(campaign)
      .filter((_, index) => !isDone(index))
      .map((data) => ({ name: 'shard', data, opts: { ...opts, jobId: `shard-${data.from}` } }));
    for (let i = 0; i < jobs.length; i += ADD_AT_ONCE)
      await this.queue.addBulk(jobs.slice(i, i + ADD_AT_ONCE));
    await this.queue.resume();
  }

  async campaign(): Promise<Campaign> {
    const text = await this.redis.hget(this.keys[0], 'campaign');
    if (text === null) throw noCampaign(this.place);
    return JSON.parse(text) as Campaign;
  }

  async union(): Promise<Union> {
    const { settings } = await this.campaign();
    const [key, , outcomesKey, findsKey, waysKey] = this.keys;
    const replies = await this.redis
      .multi()
      .hgetall(key)
      .getBuffer(outcomesKey)
      .hgetall(findsKey)
      .hgetall(waysKey)
      .exec();
    const [sums, counts, finds, ways] = replies!.map(([, reply]) => reply) as [
      Hash,
      Buffer | null,
      Hash,
      Hash,
    ];
    const union = new Union(settings.arches);
    union.addSums({
      shards: Number(sums['shards'] ?? 0),
      programs: Number(sums['programs'] ?? 0),
      operations: Number(sums['operations'] ?? 0),
      failed: Number(sums['failed'] ?? 0),
      outcomes: outcomesFrom(counts),
      finds: Object.entries(finds).map(([id, kept]) => {
        const end = kept.indexOf('\n');
        return { id, from: Number(kept.slice(0, end)), text: kept.slice(end + 1) };
      }),
      ways: Object.entries(ways).map(([cell, way]) => wayFrom(cell, way)),
    });
    return union;
  }

  async tally(): Promise<Tally> {
    const [key, , , findsKey, waysKey] = this.keys;
    const [[shards, operations, stopped], finds, cells, { active, failed }] = await Promise.all([
      this.redis.hmget(key, 'shards', 'operations', 'stopped'),
      this.redis.hlen(findsKey),
      this.redis.hlen(waysKey),
      this.queue.getJobCounts('active', 'failed'),
    ]);
    return {
      done: Number(shards ?? 0),
      running: active!,
      setAside: failed!,
      operations: Number(operations ?? 0),
      finds,
      cells,
      stopped: stopped === '1',
    };
  }

  async pace(): Promise<readonly Pace[]> {
    const pace = Object.entries(await this.redis.hgetall(this.keys[5]));
    return pace
      .map(([at, operations]) => ({ at: Number(at), operations: Number(operations) }))
      .sort((a, b) => a.at - b.at);
  }

  async poisoned(): Promise<readonly Poisoned[]> {
    const jobs = await this.queue.getFailed();
    return jobs
      .map(({ data, failedReason }) => ({ from: data.from, reason: failedReason }))
      .sort((a, b) => a.from - b.from);
  }

  async stop(): Promise<void> {
    await this.campaign();
    await this.redis.hset(this.keys[0], 'stopped', '1');
    await this.queue.pause();
  }

  async work({ run, workers, signal, show }: Work): Promise<void> {
    const campaign = await this.campaign();
    const shards = Math.ceil(campaign.programs / campaign.shard);
    const known = (await this.union()).corpus;
    const connection = this.redis.duplicate(); // BullMQ closes none that it was given
    connection.on('error', () => undefined);
    const ended = new AbortController();
    const worker = new Worker<Shard>(
      this.queueName,
      async ({ data }) => {
        const done = await this.add(await run(data), data.from / campaign.shard, known);
        if (done === shards) ended.abort();
      },
      {
        connection,
        concurrency: workers,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_LOOK_MS,
        maxStalledCount: DEATHS - 1,
      },
    );
    worker.on('error', () => undefined); // of the connection, which comes back; those of shards are kept in the queue
    const any = AbortSignal.any([ended.signal, signal]);
    for (;;) {
      const tally = await this.tally();
      show(tally);
      if (signal.aborted || tally.stopped || tally.done + tally.setAside >= shards) break;
      await setTimeout(LOOK_MS, undefined, { signal: any }).catch(() => undefined);
    }
    await worker.close(signal.aborted);
    connection.disconnect();
  }

  async close(): Promise<void> {
    await this.queue.close();
    this.redis.disconnect();
  }

  /** Ways that are no better than what Redis is known to have need not be sent. */
  private async add(result: ShardResult, index: number, known: Corpus): Promise<number> {
    const ways = known.better(result.ways ?? []);
    const words = wordsOf(result, index, ways);
    const [done, better] = await this.redis.addResult(this.keys.length, ...this.keys, ...words);
    known.merge(ways);
    for (let i = 0; i < better.length; i += 2) known.merge([wayFrom(better[i]!, better[i + 1]!)]);
    return done;
  }
}

/** Counts of 64 bits, highest byte first. */
function outcomesFrom(counts: Buffer | null): [place: number, count: number][] {
  return Array.from({ length: Math.floor((counts?.length ?? 0) / 8) }, (_, place): [number, number] => [
    place,
    Number(counts!.readBigInt64BE(8 * place)),
  ]).filter(([, count]) => count > 0);
}

function wayFrom(cell: string, way: string): Way {
  const [operations, program] = way.split(' ').map(Number) as [number, number];
  return { cell: Number(cell), operations, program };
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
