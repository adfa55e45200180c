/** A shard of a run: a range of its programs. What it gives is a function of the settings and the range alone. */
import { OPCODE_NAMES } from '../program/record.js';
import { printFind, type StoredFind } from '../database/find-text.js';
import { findId } from '../database/find-id.js';
import { type Catch, Fuzzer, type FuzzSettings } from '../fuzz/fuzzer.js';
import { type Judge, judgeOf } from '../lockstep/judge.js';
import { Outcomes } from '../fuzz/outcomes.js';
import { courtText } from '../fuzz/trials.js';

/** The programs `from` up to `from + count - 1` of a run. */
export interface Shard {
  readonly from: number;
  readonly count: number;
}

export interface ShardResult extends Shard {
  readonly operations: number;
  /** Counts of answers that are not zero, each with its place (`Outcomes`). */
  readonly outcomes: readonly (readonly [place: number, count: number])[];
  /** Programs that failed. */
  readonly failed: number;
  /** Of each judge's failures the shard's first, shrunk; by id. */
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
    const find = storedFind(fuzzer, settings, caught);
    finds.set(find.id, printFind(find));
  }
  return {
    from,
    count,
    operations: fuzzer.operations,
    outcomes: fuzzer.outcomes.entries(),
    failed,
    finds: [...finds].map(([id, text]) => ({ id, text })),
  };
}

function storedFind(fuzzer: Fuzzer, settings: FuzzSettings, caught: Catch): StoredFind {
  const { reduction, answers } = fuzzer.shrink(caught, SHRINK_RUNS);
  const { program, failure } = reduction;
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

/** What several shards have given together. It does not depend on their order, nor on how often one is added. */
export class Union {
  private readonly byStart = new Map<number, ShardResult>();

  add(result: ShardResult): void {
    this.byStart.set(result.from, result);
  }

  get shards(): number {
    return this.byStart.size;
  }

  get programs(): number {
    return this.sum(({ count }) => count);
  }

  get operations(): number {
    return this.sum(({ operations }) => operations);
  }

  get failed(): number {
    return this.sum(({ failed }) => failed);
  }

  /** By id, in the order of ids. A find of several shards is that of the first. */
  get finds(): readonly { readonly id: string; readonly text: string }[] {
    const finds = new Map<string, string>();
    for (const result of this.inOrder())
      for (const { id, text } of result.finds) if (!finds.has(id)) finds.set(id, text);
    return [...finds].map(([id, text]) => ({ id, text })).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get outcomes(): Outcomes {
    const outcomes = new Outcomes();
    for (const result of this.inOrder()) outcomes.merge(result.outcomes);
    return outcomes;
  }

  /** The same text for the same shards, whoever ran them, how often and in which order. */
  report(): string {
    const answers = this.outcomes.byOperation();
    const rows = OPCODE_NAMES.filter((name) => answers[name] !== undefined).map(
      (name) =>
        `${name}: ${Object.entries(answers[name]!)
          .map(([answer, count]) => `${answer} ${count}`)
          .join(', ')}`,
    );
    const finds = this.finds.map(({ id, text }) => `find ${id}\n${text}`);
    const sums = `${this.programs} programs, ${this.operations} operations, ${this.failed} failed, ${finds.length} finds`;
    return [...finds, ...rows, sums].join('\n');
  }

  private inOrder(): ShardResult[] {
    return [...this.byStart.values()].sort((a, b) => a.from - b.from);
  }

  private sum(of: (result: ShardResult) => number): number {
    return [...this.byStart.values()].reduce((total, result) => total + of(result), 0);
  }
}
