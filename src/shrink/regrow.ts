/**
 * The pass that puts any two operations in the place of two or three that follow each other, or of all that comes
 * before. An interrupted program keeps its shape under all other passes when what its event needs can be prepared
 * in another way altogether.
 */
import { OptimizedModel } from '../../models/optimized/model.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import type { Operation } from '../program/operation.js';
import { RECORD, span } from '../program/record.js';
import { candidateOf, type Draft } from './draft.js';
import { isInterrupted } from './events.js';
import { isSmaller } from './order.js';
import type { Steps } from './pass.js';
import { interruptedForms, nearRequests } from './vocabulary.js';

/** Operations of a program for which this is tried. */
const LENGTH_MIN = 3;
const LENGTH_MAX = 7;

export function* regrow(draft: Draft): Steps {
  const { operations, machine } = draft;
  const { length } = operations;
  if (length < LENGTH_MIN || length > LENGTH_MAX || machine.frames === 0) return;
  if (!operations.some(isInterrupted)) return;
  const isSimpler = (a: Operation, b: Operation) =>
    isSmaller({ machine, operations: [a] }, { machine, operations: [b] });
  const scout = new Scout();
  const plain = nearRequests(draft);
  const isContended = operations.some(({ contend }) => contend !== undefined);
  const interrupted = [
    ...plain,
    ...interruptedForms(plain, draft).filter(({ contend }) => isContended || contend === undefined),
  ];
  for (const [at, end] of stretches(length)) {
    const before = operations.slice(0, at);
    const after = operations.slice(end);
    const words = operations.slice(at, end).some(isInterrupted) ? interrupted : plain;
    for (const first of scout.different({ machine, operations: before }, words)) {
      if (end - at === 2 && !isSimpler(first, operations[at]!)) continue;
      const begun = { machine, operations: [...before, first] };
      if (end - at > 2 && (yield { machine, operations: [...begun.operations, ...after] })) return;
      const seconds = after.length > 0 ? scout.different(begun, words) : words;
      for (const second of seconds)
        if (yield { machine, operations: [...begun.operations, second, ...after] }) return;
    }
  }
}

/** First and one past the last of what is replaced: long beginnings first, then three in a row, then two. */
function* stretches(length: number): Generator<[at: number, end: number]> {
  for (let end = length - 1; end > 3; end--) yield [0, end];
  for (const size of [3, 2]) for (let at = 0; at + size <= length; at++) yield [at, at + size];
}

/** Tries operations on a model by itself, to leave out those that come to the same. */
class Scout {
  private readonly model = new OptimizedModel();
  private readonly digest = new StateDigest(this.model);

  /** The first of the operations that lead to each state, without those that change nothing. */
  different(draft: Draft, words: readonly Operation[]): Operation[] {
    const states = new Set([this.stateAfter(draft)]);
    return words.filter((word) => {
      const state = this.stateAfter({ ...draft, operations: [...draft.operations, word] });
      if (states.has(state)) return false;
      states.add(state);
      return true;
    });
  }

  private stateAfter(draft: Draft): string {
    const { machine, code } = candidateOf(draft);
    const { model, digest } = this;
    if (model.machine === machine) {
      model.reset();
      digest.reset();
    } else {
      model.start(machine);
      digest.read();
    }
    const answers = new Int32Array(code.length / RECORD);
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
      model.run(code, at, answers);
      digest.follow();
    }
    return digest.toString();
  }
}
