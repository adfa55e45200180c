import { expect, test } from 'vitest';
import { runShards, SHARD_SIZE } from '../../src/campaign/run-shards.js';
import { runShard } from '../../src/campaign/shard.js';
import { Union } from '../../src/campaign/union.js';
import type { FuzzSettings } from '../../src/fuzz/fuzzer.js';
import { WorkerLost } from '../../src/workers/pool.js';

const SETTINGS: FuzzSettings = {
  arches: ['x86_64', 'x86_32'],
  seed: 'shards',
  quirks: 'intended',
  defects: new Set(['double-pin-keeps-ref']),
  alone: true,
};

test('the union of shards is the same whatever their order, and however often one is run', () => {
  const results = [0, 1, 2, 3].map((i) => runShard(SETTINGS, { from: i * 4, count: 4 }));
  const [inOrder, mixed] = [new Union(SETTINGS.arches), new Union(SETTINGS.arches)];
  for (const result of results) inOrder.add(result);
  for (const i of [3, 1, 1, 0, 2, 3]) mixed.add(runShard(SETTINGS, { from: i * 4, count: 4 }));
  expect(inOrder.finds).not.toEqual([]);
  expect(mixed.report()).toBe(inOrder.report());
});

test('a program whose worker is lost is named, and the rest of its shard counts', async () => {
  const bad = SHARD_SIZE + 5;
  const { union, lost } = await runShards({
    arches: SETTINGS.arches,
    run: async (shard) => {
      if (shard.from <= bad && bad < shard.from + shard.count) throw new WorkerLost('no answer within 1 s');
      return { ...shard, operations: shard.count, outcomes: [], failed: 0, finds: [] };
    },
    workers: 3,
    isEnough: ({ programs }) => programs >= 3 * SHARD_SIZE - 1,
  });
  expect(lost).toEqual([{ number: bad, reason: 'no answer within 1 s' }]);
  expect(union.programs).toBe(3 * SHARD_SIZE - 1);
});
