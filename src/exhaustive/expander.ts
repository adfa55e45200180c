/** From a state to all its successors: each is run on the models, judged, and named by its canonical digest. */
import { OptimizedModel } from '../../models/optimized/model.js';
import type { Snapshot } from '../../models/optimized/snapshot.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { Snapshot as ReferenceSnapshot } from '../../models/reference/snapshot.js';
import { INFO_OWNER, INFO_PARTIAL, INFO_TYPE } from '../../models/x86/page-type.js';
import { codeOf, OK } from '../../models/x86/result.js';
import { compareChanges } from '../../properties/agreement.js';
import { zeroAfterTeardown } from '../../properties/dead-domain.js';
import { effortFault } from '../../properties/effort.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import type { Violation } from '../../properties/index.js';
import { lossFault } from '../../properties/losses.js';
import { Cells } from '../fuzz/cells.js';
import { type Court, losesCount } from '../fuzz/trials.js';
import { compareResults, type Failure, invariantFailure } from '../lockstep/lockstep.js';
import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { RECORD, span } from '../program/record.js';
import { Canonical } from './canonical.js';
import { Readings } from './left-out.js';
import { encodeAll } from './scope.js';
import { Steps } from './steps.js';

export interface Search {
  readonly machine: Machine;
  /** Every operation that programs may have, naming all frames `F0`… of the machine alike. A `destroy` is the last: it is not undone. */
  readonly operations: readonly Operation[];
  /** Operations change entries of boot tables other than windows. */
  readonly boot?: boolean;
  readonly court: Court;
  /** False to tell apart states that are renamed ones of each other. */
  readonly symmetry: boolean;
  /** Slots of each frame that are left out of states while the frame is no table; 0 to tell states apart by everything. */
  readonly leftOut: number;
}

/** States to expand: the steps that lead to each from the start state, by their numbers. */
export interface Chunk {
  /** Paths of `depth` steps each, one after the other. */
  readonly paths: Uint32Array;
  readonly depth: number;
  readonly states: number;
}

export interface Expansion {
  /** Three words for each successor that may be new: its digest, low and high; its state's index in the chunk. */
  readonly successors: Int32Array;
  /** The steps that led there. */
  readonly steps: Uint32Array;
  readonly transitions: number;
  /** The first failure: which state of the chunk, and which step. */
  readonly failure: { readonly state: number; readonly step: number; readonly failure: Failure } | undefined;
  /** What is left out of states makes a difference to these models. */
  readonly unsound: boolean;
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
  private readonly kinds: readonly Operation['kind'][];
  private readonly expected: Int32Array;
  private readonly found: Int32Array;
  private readonly optimized: OptimizedModel;
  private readonly reference: ReferenceModel | undefined;
  private snapshot: Snapshot;
  private referenceSnapshot: ReferenceSnapshot | undefined;
  private tracker: Tracker;
  private readonly canonical: Canonical;
  private readonly steps: Steps;
  private readonly readings: Readings;
  private readonly cells: Cells;
  /** Of each operation in the state entered; -1 for not looked at. */
  private rows: Int32Array = new Int32Array(0);
  private readonly rowsByUses = new Map<string, Int32Array>();
  /** Frames that operations name. */
  private readonly named: readonly number[];
  private readonly seenCells = new Uint8Array(CELLS_MAX);
  /** Of the chunk under way. */
  private successors: number[] = [];
  private stepsThere: number[] = [];
  private met: number[] = [];
  private transitions = 0;
  /** Operations that led to the state entered. */
  private way: number[] = [];
  /** The operation tried last was answered with ok. */
  private accepted = false;

  constructor(
    private readonly search: Search,
    private readonly known: Known,
  ) {
    const { machine, operations, court, symmetry, boot = false, leftOut } = search;
    const { code, starts } = encodeAll(operations);
    this.code = code;
    this.starts = starts;
    this.kinds = operations.map(({ kind }) => kind);
    this.expected = new Int32Array(code.length / RECORD);
    this.found = new Int32Array(code.length / RECORD);
    this.optimized = new OptimizedModel(court.defects);
    this.reference = court.alone ? undefined : new ReferenceModel();
    this.snapshot = this.optimized.snapshot();
    this.tracker = new Tracker(this.optimized);
    this.canonical = new Canonical(this.optimized, machine, symmetry, boot, leftOut);
    this.steps = new Steps(operations, machine, leftOut);
    this.readings = new Readings(this.optimized, machine, operations, leftOut, this.steps);
    this.cells = new Cells(this.optimized, [machine.arch]);
    const { ram } = machine.start;
    this.named = ram.flatMap(({ mfn, count }) => Array.from({ length: count }, (_, i) => mfn + i));
    this.start();
  }

  /** The records of the operations that a path comes to, which may be more than its steps. */
  program(path: Uint32Array): Int32Array {
    const { steps } = this;
    const last = path.at(-1);
    if (last === undefined) return new Int32Array(0);
    this.enter(path.subarray(0, -1));
    const operations = [...this.way, ...steps.before(last), steps.operationOf(last)];
    return Int32Array.from(
      operations.flatMap((operation) => {
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
    this.stepsThere = [];
    this.met = [];
    this.transitions = 0;
    for (let state = 0; state < states; state++) {
      if (!this.enter(paths.subarray(state * depth, (state + 1) * depth)))
        return this.expansion(undefined, true);
      for (let operation = 0; operation < this.starts.length; operation++) {
        const failure = this.tryAll(state, operation);
        if (!failure) continue;
        this.start(); // whatever state the models are in
        const step = this.steps.stepOf(operation, this.readings.values);
        this.readings.clear();
        return this.expansion({ state, step, failure }, false);
      }
    }
    return this.expansion(undefined, false);
  }

  private expansion(failure: Expansion['failure'], unsound: boolean): Expansion {
    const { met: cells, transitions } = this;
    const successors = Int32Array.from(this.successors);
    return { successors, steps: Uint32Array.from(this.stepsThere), transitions, failure, unsound, cells };
  }

  private start(): void {
    const { machine } = this.search;
    this.reference?.start(machine);
    this.referenceSnapshot = this.reference && new ReferenceSnapshot(this.reference);
    this.optimized.start(machine);
    const violation = this.tracker.start();
    if (violation) throw new Error(`the start state fails: ${violation.message}`);
  }

  /**
   * Goes to the state that the path leads to, which is known not to fail. False if the normal form of what is left out
   * makes another state of it.
   */
  private enter(path: Uint32Array): boolean {
    const { canonical, steps } = this;
    this.way = [];
    this.optimized.reset();
    this.tracker.reset();
    for (let i = 0; i < path.length; i++) {
      const step = path[i]!;
      if (this.search.leftOut > 0) {
        this.normalise(); // whether that is sound was asked when the state was expanded
        for (const operation of steps.before(step)) this.go(operation);
      }
      this.go(steps.operationOf(step));
    }
    const sound = this.search.leftOut === 0 || this.isSame(() => this.normalise());
    this.enterReference();
    this.snapshot.take();
    canonical.enter();
    this.enterRows();
    this.readings.enter();
    return sound;
  }

  private go(operation: number): void {
    this.optimized.run(this.code, this.starts[operation]!, this.found);
    this.tracker.step(SEVERAL);
    this.way.push(operation);
  }

  /** Brings what is left out to its normal form; false if that cannot be had. */
  private normalise(): boolean {
    const { readings } = this;
    let left = readings.values.length;
    for (let operation = readings.toNormal(); operation !== undefined; operation = readings.toNormal()) {
      if (left-- === 0) return false;
      this.go(operation);
    }
    return true;
  }

  /** What is done succeeds and does not make another state of this one. */
  private isSame(act: () => boolean): boolean {
    const { canonical } = this;
    canonical.enter();
    const { low, high } = canonical;
    if (!act()) return false;
    canonical.enter();
    return canonical.low === low && canonical.high === high;
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

  private enterReference(): void {
    const { reference, referenceSnapshot } = this;
    if (!reference || !referenceSnapshot) return;
    referenceSnapshot.leave();
    for (const operation of this.way) reference.run(this.code, this.starts[operation]!, this.expected);
    referenceSnapshot.take();
  }

  /** Tries the operation with all that it can find of what is left out. */
  private tryAll(state: number, operation: number): Failure | undefined {
    return this.search.leftOut === 0 ? this.try(state, operation) : this.tryFrom(state, operation, 0);
  }

  /** The same with what has been put there, and with more from the place with this number among those read. */
  private tryFrom(state: number, operation: number, from: number): Failure | undefined {
    const { readings } = this;
    const failure = this.try(state, operation);
    if (failure) return failure;
    const places = readings.placesOf(operation);
    // It stops at what was put there last, and reads nothing after it.
    if (from === places.length || !(this.accepted || readings.isRefusedLate(operation))) return undefined;
    for (let i = from; i < places.length; i++)
      for (let value = 1; value <= readings.choices(places[i]!); value++) {
        readings.put(places[i]!, value);
        const failure = this.tryFrom(state, operation, i + 1);
        if (failure) return failure;
        readings.takeBack();
      }
    return undefined;
  }

  /** Runs the operation in the state entered, with what is to be put there before, notes where it leads, and undoes it. */
  private try(state: number, operation: number): Failure | undefined {
    const { optimized, canonical, readings } = this;
    const { changes } = optimized;
    let failure: Failure | undefined;
    this.transitions++;
    try {
      this.put();
      this.run(operation);
      failure = this.compare(operation);
    } catch (error) {
      return { kind: 'assertion', operation: 0, message: String(error) };
    }
    if (failure) return failure;
    if (this.kinds[operation] === 'destroy') return this.judgeEnd();
    readings.addPlaces(changes);
    if (changes.frameCount + changes.slotCount === 0) return undefined; // as it was
    canonical.read(changes);
    const { low, high } = canonical;
    const isNew = !this.known(low, high);
    if (isNew || canonical.missesSome) {
      const violation = this.judge();
      if (violation) return invariantFailure(0, violation);
      if (isNew) {
        this.successors.push(low, high, state);
        this.stepsThere.push(this.steps.stepOf(operation, readings.values));
      }
      this.snapshot.restore();
      this.tracker.step(SEVERAL);
    } else this.snapshot.restore();
    return undefined;
  }

  private put(): void {
    for (const operation of this.readings.puts) {
      this.optimized.run(this.code, this.starts[operation]!, this.found);
      this.reference?.run(this.code, this.starts[operation]!, this.expected);
    }
  }

  private run(operation: number): void {
    const at = this.starts[operation]!;
    const row = this.rowOf(operation);
    this.optimized.run(this.code, at, this.found);
    const answer = codeOf(this.found[at / RECORD]!);
    this.accepted = answer === OK;
    const cell = this.cells.cellOf(row, answer);
    if (this.seenCells[cell] === 1) return;
    this.seenCells[cell] = 1;
    this.met.push(cell);
  }

  private rowOf(operation: number): number {
    const at = this.starts[operation]!;
    // What a store goes through depends on its window besides, which may have been put there.
    if (this.kinds[operation] === 'store') return this.cells.rowAt(this.code, at);
    let row = this.rows[operation]!;
    if (row < 0) this.rows[operation] = row = this.cells.rowAt(this.code, at);
    return row;
  }

  /** Holds the operation's answer and what it changed against the reference model, which then goes back. */
  private compare(operation: number): Failure | undefined {
    const { reference, optimized } = this;
    const violation = effortFault(optimized);
    if (violation) return invariantFailure(0, violation);
    if (!reference) return undefined;
    const at = this.starts[operation]!;
    reference.run(this.code, at, this.expected);
    const wrong = compareResults(this.expected, this.found, this.code, at, 0);
    if (wrong) return wrong;
    const difference = compareChanges(reference, optimized);
    if (difference) return { kind: 'state', operation: 0, message: difference.message };
    const { frameCount, slotCount } = reference.changes;
    if (frameCount + slotCount + this.readings.puts.length > 0) this.referenceSnapshot!.restore();
    return undefined;
  }

  /** Of a domain that has been destroyed, of which nothing may be left. */
  private judgeEnd(): Failure | undefined {
    const violation = this.judge() ?? (this.accepted ? zeroAfterTeardown(this.optimized) : undefined);
    return violation && invariantFailure(0, violation);
  }

  /** What holds of a state whatever led there. */
  private judge(): Violation | undefined {
    return (
      this.tracker.step(SEVERAL) ?? (losesCount(this.search.court) ? lossFault(this.optimized) : undefined)
    );
  }
}
