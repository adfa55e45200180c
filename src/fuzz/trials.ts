import type { DefectId } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import { ByStart } from '../program/alike.js';
import type { Arch, MachineOptions } from '../program/machine.js';
import { operationStarts, RECORD, span } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { Reducer, type ReducerOptions, type Run, sameFailure } from '../shrink/reduce.js';

/** What judges a program: both models and the invariants, or the invariants alone. */
export interface Court {
  readonly defects: ReadonlySet<DefectId>;
  /** Without the reference model. */
  readonly alone: boolean;
  /** With `shipped` and no defect, references that Xen 4.17 loses are failures (rules 14). */
  readonly quirks: MachineOptions['quirks'];
}

/** The court as the options of `pvmmu fuzz` say it, in an order that stays; empty for the usual one. */
export function courtText({ quirks, defects, alone }: Court): string {
  return [
    ...(quirks === 'shipped' ? ['--quirks shipped'] : []),
    ...[...defects].sort().map((id) => `--defect ${id}`),
    ...(alone ? ['--alone'] : []),
  ].join(' ');
}

/** Whether references that Xen 4.17 loses are failures. */
export function losesCount({ quirks, defects }: Court): boolean {
  return quirks === 'shipped' && defects.size === 0;
}

/** Runs programs, with models kept for all machines that begin alike: the start state is made once. */
export class Trials {
  /** The optimized model's answers in the last run, by record. */
  answers = new Int32Array(0);
  private readonly pairs: ByStart<Lockstep>;

  /** Of what shrinking tries, only that is run here with which the `screen` finds something wrong. */
  constructor(
    newLockstep: () => Lockstep,
    private readonly screen?: Trials,
  ) {
    this.pairs = new ByStart(newLockstep);
  }

  run({ machine, code }: Candidate, thorough = true): Failure | undefined {
    const pair = this.pairs.of(machine);
    const failure = pair.run(machine, code, thorough);
    this.answers = pair.answers;
    return failure;
  }

  /**
   * The shrinking of a program that fails, on these architectures if not on any, looking after the last operation
   * only where it takes that to see it fail.
   */
  reducer(program: Candidate, failure: Failure, arches?: readonly Arch[], options?: ReducerOptions): Reducer {
    const quick = this.run(program, false);
    const thorough = !(quick && sameFailure(quick, failure));
    const isAllowed = ({ machine }: Candidate) => arches?.includes(machine.arch) ?? true;
    const screen = this.screenThatSees(program, failure, thorough);
    const run: Run = (candidate, isProof) =>
      isAllowed(candidate) && (isProof || !screen || screen.run(candidate, thorough))
        ? this.run(candidate, thorough)
        : undefined;
    return new Reducer(program, failure, run, options);
  }

  /** As `run`, for one of many programs few of which fail. */
  screened(program: Candidate): Failure | undefined {
    return !this.screen || this.screen.run(program, false) ? this.run(program, false) : undefined;
  }

  private screenThatSees(program: Candidate, failure: Failure, thorough: boolean): Trials | undefined {
    const seen = this.screen?.run(program, thorough);
    return seen && sameFailure(seen, failure) ? this.screen : undefined;
  }

  /** The optimized model's answers to a program that fails, by record; unknown where a model gave up. */
  answersTo(program: Candidate, failure: Failure): Int32Array {
    this.run(program);
    const answers = this.answers.slice();
    if (failure.kind === 'assertion' && failure.operation >= 0) {
      const at = operationStarts(program.code)[failure.operation]!;
      answers.fill(UNKNOWN, at / RECORD, at / RECORD + span(program.code, at));
    }
    return answers;
  }
}

export function trialsOf(court: Court, compares: 'each' | 'end' = 'each'): Trials {
  const isScreened = court.defects.size > 0 && !court.alone;
  return new Trials(() => lockstepOf(court, compares), isScreened ? screenOf(court) : undefined);
}

/**
 * Where mistakes are made on purpose, an optimized model that makes none stands for the reference model: it finds out
 * sooner that a program shows none of them.
 */
function screenOf({ defects }: Court): Trials {
  return new Trials(() => new Lockstep(new OptimizedModel(), new OptimizedModel(defects)));
}

/** The models that judge by these rules, side by side. */
export function lockstepOf(court: Court, compares: 'each' | 'end' = 'each'): Lockstep {
  const reference = court.alone ? undefined : new ReferenceModel();
  return new Lockstep(reference, new OptimizedModel(court.defects), losesCount(court), compares);
}
