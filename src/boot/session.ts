import type { Hypervisor } from '../../models/linux/kernel/guest.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { ModelState } from '../../models/model.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import { encode } from '../program/codec.js';
import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { RECORD } from '../program/record.js';

/** The models disagree, or an invariant of theirs does not hold: a find in pvmmu or in its rules, not in the guest. */
export class ModelFailure extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** Both models for guests that decide what to do by the answers they get; keeps each operation for a trace. */
export class Session implements Hypervisor {
  readonly state: ModelState;
  answers = new Int32Array(64);
  private expected = new Int32Array(64);
  private readonly lockstep: Lockstep;
  /** Records of all operations, and their answers. */
  private words: number[] = [];
  private given: number[] = [];
  operations = 0;

  /** `alone`: the optimized model and the invariants only. */
  constructor(alone = false) {
    const optimized = new OptimizedModel();
    this.state = optimized;
    this.lockstep = new Lockstep(alone ? undefined : new ReferenceModel(), optimized);
  }

  /** @throws ModelFailure if the start state itself breaks an invariant. */
  begin(machine: Machine): void {
    this.words = [];
    this.given = [];
    this.operations = 0;
    const failure = this.lockstep.begin(machine);
    if (failure) throw new ModelFailure(failure);
  }

  run(operation: Operation): number {
    const records: number[] = [];
    encode(operation, records);
    const count = records.length / RECORD;
    if (count > this.answers.length) {
      this.answers = new Int32Array(2 * count);
      this.expected = new Int32Array(2 * count);
    }
    this.operations++;
    for (const word of records) this.words.push(word);
    const failure = this.lockstep.step(Int32Array.from(records), 0, this.expected, this.answers);
    for (let i = 0; i < count; i++) this.given.push(this.answers[i]!);
    if (failure) throw new ModelFailure(failure);
    return this.answers[0]!;
  }

  /** A look at the whole state. */
  end(): void {
    const failure = this.lockstep.end();
    if (failure) throw new ModelFailure(failure);
  }

  /** What was run since `begin`. */
  get code(): Int32Array {
    return Int32Array.from(this.words);
  }

  get results(): Int32Array {
    return Int32Array.from(this.given);
  }
}
