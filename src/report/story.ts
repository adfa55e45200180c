/**
 * A program told step by step: what each operation answers and should answer, what it changes, what a debug build
 * of Xen prints, and what no longer holds at the end. All reports are made from this.
 */
import { type Defect, DEFECTS } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { OK, UNKNOWN } from '../../models/x86/result.js';
import { effortFault } from '../../properties/effort.js';
import { scanAll, type Violation } from '../../properties/index.js';
import { lossFault } from '../../properties/losses.js';
import { type Court, losesCount, trialsOf } from '../fuzz/trials.js';
import type { Failure } from '../lockstep/lockstep.js';
import { OP_FILL, operationStarts, RECORD, span, W_OPCODE } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { idOf } from '../shrink/identity.js';
import { printOperation } from '../text/print.js';
import { printResult } from '../text/result.js';
import { changesBetween, type StepChanges } from './changes.js';

export interface Step extends StepChanges {
  /** From 1 on. */
  readonly number: number;
  /** The operation with its answer, in several lines for a list. */
  readonly text: string;
  /** What the model under test answers; `gave up` where it could not go on. */
  readonly answer: string;
  /** What the rules answer, where that is something else. */
  readonly rules: string | undefined;
  /** What a debug build of Xen that keeps the rules prints. */
  readonly printed: readonly string[];
}

export interface Story {
  readonly id: string;
  readonly program: Candidate;
  readonly court: Court;
  readonly defects: readonly Defect[];
  /** What went wrong at the last step, if anything did. */
  readonly failure: Failure | undefined;
  /** Up to the step that failed; of a long program those in its windows. */
  readonly steps: readonly Step[];
  readonly windows: readonly Window[];
  /** Operations of the program, of which `steps` may be a part. */
  readonly operations: number;
  /** What does not hold in the state after the last step, that which says most first. */
  readonly broken: readonly Violation[];
}

/** A run of steps, by their numbers. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

/** Which steps are told, given how many there are up to the one that fails or the end: all, unless the program is long. */
export type Selection = (steps: number) => readonly Window[];

const everything: Selection = (steps) => [{ first: 1, last: steps }];

/** Judges the program by the court's rules and tells it up to the step where it fails, or to its end. */
export function tellStory(program: Candidate, asked: Court, select: Selection = everything): Story {
  const court = narrowed(program, asked);
  const failure = trialsOf(court).run(program);
  const teller = new Teller(program, court);
  const steps: Step[] = [];
  const starts = operationStarts(program.code);
  const told = failure ? failure.operation + 1 : starts.length;
  const windows = select(told);
  for (let i = 0; i < told; i++) {
    const isTold = i === told - 1 || windows.some(({ first, last }) => i + 1 >= first && i + 1 <= last);
    const step = teller.step(starts[i]!, i, isTold);
    if (step) steps.push(step);
  }
  return {
    id: idOf(program),
    program,
    court,
    defects: DEFECTS.filter(({ id }) => court.defects.has(id)),
    failure,
    steps,
    windows,
    operations: starts.length,
    broken: failure ? teller.broken(failure) : [],
  };
}

/** An advisory may stand for several mistakes: with the first of them alone that makes the program fail, if one does. */
function narrowed(program: Candidate, court: Court): Court {
  if (court.defects.size < 2) return court;
  for (const id of court.defects) {
    const one = { ...court, defects: new Set([id]) };
    if (trialsOf(one).run(program)) return one;
  }
  return court;
}

/** Runs the model under test twice, one step apart, beside the reference model. */
class Teller {
  private readonly before: OptimizedModel;
  private readonly after: OptimizedModel;
  private readonly reference = new ReferenceModel();
  private readonly found: Int32Array;
  private readonly expected: Int32Array;
  private printed: string[] = [];
  /** The reference model cannot follow a state that only a mistake leads to. */
  private following = true;

  constructor(
    private readonly program: Candidate,
    private readonly court: Court,
  ) {
    const { machine, code } = program;
    this.before = new OptimizedModel(court.defects);
    this.after = new OptimizedModel(court.defects);
    for (const model of [this.before, this.after, this.reference]) model.start(machine);
    this.reference.printk = (line) => this.printed.push(line);
    this.found = new Int32Array(code.length / RECORD);
    this.expected = new Int32Array(code.length / RECORD);
  }

  /** Runs the operation at `at`; what it did, if that is to be `told`. */
  step(at: number, index: number, told: boolean): Step | undefined {
    const { code, machine } = this.program;
    this.printed = [];
    this.follow(at);
    const stopped = this.advance(at);
    const changes = told ? changesBetween(this.before, this.after) : undefined;
    if (stopped === undefined) this.before.run(code, at, this.found.slice());
    if (changes === undefined) return undefined;
    const answer = stopped ?? answerText(this.found, code, at);
    const rules = this.following ? answerText(this.expected, code, at) : undefined;
    return {
      number: index + 1,
      text: printOperation(code, at, machine, this.found),
      answer,
      rules: rules === answer ? undefined : rules,
      printed: this.printed,
      ...changes,
    };
  }

  /** Every invariant that the state violates, and what the failure itself names. */
  broken({ violation, kind }: Failure): Violation[] {
    const found = kind === 'assertion' ? [] : scanAll(this.after);
    const effort = kind === 'assertion' ? undefined : effortFault(this.after);
    const loss = losesCount(this.court) ? lossFault(this.after) : undefined;
    const all = [...found, ...[effort, loss, violation].filter((one) => one !== undefined)];
    const order = violation ? [violation, ...all] : all;
    return order.filter((one, i) => order.findIndex(({ invariant }) => invariant === one.invariant) === i);
  }

  private follow(at: number): void {
    if (!this.following) return;
    try {
      this.reference.run(this.program.code, at, this.expected);
    } catch {
      this.following = false;
    }
  }

  /** What the model under test says where it gives up. */
  private advance(at: number): string | undefined {
    const { code } = this.program;
    if ((code[at + W_OPCODE]! & 0xff) === OP_FILL) this.expected[at / RECORD] = OK;
    try {
      this.after.run(code, at, this.found);
      return undefined;
    } catch (error) {
      this.found.fill(UNKNOWN, at / RECORD, at / RECORD + span(code, at));
      return `gave up: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

/** The answer and those of a multicall's elements, the last first: that is the line that a reader looks at. */
function answerText(results: Int32Array, code: Int32Array, at: number): string {
  const first = at / RECORD;
  const own = printResult(results[first]!);
  const rest = results.subarray(first + 1, first + span(code, at));
  return rest.some((one) => one !== OK) ? `${own} (${[...rest].map(printResult).join(' ')})` : own;
}
