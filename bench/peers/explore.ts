/** pvmmu's own exploration of the subset, as the command does it. */
import { join } from 'node:path';
import { type Chunk, Expander, type Expansion } from '../../src/exhaustive/expander.js';
import { exploreAll, FIRST_STAGE } from '../../src/exhaustive/exhaustive.js';
import { States } from '../../src/exhaustive/states.js';
import { Pool } from '../../src/workers/pool.js';
import type { Count } from './others.js';
import { subsetSearch } from './subset.js';

const MEMORY = 2 ** 29;

export interface Exploration {
  readonly frames: number;
  readonly slots: number;
  /** 0 for all. */
  readonly depth: number;
  readonly symmetry: boolean;
  readonly workers: number;
}

export async function explore(folder: string, exploration: Exploration): Promise<Count> {
  const { frames, slots, depth, symmetry, workers } = exploration;
  const search = subsetSearch(frames, slots, symmetry);
  const states = new States(MEMORY, join(folder, 'states'));
  states.add(...new Expander(search, () => false).startDigest(), 0, 0);
  const pool = new Pool({ workers, data: { work: 'expand', search, table: states.table } });
  await pool.run({ paths: new Uint32Array(0), depth: 0, states: 0 }); // the workers are up
  const begin = performance.now();
  const { end, stage } = await exploreAll(
    {
      states,
      workers,
      expand: (chunk: Chunk) => pool.run<Expansion>(chunk),
      maxDepth: depth === 0 ? Infinity : depth,
      signal: new AbortController().signal,
      show: () => undefined,
      keep: () => undefined,
    },
    FIRST_STAGE,
  );
  const seconds = (performance.now() - begin) / 1000;
  if (end !== 'complete' && end !== 'depth') throw new Error(`the exploration ended with ${end}`);
  states.close();
  await pool.close();
  return { states: states.count, transitions: stage.transitions, seconds };
}
