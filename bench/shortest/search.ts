/**
 * Runs every program of an alphabet up to a length, shortest first, until one shows the mistake. Two optimized models
 * judge, one of which makes it, with every invariant; what fails there is tried once more beside the reference model.
 */
import { type DefectId } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { codeOf, OK, PREEMPTED } from '../../models/x86/result.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { encodeAll } from '../../src/exhaustive/scope.js';
import { trialsOf } from '../../src/fuzz/trials.js';
import { type Failure, Lockstep } from '../../src/lockstep/lockstep.js';
import type { Candidate } from '../../src/program/candidate.js';
import type { Machine } from '../../src/program/machine.js';
import type { Operation, Request } from '../../src/program/operation.js';
import { RECORD, span } from '../../src/program/record.js';

export interface Outcome {
  /** The shortest program that fails, if one was found. */
  readonly found: Candidate | undefined;
  /** No program of up to so many operations fails. */
  readonly none: number;
  /** Programs run, and the different states that all but the longest lead to. */
  readonly programs: number;
  readonly states: number;
  readonly seconds: number;
}

/**
 * After others, and in interrupted calls, the models remember what no question about their state shows. These can be refused
 * without a trace.
 */
const PLAIN: ReadonlySet<Request['kind']> = new Set<Request['kind']>([
  'mmu_update',
  'update_va',
  'store_frame',
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'clear_page',
  'copy_page',
  'set_gdt',
]);

/** Programs between two looks at the clock. */
const BETWEEN_LOOKS = 1000;

export class Search {
  private readonly clean = new OptimizedModel();
  private readonly model: OptimizedModel;
  private readonly lockstep: Lockstep;
  private readonly digest: StateDigest;
  private readonly code: Int32Array;
  private readonly starts: readonly number[];
  private readonly expected: Int32Array;
  private readonly found: Int32Array;
  private readonly plain: readonly boolean[];
  private readonly states = new Set<string>();
  private programs = 0;
  private readonly begin = performance.now();

  /** `hidesMore`: translations that the models do not tell decide what comes next. */
  constructor(
    private readonly machine: Machine,
    operations: readonly Operation[],
    private readonly defect: DefectId,
    hidesMore: boolean,
  ) {
    this.model = new OptimizedModel(new Set([defect]));
    this.lockstep = new Lockstep(this.clean, this.model);
    this.digest = new StateDigest(this.model);
    const { code, starts } = encodeAll(operations);
    this.code = code;
    this.starts = starts;
    this.expected = new Int32Array(code.length / RECORD);
    this.found = new Int32Array(code.length / RECORD);
    // A hypercall from user mode enters the kernel, whatever it answers.
    const isHidden = hidesMore || operations.some(({ kind }) => kind === 'iret_user');
    this.plain = operations.map(({ kind, cpu }) => !isHidden && cpu === undefined && PLAIN.has(kind));
  }

  /** Programs of up to `most` operations, for as many seconds. */
  run(most: number, seconds: number): Outcome {
    let prefixes: readonly (readonly number[])[] = [[]];
    this.enter([]);
    this.isNew([]);
    for (let length = 1; length <= most; length++) {
      const longer: number[][] = [];
      for (const prefix of prefixes) {
        let isThere = false;
        for (let operation = 0; operation < this.starts.length; operation++) {
          if (++this.programs % BETWEEN_LOOKS === 0 && this.seconds() > seconds)
            return this.outcome(undefined, length - 1);
          if (!isThere) this.enter(prefix);
          const program = [...prefix, operation];
          if (this.fails(operation)) return this.outcome(this.confirmed(program), length - 1);
          isThere = this.didNothing(operation);
          if (!isThere && length < most && this.isNew(program)) longer.push(program);
        }
      }
      prefixes = longer;
    }
    return this.outcome(undefined, most);
  }

  /** Goes to the state that a program leads to, which is known not to fail. */
  private enter(program: readonly number[]): void {
    this.lockstep.begin(this.machine);
    for (const operation of program) this.step(operation);
  }

  private step(operation: number): Failure | undefined {
    return this.lockstep.step(this.code, this.starts[operation]!, this.expected, this.found);
  }

  private fails(operation: number): boolean {
    try {
      return this.step(operation) !== undefined;
    } catch {
      return true; // a model gave up
    }
  }

  /** The operation run last was refused, and left both models as they were. */
  private didNothing(operation: number): boolean {
    const answer = codeOf(this.found[this.starts[operation]! / RECORD]!);
    return (
      this.plain[operation]! &&
      answer !== OK &&
      answer !== PREEMPTED &&
      isEmpty(this.model) &&
      isEmpty(this.clean)
    );
  }

  private outcome(found: Candidate | undefined, none: number): Outcome {
    const { programs, states } = this;
    return { found, none, programs, states: states.size, seconds: this.seconds() };
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }

  /** The program just run leads to a state that none before it led to. */
  private isNew(program: readonly number[]): boolean {
    const { model, states } = this;
    this.digest.read();
    const isPlain = program.every((operation) => this.plain[operation]) && model.interrupted() === 0;
    const key = isPlain ? String(this.digest) : `${this.digest} ${program}`;
    if (states.has(key)) return false;
    states.add(key);
    return true;
  }

  private confirmed(program: readonly number[]): Candidate {
    const { machine, code, starts, defect } = this;
    const records = program.flatMap((operation) => {
      const at = starts[operation]!;
      return [...code.subarray(at, at + span(code, at) * RECORD)];
    });
    const candidate = { machine, code: Int32Array.from(records) };
    const court = { defects: new Set([defect]), alone: false, quirks: machine.quirks };
    if (!trialsOf(court).run(candidate))
      throw new Error(`${defect}: the reference model does not agree that a program fails`);
    return candidate;
  }
}

function isEmpty({ changes }: OptimizedModel): boolean {
  return changes.frameCount + changes.slotCount === 0;
}
