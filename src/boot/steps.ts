/** Of a guest's operations, those that its end needs: the shortest program from the same start state that ends the same way. */
import { OptimizedModel } from '../../models/optimized/model.js';
import { codeOf, UNKNOWN } from '../../models/x86/result.js';
import type { Crash } from '../../models/linux/crash.js';
import { decode } from '../program/codec.js';
import type { Machine } from '../program/machine.js';
import type { Hypercall, Operation } from '../program/operation.js';
import { itemsAt, operationStarts, RECORD } from '../program/record.js';
import { recordsOf } from '../shrink/draft.js';
import { conflictOf } from './refusal.js';

/** An operation and what it answered. */
export interface Step {
  readonly operation: Operation;
  readonly answer: number;
}

/** All steps up to the last, each call of a multicall a step of its own. */
export function stepsOf(code: Int32Array, results: Int32Array): Step[] {
  return operationStarts(code).flatMap((at): Step[] => {
    const operation = decode(code, at);
    if (operation.kind !== 'multicall') return [{ operation, answer: codeOf(results[at / RECORD]!) }];
    const cpu = operation.cpu === undefined ? {} : { cpu: operation.cpu };
    return itemsAt(code, at).map((item, i) => ({
      operation: { ...operation.items[i]!, ...cpu } as Operation,
      answer: codeOf(results[item / RECORD]!),
    }));
  });
}

/**
 * Leaves out what the last step does not need: what is left answers as it did, and the last step fails for the
 * same reason. Undefined where the end is no operation's answer.
 */
export function neededSteps(
  machine: Machine,
  steps: readonly Step[],
  crash: Crash,
): readonly Step[] | undefined {
  const { cause_: cause } = crash;
  const failing = cause.kind === 'refused' ? steps.findIndex(({ answer }) => answer !== 0) : steps.length - 1;
  const isStore = cause.kind === 'fault' && cause.access === 'write';
  if ((cause.kind !== 'refused' && !isStore) || steps[failing]?.answer === 0) return undefined;
  const model = new OptimizedModel();
  model.start(machine);
  const results = new Int32Array(1024);
  const last = steps[failing]!;
  const reason = (candidate: readonly Step[]): string | undefined => {
    model.reset();
    for (const { operation, answer } of candidate) {
      model.run(recordsOf(operation), 0, results);
      if (codeOf(results[0]!) !== answer) return undefined;
    }
    return JSON.stringify(
      cause.kind === 'refused'
        ? conflictOf(model, last.operation as Hypercall, () => 0)
        : (cause.present ?? false),
    );
  };
  let best = steps.slice(0, failing + 1);
  const wanted = reason(best);
  if (wanted === undefined) return undefined;
  for (let size = best.length >> 1; size >= 1;) {
    const before = best.length;
    for (let from = best.length - 1 - size; from >= 0; from -= size) {
      const candidate = best.toSpliced(from, size);
      if (reason(candidate) === wanted) best = candidate;
    }
    if (size > 1 || best.length === before) size >>= 1;
  }
  return best;
}

/** The steps as records, with their answers. */
export function programOf(steps: readonly Step[]): {
  readonly code: Int32Array;
  readonly expected: Int32Array;
} {
  const code = Int32Array.from(steps.flatMap(({ operation }) => [...recordsOf(operation)]));
  const expected = new Int32Array(code.length / RECORD).fill(UNKNOWN);
  const starts = operationStarts(code);
  for (const [i, { operation, answer }] of steps.entries())
    if (operation.kind !== 'fill' && !('items' in operation)) expected[starts[i]! / RECORD] = answer;
  return { code, expected };
}
