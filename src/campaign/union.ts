/** What several shards have given together: it depends neither on their order nor on how often one is added. */
import { OptimizedModel } from '../../models/optimized/model.js';
import { Cells } from '../fuzz/cells.js';
import { Corpus, type Way } from '../fuzz/corpus.js';
import { Outcomes } from '../fuzz/outcomes.js';
import type { Arch } from '../program/machine.js';
import { OPCODE_NAMES } from '../program/record.js';
import type { ShardResult } from './shard.js';

export interface UnionFind {
  readonly id: string;
  /** First program of the shard that found it first. */
  readonly from: number;
  readonly text: string;
}

/** A union as it is kept. */
export interface Sums {
  readonly shards: number;
  readonly programs: number;
  readonly operations: number;
  readonly failed: number;
  readonly outcomes: readonly (readonly [place: number, count: number])[];
  readonly finds: readonly UnionFind[];
  readonly ways: readonly Way[];
}

export class Union {
  shards = 0;
  programs = 0;
  operations = 0;
  /** Programs that failed. */
  failed = 0;
  readonly outcomes = new Outcomes();
  /** What operations met, in runs that keep count of it (`stats`). */
  readonly cells: Cells;
  readonly corpus = new Corpus();
  /** Shards that were added, by their first programs. */
  readonly done = new Set<number>();
  private readonly findsById = new Map<string, UnionFind>();

  constructor(arches: readonly Arch[]) {
    this.cells = new Cells(new OptimizedModel(), arches);
  }

  /** Adds a shard, unless it has been added before. */
  add({ from, count, operations, failed, outcomes, cells = [], ways = [], finds }: ShardResult): void {
    if (this.done.has(from)) return;
    this.done.add(from);
    this.cells.merge(cells);
    this.addSums({
      shards: 1,
      programs: count,
      operations,
      failed,
      outcomes,
      finds: finds.map(({ id, text }) => ({ id, from, text })),
      ways,
    });
  }

  /** Adds what others have summed up; of shards that are not in this union. */
  addSums({ shards, programs, operations, failed, outcomes, finds, ways }: Sums): void {
    this.shards += shards;
    this.programs += programs;
    this.operations += operations;
    this.failed += failed;
    this.outcomes.merge(outcomes);
    this.corpus.merge(ways);
    for (const find of finds) {
      const known = this.findsById.get(find.id);
      if (!known || find.from < known.from) this.findsById.set(find.id, find);
    }
  }

  get sums(): Sums {
    const { shards, programs, operations, failed, outcomes, finds, corpus } = this;
    return { shards, programs, operations, failed, outcomes: outcomes.entries(), finds, ways: corpus.ways };
  }

  get findCount(): number {
    return this.findsById.size;
  }

  /** In the order of ids. A find of several shards is that of the first. */
  get finds(): readonly UnionFind[] {
    return [...this.findsById.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
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
    return [...finds, ...rows, ...this.corpusLine(), sums].join('\n');
  }

  private corpusLine(): string[] {
    const { ways } = this.corpus;
    if (ways.length === 0) return [];
    const operations = ways.reduce((sum, way) => sum + way.operations, 0);
    return [`corpus: ${ways.length} cells met, the shortest ways to them have ${operations} operations`];
  }
}
