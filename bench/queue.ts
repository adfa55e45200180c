/**
 * What one Redis takes of a campaign's messages, with shards that take no work or merely time. `npm run bench:queue`:
 * as many shards as fast as workers can ask for them; `-- --processes P --threads T --seconds S`: P processes of T
 * threads each, in this one process, whose shards take S seconds. Needs redis-server.
 */
import { Redis } from 'ioredis';
import { spawn, spawnSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RedisStore } from '../src/campaign/redis.js';
import { runShard, type Shard, type ShardResult } from '../src/campaign/shard.js';
import { print } from './figures.js';
import { optionsOrExit, wholeNumber } from './options.js';

const SHARDS = 4000;
const PORT = 7399;
const URL = `redis://127.0.0.1:${PORT}`;
/** Shards under way at once. */
const THREADS = [1, 10, 100, 1000];
/** Of the second part: how long the load stands before it is measured, and how long it is. */
const SETTLE_S = 12;
const WINDOW_S = 15;
const MOST = 100_000;

const SETTINGS = {
  arches: ['x86_64', 'x86_32'],
  seed: 'queue',
  quirks: 'intended',
  defects: [],
  alone: true,
} as const;

function options() {
  const { values } = parseArgs({
    options: {
      processes: { type: 'string', default: '0' },
      threads: { type: 'string', default: '16' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'boolean' }, // read by figures.ts
    },
  });
  return {
    /** 0 for the first part. */
    processes: wholeNumber('--processes', values.processes, MOST, 0),
    threads: wholeNumber('--threads', values.threads, MOST),
    seconds: wholeNumber('--seconds', values.seconds, MOST),
  };
}

const { processes, threads, seconds } = optionsOrExit('queue', options);

if (spawnSync('redis-server', ['--version']).status !== 0) {
  console.log('skipped: there is no redis-server, expected apt-get install redis-server');
} else {
  const folder = mkdtempSync(join(tmpdir(), 'pvmmu-queue-'));
  const keep = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const args = ['--port', String(PORT), '--dir', folder, ...keep];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise<void>((resolve) => {
    server.stdout.on('data', (data: Buffer) => {
      if (data.toString().includes('Ready to accept connections')) resolve();
    });
  });
  const redis = new Redis(URL);
  const answer = runShard({ ...SETTINGS, defects: new Set(), corpus: true }, { from: 0, count: 512 });
  if (processes > 0) await measureLoad(redis, answer);
  else for (const underWay of THREADS) await measureRate(redis, answer, underWay);
  redis.disconnect();
  server.kill();
}

/** As fast as it goes. */
async function measureRate(redis: Redis, answer: ShardResult, underWay: number): Promise<void> {
  const store = await RedisStore.connect(URL, `rate-${underWay}`);
  const begin = performance.now();
  await store.start({ version: '0', programs: SHARDS, shard: 1, settings: SETTINGS });
  const filled = (performance.now() - begin) / 1000;
  const run = async ({ from, count }: Shard) => ({ ...answer, from, count });
  const spent = await meter(redis);
  await store.work({ run, workers: underWay, signal: new AbortController().signal, show: () => undefined });
  const { seconds: spentSeconds, processor, commands } = await spent();
  const under = `${underWay} under way`;
  print(`shards put into the queue, ${under}`, SHARDS / filled, 'shards/s');
  print(`shards taken and answered, ${under}`, SHARDS / spentSeconds, 'shards/s');
  print(`processor time of Redis, ${under}`, (1e6 * processor) / SHARDS, 'µs/shard');
  print(`commands, ${under}`, commands / SHARDS, 'commands/shard');
  await store.close();
}

/** At the pace of so many workers. */
async function measureLoad(redis: Redis, answer: ShardResult): Promise<void> {
  const rate = (processes * threads) / seconds;
  const shards = Math.ceil(rate * (SETTLE_S + WINDOW_S + 2 * seconds));
  const store = await RedisStore.connect(URL, 'load');
  await store.start({ version: '0', programs: shards, shard: 1, settings: SETTINGS });
  print('memory of Redis, queue full', (await infoOf(redis))('used_memory') / shards, 'bytes/shard');
  const controller = new AbortController();
  const { signal } = controller;
  setMaxListeners(0, signal);
  let begun = 0;
  const run = async ({ from, count }: Shard) => {
    // As if they had long been at it: the first shards end at any time, not all at once.
    const least = begun++ < processes * threads ? 0 : 0.5;
    await setTimeout(1000 * seconds * (least + Math.random()), undefined, { signal });
    return { ...answer, from, count };
  };
  const stores = await Promise.all(Array.from({ length: processes }, () => RedisStore.connect(URL, 'load')));
  const works = stores.map((one) => one.work({ run, workers: threads, signal, show: () => undefined }));
  await setTimeout(1000 * SETTLE_S);
  const before = (await store.tally()).done;
  const spent = await meter(redis);
  await setTimeout(1000 * WINDOW_S);
  const { seconds: window, processor, commands } = await spent();
  const done = (await store.tally()).done - before;
  const who = `${processes} processes of ${threads} threads`;
  const info = await infoOf(redis);
  print(`connections, ${who}`, info('connected_clients'), '');
  print(`shards asked for, ${who}`, rate, 'shards/s');
  print(`shards taken and answered, ${who}`, done / window, 'shards/s');
  print(`commands, ${who}`, commands / window, 'commands/s');
  print(`processor time of Redis, ${who}`, (100 * processor) / window, '% of a core');
  print(`memory of Redis, ${who}`, info('used_memory') / 1e6, 'MB');
  controller.abort();
  await Promise.allSettled(works);
  await Promise.all([store, ...stores].map((one) => one.close()));
}

/** What Redis has done since: seconds, seconds of its main thread's processor time, commands. */
async function meter(redis: Redis) {
  const look = async () => {
    const info = await infoOf(redis);
    const processor = info('used_cpu_user_main_thread') + info('used_cpu_sys_main_thread');
    return { at: performance.now() / 1000, processor, commands: info('total_commands_processed') };
  };
  const before = await look();
  return async () => {
    const after = await look();
    return {
      seconds: after.at - before.at,
      processor: after.processor - before.processor,
      commands: after.commands - before.commands,
    };
  };
}

async function infoOf(redis: Redis): Promise<(name: string) => number> {
  const text = await redis.info();
  return (name) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(text)![1]);
}
