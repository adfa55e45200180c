/**
 * Adds the outcome cells that generated programs meet to those known (`docs/cells.json`, `docs/cells.md`), and says how
 * many are likely to be left: `npm run cells -- [--seeds N] [--ops N] [--first N]`.
 */
import '../src/engine.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { answersIn, labelOf, type Row } from '../src/fuzz/cells.js';
import { Fuzzer } from '../src/fuzz/fuzzer.js';
import { OPCODE_NAMES } from '../src/program/record.js';
import { optionsOrExit, wholeNumber } from './options.js';

const PATH = new URL('../docs/cells.json', import.meta.url);
/** Fewer say nothing of what is left. */
const SEEDS_MIN = 2;
const SEEDS_MAX = 999;
const OPERATIONS_MAX = 1e12;
const ARCHES = ['x86_64', 'x86_32'] as const;

/** Answers, set apart by blanks, by row by operation. */
type Table = Record<string, Record<string, string>>;

function options() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2' },
      first: { type: 'string', default: '1' },
      ops: { type: 'string', default: '1000000' },
    },
  });
  return {
    seeds: wholeNumber('--seeds', values.seeds, SEEDS_MAX, SEEDS_MIN),
    first: wholeNumber('--first', values.first, SEEDS_MAX),
    operations: wholeNumber('--ops', values.ops, OPERATIONS_MAX),
  };
}

/** Of each cell, in how many seeds it was met. */
class Tally {
  private readonly seeds = new Map<string, number>();

  add(rows: readonly Row[]): void {
    for (const row of rows)
      for (const answer of answersIn(row)) {
        const cell = [row.operation, labelOf(row), answer].join('\t');
        this.seeds.set(cell, (this.seeds.get(cell) ?? 0) + 1);
      }
  }

  get size(): number {
    return this.seeds.size;
  }

  /** Cells met with so many seeds only. */
  metBy(count: number): number {
    return [...this.seeds.values()].filter((seeds) => seeds === count).length;
  }

  /** The table with these cells added; how many there were not in it. */
  addTo(table: Table): number {
    let added = 0;
    for (const cell of this.seeds.keys()) {
      const [operation, row, answer] = cell.split('\t') as [string, string, string];
      const answers = ((table[operation] ??= {})[row] ?? '').split(' ').filter((one) => one !== '');
      if (answers.includes(answer)) continue;
      table[operation][row] = [...answers, answer].sort().join(' ');
      added++;
    }
    return added;
  }
}

const { seeds, first, operations } = optionsOrExit('cells', options);
const tables = JSON.parse(readFileSync(PATH, 'utf8')) as Record<string, Table>;
for (const arch of ARCHES) {
  const tally = new Tally();
  for (let seed = first; seed < first + seeds; seed++) {
    const settings = { arches: [arch], seed: `${seed}`, alone: false, quirks: 'intended' } as const;
    const fuzzer = new Fuzzer({ ...settings, defects: new Set(), lockstep: 'digest', stats: true });
    while (fuzzer.operations < operations) fuzzer.next();
    const rows = fuzzer.cells!.rows();
    const missing = fuzzer.cells!.coverage().flatMap((one) => one.missing).length;
    console.log(
      `${arch}, seed ${seed}: ${rows.flatMap(answersIn).length} cells, ${missing} rows of known ones missed`,
    );
    tally.add(rows);
  }
  const added = tally.addTo((tables[arch] ??= {}));
  // Chao's estimate of what no seed has met, from what one and what two have (Chao 1984).
  const [once, twice] = [tally.metBy(1), tally.metBy(2)];
  const unseen = (once * (once - 1)) / (2 * (twice + 1));
  console.log(
    `${arch}: ${tally.size} cells with ${seeds} seeds, ${added} new, ${once} with one seed only, some ${unseen.toFixed(0)} unseen`,
  );
  tables[arch] = sorted(tables[arch]);
}
writeFileSync(PATH, `${JSON.stringify(tables, undefined, 1)}\n`);

/** In the order of the operations, rows by name. */
function sorted(table: Table): Table {
  const operations = OPCODE_NAMES.filter((name) => table[name] !== undefined);
  return Object.fromEntries(
    operations.map((name) => [name, Object.fromEntries(Object.entries(table[name]!).toSorted())]),
  );
}
