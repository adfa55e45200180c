/** A shard of a run: a range of its programs. What it gives is a function of the settings and the range alone. */
import { printFind, type StoredFind } from '../database/find-text.js';
import { findId } from '../database/find-id.js';
import type { Way } from '../fuzz/corpus.js';
import { type Catch, Fuzzer, type FuzzSettings } from '../fuzz/fuzzer.js';
import { type Judge, judgeOf } from '../lockstep/judge.js';
import { courtText } from '../fuzz/trials.js';
import type { Finding } from '../shrink/reduce.js';

/** The programs `from` up to `from + count - 1` of a run. */
export interface Shard {
  readonly from: number;
  readonly count: number;
}

export interface ShardResult extends Shard {
  readonly operations: number;
  /** Counts of answers that are not zero, each with its place (`Outcomes`). */
  readonly outcomes: readonly (readonly [place: number, count: number])[];
  /** With `stats`: counts of cells that are not zero (`Cells`). */
  readonly cells?: readonly (readonly [cell: number, count: number])[];
  /** With `corpus`: the shortest way to each cell. */
  readonly ways?: readonly Way[];
  /** Programs that failed. */
  readonly failed: number;
  /** Of each judge's failures the shard's first, shrunk, and what it was when a sibling took its place; by id. */
  readonly finds: readonly { readonly id: string; readonly text: string }[];
}

/** Most runs to shrink one find. */
const SHRINK_RUNS = 20_000;

export function runShard(settings: FuzzSettings, { from, count }: Shard): ShardResult {
  const fuzzer = new Fuzzer(settings, from);
  const judges = new Set<Judge>();
  const finds = new Map<string, string>();
  let failed = 0;
  for (let i = 0; i < count; i++) {
    const caught = fuzzer.next();
    if (!caught) continue;
    failed++;
    const judge = judgeOf(caught.failure);
    if (judges.has(judge)) continue;
    judges.add(judge);
    const { reduction } = fuzzer.shrink(caught, SHRINK_RUNS);
    for (const finding of reduction.replaced ? [reduction, reduction.replaced] : [reduction]) {
      const find = storedFind(fuzzer, settings, caught, finding);
      finds.set(find.id, printFind(find));
    }
  }
  return {
    from,
    count,
    operations: fuzzer.operations,
    outcomes: fuzzer.outcomes.entries(),
    ...(fuzzer.cells ? { cells: fuzzer.cells.entries() } : {}),
    ...(fuzzer.corpus ? { ways: fuzzer.corpus.ways } : {}),
    failed,
    finds: [...finds].map(([id, text]) => ({ id, text })),
  };
}

function storedFind(
  fuzzer: Fuzzer,
  settings: FuzzSettings,
  caught: Catch,
  { program, failure }: Finding,
): StoredFind {
  const answers = fuzzer.answersTo(program, failure);
  const options = courtText(settings);
  return {
    id: findId(program, options),
    title: failure.message,
    kind: failure.kind,
    invariant: failure.violation?.invariant,
    options,
    repeat: fuzzer.repeatOf(caught),
    program: { ...program, name: 'counterexample', expected: answers, finals: [] },
  };
}
