import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../src/campaign/campaign.js';
import { FolderStore } from '../../src/campaign/folder.js';
import { RedisStore } from '../../src/campaign/redis.js';
import type { Shard, ShardResult } from '../../src/campaign/shard.js';
import { lastLine, pvmmu, type Run } from '../cli/run.js';
import { freePort, HAS_REDIS, RedisServer } from './server.js';

const PLAIN = { arches: ['x86_64'], seed: 's', quirks: 'intended', defects: [], alone: true } as const;
const SETTINGS = [
  '--alone',
  '--defect',
  'double-pin-keeps-ref',
  '--seed',
  'campaign',
  '--programs',
  '320',
  '--shard',
  '32',
];
const SHARDS = 10;
const newFolder = () => mkdtempSync(join(tmpdir(), 'pvmmu-campaign-'));

async function campaign(words: readonly string[], place: readonly string[], cwd: string): Promise<Run> {
  const run = await pvmmu(['campaign', ...words, ...place], undefined, cwd);
  expect(run.err).toBe('');
  return run;
}

describe('a campaign in files', () => {
  test('sets a shard aside after three tries and does the others', async () => {
    const cwd = process.cwd();
    process.chdir(newFolder());
    try {
      const store = new FolderStore('poison');
      await store.start({ version: '0', programs: 96, shard: 32, settings: PLAIN });
      expect(await workWithPoison(store)).toEqual([0, 32, 32, 32, 64]);
      expect(await store.poisoned()).toEqual([{ from: 32, reason: 'no answer' }]);
      expect(await store.tally()).toMatchObject({ done: 2, setAside: 1, running: 0, operations: 2 });
      expect((await new FolderStore('poison').union()).finds).toEqual([
        { id: 'f', from: 0, text: 'program 0\n' },
      ]);
    } finally {
      process.chdir(cwd);
    }
  });

  test('is refused by another version, another name for other settings, and where there is none', async () => {
    const cwd = newFolder();
    const none = await pvmmu(['campaign', 'work'], undefined, cwd);
    expect(none).toMatchObject({ status: 2, err: expect.stringContaining('holds no campaign') });
    await campaign(['start', ...SETTINGS], [], cwd);
    const other = await pvmmu(['campaign', 'start', ...SETTINGS, '--arch', 'x86_64'], undefined, cwd);
    expect(other).toMatchObject({ status: 2, err: expect.stringContaining('other settings') });
    const file = join(cwd, '.pvmmu/campaigns/campaign/campaign.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"version":"[^"]*"/, '"version":"0.0.1"'));
    const skewed = await pvmmu(['campaign', 'work'], undefined, cwd);
    expect(skewed).toMatchObject({ status: 2, err: expect.stringContaining('is of pvmmu 0.0.1, expected') });
  });

  test('keeps the first result of a shard that two processes do, with the ways that it has met', async () => {
    const cwd = process.cwd();
    process.chdir(newFolder());
    try {
      const [one, other] = [new FolderStore('both'), new FolderStore('both')];
      await one.start({ version: '0', programs: 32, shard: 32, settings: PLAIN });
      const work = { workers: 1, signal: new AbortController().signal, show: () => undefined };
      const run = async (shard: Shard) => {
        await one.work({ ...work, run: async (same) => resultOf(same) });
        await other.union();
        return resultOf(shard);
      };
      await other.work({ ...work, run });
      const union = await new FolderStore('both').union();
      expect(union).toMatchObject({ shards: 1, operations: 1 });
      expect(union.corpus.ways).toEqual([{ cell: 7, operations: 3, program: 0 }]);
    } finally {
      process.chdir(cwd);
    }
  });

  test('stopped, begins no further shard until it is started again', async () => {
    const cwd = newFolder();
    await campaign(['start', ...SETTINGS], [], cwd);
    await campaign(['stop'], [], cwd);
    expect(lastLine((await campaign(['work'], [], cwd)).out)).toContain(`0 of ${SHARDS} shards done`);
    await campaign(['start', ...SETTINGS], [], cwd);
    expect(lastLine((await campaign(['work'], [], cwd)).out)).toContain(`${SHARDS} of ${SHARDS} shards done`);
  });
});

describe.skipIf(!HAS_REDIS)('a campaign on Redis (skipped where there is no redis-server)', () => {
  const server = new RedisServer();
  beforeAll(() => server.start());
  afterAll(() => server.kill());

  test('where no Redis answers is refused in one line', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const { status, err } = await pvmmu(['campaign', 'status', '--redis', url]);
    expect(status).toBe(2);
    expect(err).toMatch(/^pvmmu: redis:\/\/127\.0\.0\.1:\d+: no Redis answers there: .*\n$/);
  });

  test('of another version is refused', async () => {
    const store = await RedisStore.connect(server.url, 'skew');
    await store.start({ version: '0.0.1', programs: 32, shard: 32, settings: PLAIN });
    await store.close();
    const skewed = await pvmmu(['campaign', 'work', '--redis', server.url, '--name', 'skew']);
    expect(skewed).toMatchObject({ status: 2, err: expect.stringContaining('is of pvmmu 0.0.1, expected') });
  });

  test('sets a shard aside after three tries and does the others', async () => {
    const store = await RedisStore.connect(server.url, 'poison');
    await store.start({ version: '0', programs: 96, shard: 32, settings: PLAIN });
    const tries = await workWithPoison(store);
    expect(tries.toSorted((a, b) => a - b)).toEqual([0, 32, 32, 32, 64]);
    expect(await store.poisoned()).toEqual([{ from: 32, reason: 'no answer' }]);
    expect(await store.tally()).toMatchObject({ done: 2, setAside: 1, running: 0, operations: 2 });
    await store.close();
  });

  test('adds the result of a shard once, and finishes when it is started again', async () => {
    const store = await RedisStore.connect(server.url, 'twice');
    const campaign = { version: '0', programs: 96, shard: 32, settings: PLAIN };
    await store.start(campaign);
    const controller = new AbortController();
    const work = { workers: 1, signal: controller.signal, show: () => undefined };
    let runs = 0;
    const run = async (shard: Shard) => {
      runs++;
      if (runs === 2) await store.start(campaign); // puts into the queue again what is not done
      return resultOf(shard);
    };
    await store.work({ ...work, run });
    const union = await store.union();
    expect(union).toMatchObject({ shards: 3, programs: 96, operations: 3 });
    expect(union.outcomes.entries()).toEqual([[1025, 3]]);
    expect(union.finds).toEqual([{ id: 'f', from: 0, text: 'program 0\n' }]);
    expect(union.corpus.ways).toEqual([{ cell: 7, operations: 1, program: 64 }]);
    await store.start(campaign);
    await store.work({ ...work, run });
    expect(runs).toBe(3);
    await store.close();
  });
});

/** A find in each shard, and a way that is shorter the later the shard is. */
function resultOf({ from, count }: Shard): ShardResult {
  const ways = [{ cell: 7, operations: 3 - from / 32, program: from }];
  const finds = [{ id: 'f', text: `program ${from}\n` }];
  return { from, count, operations: 1, outcomes: [[1025, 1]], failed: 0, finds, ways };
}

/** The shard from program 32 on fails always; the shards in the order of their tries. */
async function workWithPoison(store: Store): Promise<number[]> {
  const tries: number[] = [];
  const run = async (shard: Shard) => {
    tries.push(shard.from);
    if (shard.from === 32) throw new Error('no answer');
    return resultOf(shard);
  };
  await store.work({ run, workers: 1, signal: new AbortController().signal, show: () => undefined });
  return tries;
}
