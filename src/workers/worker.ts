/** What a worker thread does, by the data that it was started with. */
import '../engine.js';
import { parentPort, workerData } from 'node:worker_threads';
import { type Chunk, Expander, type Search } from '../exhaustive/expander.js';
import { knownIn } from '../exhaustive/states.js';

/** Expands states of an exhaustive exploration. */
export interface ExpanderData {
  readonly work: 'expand';
  readonly search: Search;
  /** Table of the known states. */
  readonly table: SharedArrayBuffer;
}

export type WorkerData = ExpanderData;

function workerFor(data: WorkerData): (task: never) => unknown {
  const expander = new Expander(data.search, knownIn(data.table));
  return (chunk: Chunk) => expander.expand(chunk);
}

const work = workerFor(workerData as WorkerData);
parentPort!.on('message', (task) => parentPort!.postMessage(work(task as never)));
