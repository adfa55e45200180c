/** `pvmmu explore --exhaustive`: every program of a scope, breadth first. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { InvalidArgumentError } from 'commander';
import { DEFECTS } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { attempt } from '../database/finds.js';
import { Expander } from '../exhaustive/expander.js';
import type { Chunk, Expansion, Search } from '../exhaustive/expander.js';
import { exploreAll, FIRST_STAGE, type Stage, type Verdict } from '../exhaustive/exhaustive.js';
import { alphabetOf, type Scope, scopeMachine } from '../exhaustive/scope.js';
import { States } from '../exhaustive/states.js';
import { areNumbered } from '../exhaustive/steps.js';
import { Cells } from '../fuzz/cells.js';
import { courtText, trialsOf } from '../fuzz/trials.js';
import type { Arch } from '../program/machine.js';
import { operationStarts } from '../program/record.js';
import { candidateText } from '../shrink/text.js';
import { TextError } from '../text/error.js';
import { Pool } from '../workers/pool.js';
import { type CourtOptions, courtOf } from './court-options.js';
import { whatFailed } from './find-report.js';
import { Progress } from './progress.js';

export interface ExhaustiveOptions extends CourtOptions {
  readonly arch?: Arch;
  readonly frames?: number;
  readonly slots?: number;
  readonly bootTables?: boolean;
  readonly depth?: number;
  readonly jobs?: number;
  readonly memory?: number;
  readonly symmetry?: boolean;
  readonly reduction?: boolean;
  readonly json?: true;
}

const FOLDER = join('.pvmmu', 'explore');
const FRAMES_DEFAULT = 2;
const SLOTS_DEFAULT = 1;
const MEMORY_DEFAULT_MIB = 512;
const MIB = 2 ** 20;
const SHOW_EVERY_MS = 200;
const EXIT = { violation: 1, complete: 0, depth: 0, interrupted: 130, unsound: 2 } as const;

/** @throws TextError if the state of an earlier run cannot be read, or this one's cannot be written. */
export async function exploreExhaustively(options: ExhaustiveOptions): Promise<void> {
  const { defects } = courtOf(options);
  const unseen = DEFECTS.find(({ id, class: needs }) => defects.has(id) && needs === 'S+T');
  if (unseen)
    throw new InvalidArgumentError(
      `--defect ${unseen.id} shows in what a TLB holds, which is no part of the states explored; expected another defect`,
    );
  const scope = scopeOf(options);
  const reduced = isReducible(scope, options)
    ? await new ExhaustiveRun(scope, options, scope.slots).run()
    : undefined;
  const isDone = reduced === 'complete' || reduced === 'interrupted';
  // How short a program can be that fails, states that leave something out do not tell.
  process.exitCode = EXIT[isDone ? reduced : await new ExhaustiveRun(scope, options, 0).run()];
}

/** A depth counts operations, of which a step may be several. */
function isReducible(scope: Scope, { reduction = true, depth }: ExhaustiveOptions): boolean {
  const { frames, slots, quirks, bootTables } = scope;
  const isWhole = reduction && depth === undefined && !bootTables && quirks === 'intended';
  return isWhole && areNumbered(alphabetOf(scope).length, frames, slots);
}

function scopeOf({
  arch = 'x86_64',
  frames = FRAMES_DEFAULT,
  slots = SLOTS_DEFAULT,
  bootTables = false,
  ...rest
}: ExhaustiveOptions): Scope {
  return { arch, quirks: courtOf(rest).quirks, frames, slots, bootTables };
}

class ExhaustiveRun {
  private readonly interruption = new AbortController();
  private readonly begin = performance.now();
  private readonly search: Search;
  private readonly expander: Expander;
  private readonly folder: string;
  /** Of pvmmu, with the digest of the start state and the number of operations: one with others numbers its steps otherwise. */
  private readonly version: string;
  private readonly workers: number;
  private shown = 0;

  constructor(
    private readonly scope: Scope,
    private readonly options: ExhaustiveOptions,
    leftOut: number,
  ) {
    const symmetry = (options.symmetry ?? true) && !scope.bootTables;
    const operations = alphabetOf(scope);
    this.search = {
      machine: scopeMachine(scope),
      operations,
      boot: scope.bootTables,
      court: courtOf(options),
      symmetry,
      leftOut,
    };
    this.expander = new Expander(this.search, () => false);
    const words = this.expander.startDigest().map((word) => (word >>> 0).toString(16).padStart(8, '0'));
    this.version = `${manifest.version} (start state ${words.join('')}, ${operations.length} operations)`;
    this.workers = options.jobs ?? availableParallelism();
    const key = createHash('sha256').update(this.scopeText()).digest('hex').slice(0, 12);
    this.folder = join(FOLDER, key);
  }

  async run(): Promise<Verdict['end']> {
    const { search, options, workers } = this;
    const stage = this.stageKept();
    attempt(this.folder, 'create', () => mkdirSync(this.folder, { recursive: true }));
    const bytes = (options.memory ?? MEMORY_DEFAULT_MIB) * MIB;
    const path = join(this.folder, 'states');
    const states = new States(bytes, path, stage === undefined ? 0 : stage.known);
    if (stage === undefined) states.add(...this.expander.startDigest(), 0, 0);
    this.say(
      `Exploring ${this.scopeText()}: ${search.operations.length} operations in every state, ${workers} workers.`,
    );
    if (stage) this.say(`Going on at depth ${stage.depth} with ${stage.known.toLocaleString('en')} states.`);
    const pool = new Pool({ workers, data: { work: 'expand', search, table: states.table } });
    const stop = () => this.interruption.abort();
    process.once('SIGINT', stop);
    const progress = new Progress(
      Infinity,
      'depth {depth}, {left} left  {states} distinct states  {transitions} transitions  queue {queue}  {rate} states/s  collision bound {bound}',
    );
    const first = stage ?? FIRST_STAGE;
    let { depth: reached } = first;
    let done = false;
    try {
      const verdict = await exploreAll(
        {
          states,
          workers,
          expand: (chunk: Chunk) => pool.run<Expansion>(chunk),
          maxDepth: options.depth ?? Infinity,
          signal: this.interruption.signal,
          show: (depth, left, queue, transitions) => {
            if (performance.now() - this.shown < SHOW_EVERY_MS) return;
            this.shown = performance.now();
            const rate = this.rate(states.count - first.known);
            progress.update(0, {
              depth,
              left: left.toLocaleString('en'),
              states: states.count.toLocaleString('en'),
              transitions: transitions.toLocaleString('en'),
              queue: queue.toLocaleString('en'),
              rate: rate.toLocaleString('en'),
              bound: collisionBound(states.count).toExponential(1),
            });
          },
          keep: (kept) => {
            this.keep(kept, false);
            reached = kept.depth;
            const found = (kept.known - kept.next).toLocaleString('en');
            this.say(`depth ${kept.depth}: ${found} new states, ${kept.known.toLocaleString('en')} in all`);
          },
        },
        first,
      );
      progress.stop();
      if (search.leftOut === 0 || verdict.end === 'complete' || verdict.end === 'interrupted')
        this.report(verdict, states.count, first);
      else this.sayReduced(verdict);
      done = verdict.end !== 'interrupted';
      return verdict.end;
    } catch (error) {
      progress.stop();
      if (!(error instanceof TextError)) throw error;
      const then = `the exploration is kept, and when that is put right the same command goes on at depth ${reached}`;
      throw new TextError(error.file, error.line, error.column, `${error.reason}; ${then}`);
    } finally {
      process.off('SIGINT', stop);
      states.close();
      if (done) rmSync(path, { force: true }); // nothing goes on from them
      await pool.close();
    }
  }

  /** What is explored, as it is said and as runs are told apart by. */
  private scopeText(): string {
    const { scope, search } = this;
    const { court, symmetry, leftOut } = search;
    const options = courtText(court);
    const size = `${scope.arch}, ${scope.frames} frames x ${scope.slots} slots${scope.bootTables ? ' and boot tables' : ''}`;
    const states = leftOut === 0 ? ', every state' : '';
    return `${size}${states}${symmetry ? '' : ', no symmetry'}${options === '' ? '' : `, ${options}`}`;
  }

  /** Of an earlier run of the same that was not completed. */
  private stageKept(): Stage | undefined {
    const path = join(this.folder, 'progress.json');
    if (!existsSync(path)) return undefined;
    const kept = JSON.parse(readFileSync(path, 'utf8')) as { version: string; done: boolean; stage: Stage };
    if (kept.done) return undefined;
    if (kept.version === this.version) return kept.stage;
    const found = `is of pvmmu ${kept.version}, expected ${this.version}; remove ${this.folder} to begin anew`;
    throw new TextError(path, 0, 0, found);
  }

  private keep(stage: Stage, done: boolean): void {
    const path = join(this.folder, 'progress.json');
    attempt(path, 'write', () => {
      writeFileSync(`${path}.tmp`, JSON.stringify({ version: this.version, done, stage }));
      renameSync(`${path}.tmp`, path);
    });
  }

  /** Rates are of this run, which may have gone on from `first`. */
  private report({ end, stage, violation }: Verdict, count: number, first: Stage): void {
    const { scope, search } = this;
    const seconds = this.seconds();
    const unreached = unreachedCells(stage.cells, scope.arch);
    const collision = collisionBound(count);
    if (end !== 'interrupted') this.keep(stage, true);
    const text = violation && this.sayFound(violation);
    if (violation) {
      this.say(`Shortest: no program of fewer than ${violation.path.length} operations of this scope fails.`);
    } else this.say(this.endText(end, stage));
    if (end === 'complete') {
      this.say('Answers that no program of this scope gets, by row of outcomes:');
      for (const row of unreached) this.say(`  ${row}`);
    }
    const rates = `${this.rate(stage.transitions - first.transitions)} transitions/s, ${this.rate(count - first.known)} states/s`;
    const bound = `collision bound ${collision.toExponential(1)}`;
    this.say(
      `explore: ${count} states, ${stage.transitions} transitions, depth ${stage.depth}, ${rates}, ${bound}, ${seconds.toFixed(1)} s`,
    );
    if (!this.options.json) return;
    const length = violation?.path.length;
    const { transitions, depth } = stage;
    console.log(
      JSON.stringify({
        type: 'exploration',
        end,
        scope,
        states: count,
        transitions,
        depth,
        length,
        program: text,
        reduced: search.leftOut > 0,
        unreached,
        collision,
        seconds,
      }),
    );
  }

  /** States that leave something out tell no shortest counterexample; those that leave out nothing are explored next. */
  private sayReduced({ end, stage, violation }: Verdict): void {
    this.keep(stage, true);
    if (violation) this.sayFound(violation);
    const why =
      end === 'unsound'
        ? 'What is left out of states makes a difference to a model with this defect.'
        : 'There may be a shorter one.';
    this.say(`${why} Now all programs, shortest first.\n`);
  }

  /** Says what failed; the program's text. */
  private sayFound({ path, failure: first }: NonNullable<Verdict['violation']>): string {
    const { machine, court } = this.search;
    const program = { machine, code: this.expander.program(path) };
    const trials = trialsOf(court);
    const failure = trials.run(program) ?? { ...first, operation: operationStarts(program.code).length - 1 };
    const text = candidateText(program, 'counterexample', trials.answersTo(program, failure));
    this.say(`\nFound: ${whatFailed(failure)}\n${failure.message}\n`);
    this.say(text);
    return text;
  }

  private endText(end: Verdict['end'], { depth }: Stage): string {
    const scope = this.scopeText();
    switch (end) {
      case 'complete':
        return `No violation within this scope (${scope}): all programs, of any length.`;
      case 'depth':
        return `No violation within this scope (${scope}): all programs of up to ${depth} operations.`;
      default:
        return `Interrupted at depth ${depth}; the same command goes on from there.`;
    }
  }

  /** So many a second since the run began. */
  private rate(count: number): number {
    return Math.round(count / this.seconds());
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }

  private say(line: string): void {
    if (!this.options.json) console.log(line);
  }
}

/** How probable it is at most that two of so many states have the same digest of 64 bits. */
function collisionBound(states: number): number {
  return states ** 2 / 2 ** 65;
}

/** Rows that were met, with the answers of their operation that never came in them. */
function unreachedCells(cells: readonly number[], arch: Arch): string[] {
  const counted = new Cells(new OptimizedModel(), [arch]);
  for (const cell of cells) counted.count(cell);
  return counted.unreached();
}
