/** A guest's operations as steps, and steps as a program. */
import { codeOf, UNKNOWN } from '../../models/x86/result.js';
import { decode } from '../program/codec.js';
import type { Operation } from '../program/operation.js';
import { itemsAt, operationStarts, RECORD } from '../program/record.js';
import { recordsOf } from '../shrink/draft.js';

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
