import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { compareStates } from '../../properties/agreement.js';
import { type Invariant, INVARIANTS, scan } from '../../properties/index.js';
import { compareResults, type Failure, invariantFailure, Lockstep } from '../lockstep/lockstep.js';
import { OP_FILL, operationStarts, RECORD, span, W_OPCODE } from '../program/record.js';
import { UNKNOWN } from '../../models/x86/result.js';
import type { Candidate } from '../program/candidate.js';
import { answersOf, type ExternalModel } from './external.js';

/** Says what a program fails with, if it does. */
export type Judge = (candidate: Candidate) => Failure | undefined;

export type ModelUnderTest = Model | ExternalModel;

export function isExternal(model: ModelUnderTest): model is ExternalModel {
  return 'command' in model;
}

/** The judge of a model, beside the reference model if there is one, with invariants beyond the usual ones. */
export function judgeOf(
  model: ModelUnderTest,
  reference: Model | undefined,
  invariants: readonly Invariant[],
): Judge {
  if (isExternal(model)) {
    if (!reference)
      throw new TypeError('an external model shows answers only: it needs a reference model beside it');
    return (program) => judgeAnswers(program, answersOf(model, [program])[0]!, reference);
  }
  if (model instanceof OptimizedModel) {
    const lockstep = new Lockstep(reference, model);
    return (program) => judgeInLockstep(program, lockstep, model, invariants);
  }
  return (program) => judgeWhole(program, model, reference, [...invariants, ...INVARIANTS]);
}

/** Holds answers that somebody has given against the reference model's. */
export function judgeAnswers(program: Candidate, answers: Int32Array, reference: Model): Failure | undefined {
  const { machine, code } = program;
  const expected = new Int32Array(code.length / RECORD);
  reference.start(machine);
  for (const [operation, at] of operationStarts(code).entries()) {
    reference.run(code, at, expected);
    // What it leaves open it does not know, and nothing after that can be held against it.
    if (answers[at / RECORD] === UNKNOWN && (code[at + W_OPCODE]! & 0xff) !== OP_FILL) return undefined;
    const wrong = firstDifference(code, at, expected, answers, operation);
    if (wrong) return { ...wrong, message: wrong.message.replace('the optimized one', 'the external one') };
  }
  return undefined;
}

function firstDifference(
  code: Int32Array,
  at: number,
  expected: Int32Array,
  answers: Int32Array,
  operation: number,
): Failure | undefined {
  const found = answers.slice();
  // Elements of lists have no answers of their own, so a text has none for them.
  const first = at / RECORD;
  for (let i = first + 1; i < first + span(code, at); i++) if (found[i] === UNKNOWN) found[i] = expected[i]!;
  return compareResults(expected, found, code, at, operation);
}

function judgeInLockstep(
  { machine, code }: Candidate,
  lockstep: Lockstep,
  model: OptimizedModel,
  invariants: readonly Invariant[],
): Failure | undefined {
  if (invariants.length === 0) return lockstep.run(machine, code);
  const [expected, found] = [new Int32Array(code.length / RECORD), new Int32Array(code.length / RECORD)];
  let operation = -1;
  try {
    let failure = lockstep.begin(machine) ?? violated(model, invariants, operation);
    for (const at of operationStarts(code)) {
      if (failure) return failure;
      operation++;
      failure = lockstep.step(code, at, expected, found) ?? violated(model, invariants, operation);
    }
    return failure ?? lockstep.end();
  } catch (error) {
    return { kind: 'assertion', operation, message: String(error) };
  }
}

/** Any model, looked at as a whole after every operation. */
function judgeWhole(
  { machine, code }: Candidate,
  model: Model,
  reference: Model | undefined,
  invariants: readonly Invariant[],
): Failure | undefined {
  const [expected, found] = [new Int32Array(code.length / RECORD), new Int32Array(code.length / RECORD)];
  let operation = -1;
  try {
    model.start(machine);
    reference?.start(machine);
    for (const at of operationStarts(code)) {
      operation++;
      reference?.run(code, at, expected);
      model.run(code, at, found);
      const wrong = reference && compareResults(expected, found, code, at, operation);
      if (wrong)
        return { ...wrong, message: wrong.message.replace('the optimized one', 'the model under test') };
      const difference = reference && compareStates(reference, model);
      if (difference) return { kind: 'state', operation, message: difference.message };
      const failure = violated(model, invariants, operation);
      if (failure) return failure;
    }
    return undefined;
  } catch (error) {
    return { kind: 'assertion', operation, message: String(error) };
  }
}

function violated(model: Model, invariants: readonly Invariant[], operation: number): Failure | undefined {
  const violation = scan(model, invariants);
  return violation && invariantFailure(operation, violation);
}
