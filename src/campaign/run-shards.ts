import { WorkerLost } from '../workers/pool.js';
import type { Arch } from '../program/machine.js';
import type { Shard, ShardResult } from './shard.js';
import { Union } from './union.js';

/** Programs of a shard: about a second's work at most. */
export const SHARD_SIZE = 32;
/** Shards under way for each worker, so that none waits for the order in which they are taken. */
const AHEAD = 2;

/** A program whose worker died or gave no answer. */
export interface LostProgram {
  readonly number: number;
  readonly reason: string;
}

export interface ShardRun {
  /** Of the run's programs. */
  readonly arches: readonly Arch[];
  /** @throws WorkerLost if the shard's worker died or hung. */
  readonly run: (shard: Shard) => Promise<ShardResult>;
  readonly workers: number;
  /** Asked after each shard, in their order: whether no further one is wanted. */
  readonly isEnough: (union: Union) => boolean;
}

/**
 * Runs the shards of a run from its first program on. They are taken in their order, so what comes of it does not
 * depend on the number of workers; what was begun beyond the last one taken is thrown away.
 */
export async function runShards({ arches, run, workers, isEnough }: ShardRun) {
  const union = new Union(arches);
  const lost: LostProgram[] = [];
  const underWay: ReturnType<typeof runOne>[] = [];
  let next = 0;
  let enough = false;
  while (!enough) {
    while (underWay.length < workers * AHEAD) {
      const shard = { from: next, count: SHARD_SIZE };
      underWay.push(runOne(run, shard));
      next += SHARD_SIZE;
    }
    const { results, missing } = await underWay.shift()!;
    for (const result of results) union.add(result);
    lost.push(...missing);
    enough = isEnough(union);
  }
  return { union, lost };
}

/** A shard whose worker is lost is run again program by program: the lost ones are named, the others count. */
export async function runOne(
  run: ShardRun['run'],
  shard: Shard,
): Promise<{ results: ShardResult[]; missing: LostProgram[] }> {
  try {
    return { results: [await run(shard)], missing: [] };
  } catch (error) {
    if (!(error instanceof WorkerLost)) throw error;
    if (shard.count === 1) return { results: [], missing: [{ number: shard.from, reason: error.message }] };
  }
  const parts = await Promise.all(
    Array.from({ length: shard.count }, (_, i) => runOne(run, { from: shard.from + i, count: 1 })),
  );
  return {
    results: parts.flatMap(({ results }) => results),
    missing: parts.flatMap(({ missing }) => missing),
  };
}
