/**
 * What one Redis takes of a campaign's messages: as many shards as fast as workers can ask for them, none of which does
 * any work. `npm run bench:queue`; needs redis-server.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisStore } from '../src/campaign/redis.js';
import { print } from './figures.js';

const SHARDS = 4000;
const PORT = 7399;
/** As many requests under way at once as this many workers' threads have. */
const THREADS = [1, 10, 100, 1000];

if (spawnSync('redis-server', ['--version']).status !== 0) {
  console.log('skipped: there is no redis-server, expected apt-get install redis-server');
} else {
  const folder = mkdtempSync(join(tmpdir(), 'pvmmu-queue-'));
  const args = ['--port', String(PORT), '--dir', folder, '--appendonly', 'yes', '--save', ''];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise<void>((resolve) => {
    server.stdout.on('data', (data: Buffer) => {
      if (data.toString().includes('Ready to accept connections')) resolve();
    });
  });
  for (const threads of THREADS) await measure(threads);
  server.kill();
}

async function measure(threads: number): Promise<void> {
  const store = await RedisStore.connect(`redis://127.0.0.1:${PORT}`, `bench-${threads}`);
  const settings = { arches: ['x86_64'], seed: 's', quirks: 'intended', defects: [], alone: true } as const;
  let begin = performance.now();
  await store.start({ version: '0', programs: SHARDS, shard: 1, settings });
  const filled = performance.now() - begin;
  const answer = { operations: 3000, outcomes: [[1025, 1000] as const], failed: 0, finds: [] };
  begin = performance.now();
  await store.work(async (shard) => ({ ...shard, ...answer }), threads, new AbortController().signal);
  const seconds = (performance.now() - begin) / 1000;
  print(`shards put into the queue, ${threads} threads`, SHARDS / (filled / 1000), 'shards/s');
  print(`shards taken and answered, ${threads} threads`, SHARDS / seconds, 'shards/s');
  await store.close();
}
