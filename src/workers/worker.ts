/** What a worker thread does, by the data that it was started with. */
import { inlineAsUsual } from '../engine.js';
import { parentPort, workerData } from 'node:worker_threads';
import { runShard, type Shard } from '../campaign/shard.js';
import type { FuzzSettings } from '../fuzz/fuzzer.js';
import { type Chunk, Expander, type Search } from '../exhaustive/expander.js';
import { knownIn } from '../exhaustive/states.js';

/** Expands states of an exhaustive exploration. */
export interface ExpanderData {
  readonly work: 'expand';
  readonly search: Search;
  /** Table of the known states. */
  readonly table: SharedArrayBuffer;
}

/** Runs shards of a run. */
export interface ShardData {
  readonly work: 'shard';
  readonly settings: FuzzSettings;
}

export type WorkerData = ExpanderData | ShardData;

function workerFor(data: WorkerData): (task: never) => unknown {
  if (data.work === 'shard') return (shard: Shard) => runShard(data.settings, shard);
  inlineAsUsual();
  const expander = new Expander(data.search, knownIn(data.table));
  return (chunk: Chunk) => expander.expand(chunk);
}

const work = workerFor(workerData as WorkerData);
parentPort!.on('message', (task) => parentPort!.postMessage(work(task as never)));
