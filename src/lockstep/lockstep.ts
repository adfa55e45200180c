/**
 * Runs two models side by side, operation by operation: they must answer alike and agree on what changed, and
 * no invariant may break. A thorough run compares and scans everything once more at the end, which also catches
 * a change that neither model has named. Without a reference model the invariants alone judge.
 *
 * With `compares: 'end'` the reference model runs the whole program by itself, and then its answers and the digest of
 * its state are held against the optimized model's: that says whether they differ, not after which operation.
 */
import type { Model } from '../../models/model.js';
import type { OptimizedModel } from '../../models/optimized/model.js';
import { OK, RESULT_NAMES, codeOf, doneOf } from '../../models/x86/result.js';
import { compareChanges, compareStates } from '../../properties/agreement.js';
import { zeroAfterTeardown } from '../../properties/dead-domain.js';
import { effortFault } from '../../properties/effort.js';
import { lossFault } from '../../properties/losses.js';
import { scan, type Violation } from '../../properties/index.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { Tracker } from '../../properties/incremental/tracker.js';
import { beginAlike } from '../program/alike.js';
import type { Machine } from '../program/machine.js';
import {
  ENVIRONMENT_MASK,
  OP_DESTROY,
  OP_MMU_UPDATE_LIST,
  RECORD,
  RECORD_SHIFT,
  span,
  W_OPCODE,
} from '../program/record.js';

export interface Failure {
  /** The models answer differently, are in different states, an invariant does not hold, or a model gave up. */
  readonly kind: 'result' | 'state' | 'invariant' | 'assertion';
  /** Index of the operation after which it was found, -1 for the start state. */
  readonly operation: number;
  readonly message: string;
  readonly violation?: Violation;
}

export class Lockstep {
  private readonly tracker: Tracker;
  /** The reference model, where it runs each operation too. */
  private readonly beside: Model | undefined;
  /** Of the reference model's state and of the optimized one's, where they are compared at the end. */
  private readonly digests: readonly [StateDigest, StateDigest] | undefined;
  private machine: Machine | undefined;
  /** Machines whose start state has been looked at. */
  private readonly seen = new WeakSet<Machine>();
  /** Index of the operation that runs, -1 before the first. */
  private operation = -1;
  /** The optimized model's answers in the last run, by record: until the next run, which writes over them. */
  answers = new Int32Array(0);
  /** Room for the answers of each model to the longest program so far. */
  private expected = new Int32Array(0);
  private found = new Int32Array(0);

  constructor(
    private readonly reference: Model | undefined,
    private readonly optimized: OptimizedModel,
    /** References lost as Xen 4.17 loses them are failures too (rules 14). */
    private readonly reportsLosses = false,
    /** When the reference model is asked. */
    compares: 'each' | 'end' = 'each',
  ) {
    this.tracker = new Tracker(optimized);
    this.beside = compares === 'each' ? reference : undefined;
    if (reference && compares === 'end')
      this.digests = [new StateDigest(reference), new StateDigest(optimized)];
  }

  /**
   * Runs the program from the machine's start state; the first failure, if any. What each operation changed is
   * compared and checked after it; `thorough` adds a look at everything at the end.
   */
  run(machine: Machine, code: Int32Array, thorough = true): Failure | undefined {
    try {
      return (
        this.start(machine) ??
        this.steps(code) ??
        (thorough ? this.compareAll(this.operation) : undefined) ??
        (this.reportsLosses ? this.judgeLosses() : undefined)
      );
    } catch (error) {
      this.machine = undefined; // whatever state the models are in: the next run starts them anew
      return { kind: 'assertion', operation: this.operation, message: String(error) };
    }
  }

  private steps(code: Int32Array): Failure | undefined {
    this.makeRoom(code.length / RECORD);
    const { expected, found } = this;
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
      const stopped = this.step(code, at, expected, found);
      if (stopped) return stopped;
    }
    return this.digests ? this.compareEnds(this.digests, code, expected) : undefined;
  }

  private makeRoom(records: number): void {
    if (records > this.found.length) {
      this.expected = new Int32Array(2 * records);
      this.found = new Int32Array(2 * records);
    }
    this.expected.fill(0, 0, records);
    this.answers = this.found.subarray(0, records).fill(0);
  }

  private compareEnds(
    [expectedDigest, foundDigest]: readonly [StateDigest, StateDigest],
    code: Int32Array,
    expected: Int32Array,
  ): Failure | undefined {
    const reference = this.reference!;
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
      reference.run(code, at, expected);
      expectedDigest.follow();
    }
    const { operation, answers, optimized } = this;
    const record = answers.findIndex((answer, i) => answer !== expected[i]);
    if (record >= 0) return compareResults(expected, answers, code, record * RECORD, operation);
    if (expectedDigest.equals(foundDigest)) return undefined;
    const message =
      compareStates(reference, optimized)?.message ?? 'A model has not named all that it changed.';
    return { kind: 'state', operation, message };
  }

  /** Takes the machine's start state, for a guest that decides each operation by the answers before it. */
  begin(machine: Machine): Failure | undefined {
    return this.start(machine);
  }

  /**
   * Runs the operation whose records begin at `at` on both models; the optimized model's answers go to `found`,
   * by record, the reference model's to `expected`.
   */
  step(code: Int32Array, at: number, expected: Int32Array, found: Int32Array): Failure | undefined {
    this.operation++;
    const word = code[at + W_OPCODE]!;
    const several = (word & 0xff) >= OP_MMU_UPDATE_LIST || (word & ENVIRONMENT_MASK) !== 0;
    this.beside?.run(code, at, expected);
    this.optimized.run(code, at, found);
    this.digests?.[1].follow();
    return (
      (this.beside && compareResults(expected, found, code, at, this.operation)) ??
      this.compareStep(several) ??
      this.judgeEffort() ??
      ((word & 0xff) === OP_DESTROY && found[at >> RECORD_SHIFT] === OK ? this.judgeEnd() : undefined)
    );
  }

  /** A look at everything, which also finds what neither model has named as changed. */
  end(): Failure | undefined {
    return this.compareAll(this.operation);
  }

  private start(machine: Machine): Failure | undefined {
    this.operation = -1;
    const last = this.machine;
    this.machine = machine;
    if (last && beginAlike(last, machine)) {
      this.reference?.reset(machine);
      this.optimized.reset(machine);
      this.tracker.reset();
      this.digests?.forEach((digest) => digest.reset());
      return last === machine || this.seen.has(machine) ? undefined : this.judgeStart(machine);
    }
    this.reference?.start(machine);
    this.optimized.start(machine);
    this.digests?.forEach((digest) => digest.read());
    const violation = this.tracker.start();
    return violation ? invariantFailure(-1, violation) : this.judgeStart(machine);
  }

  private judgeStart(machine: Machine): Failure | undefined {
    this.seen.add(machine);
    return this.compareAll(-1);
  }

  private compareStep(several: boolean): Failure | undefined {
    const { operation, beside } = this;
    const difference = beside && compareChanges(beside, this.optimized);
    const violation = this.tracker.step(several);
    if (difference) return { kind: 'state', operation, message: difference.message };
    return violation ? invariantFailure(operation, violation) : undefined;
  }

  private judgeEffort(): Failure | undefined {
    const violation = effortFault(this.optimized);
    return violation ? invariantFailure(this.operation, violation) : undefined;
  }

  private judgeLosses(): Failure | undefined {
    const violation = lossFault(this.optimized);
    return violation ? invariantFailure(this.operation, violation) : undefined;
  }

  private judgeEnd(): Failure | undefined {
    const violation = zeroAfterTeardown(this.optimized);
    return violation ? invariantFailure(this.operation, violation) : undefined;
  }

  private compareAll(operation: number): Failure | undefined {
    const difference = this.reference && compareStates(this.reference, this.optimized);
    if (difference) return { kind: 'state', operation, message: difference.message };
    const violation = scan(this.reference ?? this.optimized);
    return violation ? invariantFailure(operation, violation) : undefined;
  }
}

/** The invariant does not hold after the operation with this index. */
export function invariantFailure(operation: number, violation: Violation): Failure {
  return { kind: 'invariant', operation, message: violation.message, violation };
}

/** Compares the operation's answer, and those of its elements. */
export function compareResults(
  expected: Int32Array,
  found: Int32Array,
  code: Int32Array,
  at: number,
  operation: number,
): Failure | undefined {
  const first = at >> RECORD_SHIFT;
  for (let i = first; i < first + span(code, at); i++) {
    if (expected[i] === found[i]) continue;
    const element = i === first ? '' : ` for element ${i - first}`;
    const message = `The reference model answers ${shown(expected[i])}${element}, the optimized one ${shown(found[i])}.`;
    return { kind: 'result', operation, message };
  }
  return undefined;
}

function shown(result: number): string {
  const done = doneOf(result);
  const code = codeOf(result);
  return `${RESULT_NAMES.get(code) ?? code}${done === undefined ? '' : ` with ${done} done`}`;
}
