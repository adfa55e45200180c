import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FolderStore } from '../../src/campaign/folder.js';
import { stream } from '../../src/generate/streams.js';
import { lastLine, pvmmu, type Run } from '../cli/run.js';

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
/** Kills of one run; PVMMU_KILLS=200 for a long one. */
const KILLS = Number(process.env['PVMMU_KILLS'] ?? 3);

const newFolder = () => mkdtempSync(join(tmpdir(), 'pvmmu-campaign-'));

async function campaign(words: readonly string[], place: readonly string[], cwd: string): Promise<Run> {
  const run = await pvmmu(['campaign', ...words, ...place], undefined, cwd);
  expect(run.err).toBe('');
  return run;
}

async function reportOf(place: readonly string[], cwd: string): Promise<string> {
  return (await campaign(['status'], place, cwd)).out;
}

async function undisturbed(): Promise<string> {
  const cwd = newFolder();
  await campaign(['start', ...SETTINGS], [], cwd);
  await campaign(['work', '--jobs', '2'], [], cwd);
  return reportOf([], cwd);
}

/** Lets a worker live for a random while, then kills it, so many times; a last one finishes. */
async function workWithKills(place: readonly string[], cwd: string, meanwhile: () => Promise<void>) {
  const draw = stream('kills');
  for (let i = 0; i < KILLS; i++) {
    await pvmmu(
      ['campaign', 'work', '--jobs', '1', ...place],
      (child) => setTimeout(() => child.kill('SIGKILL'), 400 + draw.below(1500)).unref(),
      cwd,
    );
    await meanwhile();
  }
  return campaign(['work', '--jobs', '2'], place, cwd);
}

describe('a campaign in files', () => {
  test(
    'has the same report after its workers were killed',
    async () => {
      const cwd = newFolder();
      await campaign(['start', ...SETTINGS], [], cwd);
      const { out } = await workWithKills([], cwd, async () => undefined);
      expect(lastLine(out)).toContain(`${SHARDS} of ${SHARDS} shards done, 0 set aside`);
      expect(await reportOf([], cwd)).toBe(await undisturbed());
    },
    240_000 + KILLS * 10_000,
  );

  test('sets a shard aside after three tries and does the others', async () => {
    const cwd = process.cwd();
    process.chdir(newFolder());
    try {
      const store = new FolderStore('poison');
      const settings = {
        arches: ['x86_64'],
        seed: 's',
        quirks: 'intended',
        defects: [],
        alone: true,
      } as const;
      await store.start({ version: '0', programs: 96, shard: 32, settings });
      const tries: number[] = [];
      const run = async (shard: { from: number; count: number }) => {
        tries.push(shard.from);
        if (shard.from === 32) throw new Error('no answer');
        return { ...shard, operations: 1, outcomes: [], failed: 0, finds: [] };
      };
      await store.work(run, 1, new AbortController().signal);
      expect(tries).toEqual([0, 32, 32, 32, 64]);
      expect(await store.poisoned()).toEqual([{ from: 32, reason: 'no answer' }]);
      expect((await store.results()).map(({ from }) => from).sort()).toEqual([0, 64]);
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

  test('stopped, begins no further shard until it is started again', async () => {
    const cwd = newFolder();
    await campaign(['start', ...SETTINGS], [], cwd);
    await campaign(['stop'], [], cwd);
    expect(lastLine((await campaign(['work'], [], cwd)).out)).toContain(`0 of ${SHARDS} shards done`);
    await campaign(['start', ...SETTINGS], [], cwd);
    expect(lastLine((await campaign(['work'], [], cwd)).out)).toContain(`${SHARDS} of ${SHARDS} shards done`);
  });
});

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

describe.skipIf(!hasRedis)('a campaign on Redis (skipped where there is no redis-server)', () => {
  let folder: string;
  let port: number;
  let server: ChildProcess;

  async function startServer(): Promise<void> {
    const args = [
      '--port',
      String(port),
      '--dir',
      folder,
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--save',
      '',
    ];
    server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise<void>((resolve) => {
      server.stdout!.on('data', (data: Buffer) => {
        if (data.toString().includes('Ready to accept connections')) resolve();
      });
    });
  }

  async function killServer(): Promise<void> {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  }

  beforeAll(async () => {
    folder = newFolder();
    port = await freePort();
    await startServer();
  });
  afterAll(killServer);

  test(
    'has the report of an undisturbed one after its workers and Redis were killed',
    async () => {
      const cwd = newFolder();
      const place = ['--redis', `redis://127.0.0.1:${port}`, '--name', 'kills'];
      await campaign(['start', ...SETTINGS], place, cwd);
      const { out } = await workWithKills(place, cwd, async () => {
        await killServer();
        await startServer();
      });
      expect(lastLine(out)).toContain(`${SHARDS} of ${SHARDS} shards done, 0 set aside`);
      expect(await reportOf(place, cwd)).toBe(await undisturbed());
    },
    240_000 + KILLS * 10_000,
  );

  test('where no Redis answers is refused in one line', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const { status, err } = await pvmmu(['campaign', 'status', '--redis', url]);
    expect(status).toBe(2);
    expect(err).toMatch(/^pvmmu: redis:\/\/127\.0\.0\.1:\d+: no Redis answers there: .*\n$/);
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
