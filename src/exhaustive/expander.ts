/** From a state to all its successors: each is run on the models, judged, and named by its canonical digest. */
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { codeOf } from '../../models/x86/result.js';
import { Cells } from '../fuzz/cells.js';
import { type Court, losesCount } from '../fuzz/trials.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import type { Machine } from '../program/machine.js';
import { RECORD, span } from '../program/record.js';
import { Canonical } from './canonical.js';
import { alphabetOf, encodeAll, type Scope, scopeMachine } from './scope.js';

export interface Search {
  readonly scope: Scope;
  readonly court: Court;
  /** False to tell apart states that are renamed ones of each other. */
  readonly symmetry: boolean;
}

/** States to expand: the operations that lead to each from the start state, by their number in the alphabet. */
export interface Chunk {
  /** Paths of `depth` operations each, one after the other. */
  readonly paths: Uint16Array;
  readonly depth: number;
  readonly states: number;
}

export interface Expansion {
  /** Three words for each successor that may be new: its digest, low and high; its state's index in the chunk. */
  readonly successors: Int32Array;
  /** The operations that led there. */
  readonly operations: Uint16Array;
  readonly transitions: number;
  /** The first failure: which state of the chunk, and which operation. */
  readonly failure:
    { readonly state: number; readonly operation: number; readonly failure: Failure } | undefined;
  /** Outcome cells met here for the first time by this expander. */
  readonly cells: readonly number[];
}

/** Tells of a digest whether its state is known; it may err by saying no. */
export type Known = (low: number, high: number) => boolean;

export class Expander {
  readonly machine: Machine;
  private readonly code: Int32Array;
  private readonly starts: readonly number[];
  private readonly expected: Int32Array;
  private readonly found: Int32Array;
  private readonly optimized: OptimizedModel;
  private readonly canonical: Canonical;
  private readonly cells: Cells;
  private readonly seenCells = new Set<number>();
  private lockstep: Lockstep;

  constructor(
    private readonly search: Search,
    private readonly known: Known,
  ) {
    const { scope, court, symmetry } = search;
    this.machine = scopeMachine(scope);
    const { code, starts } = encodeAll(alphabetOf(scope));
    this.code = code;
    this.starts = starts;
    this.expected = new Int32Array(code.length / RECORD);
    this.found = new Int32Array(code.length / RECORD);
    this.optimized = new OptimizedModel(court.defects);
    this.lockstep = this.newLockstep();
    this.canonical = new Canonical(this.optimized, scope, symmetry);
    this.cells = new Cells(this.optimized, [scope.arch]);
  }

  get alphabet(): number {
    return this.starts.length;
  }

  /** The records of a path. */
  program(path: ArrayLike<number>): Int32Array {
    return Int32Array.from(
      Array.from(path).flatMap((operation) => {
        const at = this.starts[operation]!;
        return [...this.code.subarray(at, at + span(this.code, at) * RECORD)];
      }),
    );
  }

  /** The start state's digest. */
  start(): readonly [low: number, high: number] {
    this.begin();
    this.canonical.read();
    return [this.canonical.low, this.canonical.high];
  }

  expand({ paths, depth, states }: Chunk): Expansion {
    const successors: number[] = [];
    const operations: number[] = [];
    const cells: number[] = [];
    for (let state = 0; state < states; state++) {
      const path = paths.subarray(state * depth, (state + 1) * depth);
      let [ownLow, ownHigh] = this.enter(path);
      for (let operation = 0; operation < this.starts.length; operation++) {
        const failure = this.try(operation, cells);
        if (failure) {
          this.lockstep = this.newLockstep(); // whatever state the models are in
          return result(state * this.starts.length + operation + 1, { state, operation, failure });
        }
        this.canonical.read();
        const { low, high } = this.canonical;
        if (this.canonical.ownLow === ownLow && this.canonical.ownHigh === ownHigh) continue; // as it was
        if (!this.known(low, high)) {
          successors.push(low, high, state);
          operations.push(operation);
        }
        [ownLow, ownHigh] = this.enter(path);
      }
    }
    return result(states * this.starts.length, undefined);

    function result(transitions: number, failure: Expansion['failure']): Expansion {
      const found = { successors: Int32Array.from(successors), operations: Uint16Array.from(operations) };
      return { ...found, transitions, failure, cells };
    }
  }

  private newLockstep(): Lockstep {
    const { court } = this.search;
    return new Lockstep(court.alone ? undefined : new ReferenceModel(), this.optimized, losesCount(court));
  }

  /** Goes to the state that the path leads to, which is known not to fail; its digest under its own names. */
  private enter(path: Uint16Array): [low: number, high: number] {
    this.begin();
    for (let i = 0; i < path.length; i++) this.step(path[i]!);
    this.canonical.read();
    return [this.canonical.ownLow, this.canonical.ownHigh];
  }

  private begin(): void {
    const failure = this.lockstep.begin(this.machine);
    if (failure) throw new Error(`the start state fails: ${failure.message}`);
  }

  private step(operation: number): Failure | undefined {
    return this.lockstep.step(this.code, this.starts[operation]!, this.expected, this.found);
  }

  private try(operation: number, met: number[]): Failure | undefined {
    const at = this.starts[operation]!;
    const row = this.cells.rowAt(this.code, at);
    let failure: Failure | undefined;
    try {
      failure = this.step(operation);
    } catch (error) {
      return { kind: 'assertion', operation: 0, message: String(error) };
    }
    const cell = this.cells.cellOf(row, codeOf(this.found[at / RECORD]!));
    if (!this.seenCells.has(cell)) {
      this.seenCells.add(cell);
      met.push(cell);
    }
    return failure;
  }
}
