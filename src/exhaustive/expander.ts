/** From a state to all its successors: each is run on the models, judged, and named by its canonical digest. */
import { OptimizedModel } from '../../models/optimized/model.js';
import type { Snapshot } from '../../models/optimized/snapshot.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { INFO_OWNER, INFO_PARTIAL, INFO_TYPE } from '../../models/x86/page-type.js';
import { codeOf } from '../../models/x86/result.js';
import { compareChanges } from '../../properties/agreement.js';
import { effortFault } from '../../properties/effort.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import type { Violation } from '../../properties/index.js';
import { lossFault } from '../../properties/losses.js';
import { Cells } from '../fuzz/cells.js';
import { type Court, losesCount } from '../fuzz/trials.js';
import { compareResults, type Failure } from '../lockstep/lockstep.js';
import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { RECORD, span } from '../program/record.js';
import { Canonical } from './canonical.js';
import { encodeAll } from './scope.js';

export interface Search {
  readonly machine: Machine;
  /** Every operation that programs may have. It names all frames `F0`… of the machine alike. */
  readonly operations: readonly Operation[];
  /** Operations change entries of boot tables other than windows. */
  readonly boot?: boolean;
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

/** More than there are numbers of cells (`src/fuzz/cells.ts`). */
const CELLS_MAX = 1 << 20;
/** What of a frame's information decides which row an operation has. */
const USE = INFO_TYPE | INFO_PARTIAL | INFO_OWNER;
/** For the tracker: what changed may have come about by several requests, or by their undoing. */
const SEVERAL = true;

/** Tells of a digest whether its state is known; it may err by saying no. */
export type Known = (low: number, high: number) => boolean;

/**
 * A state is entered once, by the operations that lead to it; each of its successors is undone. What holds of a state
 * whatever led there is looked at in states that may be new only: the others have been judged.
 */
export class Expander {
  private readonly code: Int32Array;
  private readonly starts: readonly number[];
  private readonly expected: Int32Array;
  private readonly found: Int32Array;
  private readonly optimized: OptimizedModel;
  private readonly reference: ReferenceModel | undefined;
  private snapshot: Snapshot;
  private tracker: Tracker;
  private readonly canonical: Canonical;
  private readonly cells: Cells;
  /** Of each operation in the state entered; -1 for not looked at. */
  private rows: Int32Array = new Int32Array(0);
  private readonly rowsByUses = new Map<string, Int32Array>();
  /** Frames that operations name. */
  private readonly named: readonly number[];
  private readonly seenCells = new Uint8Array(CELLS_MAX);
  /** Of the chunk under way. */
  private successors: number[] = [];
  private operations: number[] = [];
  private met: number[] = [];

  constructor(
    private readonly search: Search,
    private readonly known: Known,
  ) {
    const { machine, operations, court, symmetry, boot = false } = search;
    const { code, starts } = encodeAll(operations);
    this.code = code;
    this.starts = starts;
    this.expected = new Int32Array(code.length / RECORD);
    this.found = new Int32Array(code.length / RECORD);
    this.optimized = new OptimizedModel(court.defects);
    this.reference = court.alone ? undefined : new ReferenceModel();
    this.snapshot = this.optimized.snapshot();
    this.tracker = new Tracker(this.optimized);
    this.canonical = new Canonical(this.optimized, machine, symmetry, boot);
    this.cells = new Cells(this.optimized, [machine.arch]);
    const { ram } = machine.start;
    this.named = ram.flatMap(({ mfn, count }) => Array.from({ length: count }, (_, i) => mfn + i));
    this.start();
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
  startDigest(): readonly [low: number, high: number] {
    this.start();
    this.canonical.enter();
    return [this.canonical.low, this.canonical.high];
  }

  expand({ paths, depth, states }: Chunk): Expansion {
    this.successors = [];
    this.operations = [];
    this.met = [];
    for (let state = 0; state < states; state++) {
      const path = paths.subarray(state * depth, (state + 1) * depth);
      this.enter(path);
      for (let operation = 0; operation < this.starts.length; operation++) {
        const failure = this.try(state, operation, path);
        if (failure) {
          this.start(); // whatever state the models are in
          return this.expansion(state * this.starts.length + operation + 1, { state, operation, failure });
        }
      }
    }
    return this.expansion(states * this.starts.length, undefined);
  }

  private expansion(transitions: number, failure: Expansion['failure']): Expansion {
    const { met: cells } = this;
    const successors = Int32Array.from(this.successors);
    return { successors, operations: Uint16Array.from(this.operations), transitions, failure, cells };
  }

  private start(): void {
    const { machine } = this.search;
    this.reference?.start(machine);
    this.optimized.start(machine);
    const violation = this.tracker.start();
    if (violation) throw new Error(`the start state fails: ${violation.message}`);
  }

  /** Goes to the state that the path leads to, which is known not to fail. */
  private enter(path: Uint16Array): void {
    this.enterReference(path);
    this.optimized.reset();
    this.tracker.reset();
    for (let i = 0; i < path.length; i++) {
      this.optimized.run(this.code, this.starts[path[i]!]!, this.found);
      this.tracker.step(SEVERAL);
    }
    this.snapshot.take();
    this.canonical.enter();
    this.enterRows();
  }

  /** Which rows the operations have depends on what the frames are used as, so they are the same in very many states. */
  private enterRows(): void {
    let uses = '';
    for (const mfn of this.named) {
      const use = this.optimized.typeCount(mfn) > 0 ? USE : USE & ~INFO_TYPE;
      uses += String.fromCharCode(this.optimized.info(mfn) & use);
    }
    const rows = this.rowsByUses.get(uses);
    if (rows) this.rows = rows;
    else this.rowsByUses.set(uses, (this.rows = new Int32Array(this.starts.length).fill(-1)));
  }

  private enterReference(path: Uint16Array): void {
    if (!this.reference) return;
    this.reference.reset();
    for (let i = 0; i < path.length; i++)
      this.reference.run(this.code, this.starts[path[i]!]!, this.expected);
  }

  /** Runs the operation in the state entered, notes where it leads, and undoes it. */
  private try(state: number, operation: number, path: Uint16Array): Failure | undefined {
    const { optimized, canonical } = this;
    const { changes } = optimized;
    let failure: Failure | undefined;
    try {
      this.run(operation);
      failure = this.compare(operation, path);
    } catch (error) {
      return { kind: 'assertion', operation: 0, message: String(error) };
    }
    if (failure) return failure;
    if (changes.frameCount + changes.slotCount === 0) return undefined; // as it was
    canonical.read(changes);
    const { low, high } = canonical;
    if (!this.known(low, high)) {
      const violation = this.judge();
      if (violation) return { kind: 'invariant', operation: 0, message: violation.message, violation };
      this.successors.push(low, high, state);
      this.operations.push(operation);
      this.snapshot.restore();
      this.tracker.step(SEVERAL);
    } else this.snapshot.restore();
    return undefined;
  }

  private run(operation: number): void {
    const at = this.starts[operation]!;
    let row = this.rows[operation]!;
    if (row < 0) this.rows[operation] = row = this.cells.rowAt(this.code, at);
    this.optimized.run(this.code, at, this.found);
    const cell = this.cells.cellOf(row, codeOf(this.found[at / RECORD]!));
    if (this.seenCells[cell] === 1) return;
    this.seenCells[cell] = 1;
    this.met.push(cell);
  }

  /** Holds the operation's answer and what it changed against the reference model, which then goes back. */
  private compare(operation: number, path: Uint16Array): Failure | undefined {
    const { reference, optimized } = this;
    const violation = effortFault(optimized);
    if (violation) return { kind: 'invariant', operation: 0, message: violation.message, violation };
    if (!reference) return undefined;
    const at = this.starts[operation]!;
    reference.run(this.code, at, this.expected);
    const wrong = compareResults(this.expected, this.found, this.code, at, 0);
    if (wrong) return wrong;
    const difference = compareChanges(reference, optimized);
    if (difference) return { kind: 'state', operation: 0, message: difference.message };
    if (reference.changes.frameCount + reference.changes.slotCount > 0) this.enterReference(path);
    return undefined;
  }

  /** What holds of a state whatever led there. */
  private judge(): Violation | undefined {
    return (
      this.tracker.step(SEVERAL) ?? (losesCount(this.search.court) ? lossFault(this.optimized) : undefined)
    );
  }
}
