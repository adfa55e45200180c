import type { DefectId } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import type { Machine } from '../program/machine.js';
import type { Candidate } from '../shrink/candidates.js';

/** What judges a program: both models and the invariants, or the invariants alone. */
export interface Court {
  readonly defects: ReadonlySet<DefectId>;
  /** Without the reference model. */
  readonly alone: boolean;
  /** References that Xen 4.17 loses are failures (rules 14). */
  readonly losses: boolean;
}

/** Runs programs, with models kept by machine: the start state is made once. */
export class Trials {
  /** The optimized model's answers in the last run, by record. */
  answers = new Int32Array(0);
  private readonly pairs = new Map<Machine, Lockstep>();

  constructor(private readonly court: Court) {}

  run({ machine, code }: Candidate, thorough = true): Failure | undefined {
    let pair = this.pairs.get(machine);
    if (pair === undefined) this.pairs.set(machine, (pair = lockstepOf(this.court)));
    const failure = pair.run(machine, code, thorough);
    this.answers = pair.answers;
    return failure;
  }
}

/** The models that judge by these rules, side by side. */
export function lockstepOf({ defects, alone, losses }: Court): Lockstep {
  const reference = alone ? undefined : new ReferenceModel();
  return new Lockstep(reference, new OptimizedModel(defects), losses);
}
