/**
 * The pass that puts any two operations in the place of two; in an interrupted program also in the place of three, or
 * of all that comes before the last. A program keeps its shape under all other passes when what its last
 * operation needs can be prepared in another way altogether.
 */
import type { Operation } from '../program/operation.js';
import type { Draft } from './draft.js';
import { isInterrupted, otherNumbers } from './events.js';
import { compare, isSmaller } from './order.js';
import type { Steps } from './pass.js';
import { Scout } from './scout.js';
import { interruptedForms, nearRequests, onCpusOf } from './vocabulary.js';

/** Operations of a program for which this is tried. */
const LENGTH_MIN = 3;
const LENGTH_MAX = 7;
/** Most operations of which any two are tried, wherever they stand, and most words for that: two of them stand in their place. */
const PAIRS_MAX = 5;
const WORDS_MAX = 150;

export function* regrow(draft: Draft): Steps {
  const { length } = draft.operations;
  if (length < LENGTH_MIN || length > LENGTH_MAX || draft.machine.frames === 0) return;
  const scout = new Scout();
  const vocabulary = new Vocabulary(draft);
  if (draft.operations.some(isInterrupted) && (yield* rows(draft, vocabulary, scout))) return;
  if (length <= PAIRS_MAX && vocabulary.plain.length <= WORDS_MAX) yield* pairs(draft, vocabulary, scout);
}

/** What may stand in the place of operations. Words for what is interrupted are many more. */
class Vocabulary {
  readonly plain: readonly Operation[];
  private readonly interrupted: readonly Operation[];

  constructor(private readonly draft: Draft) {
    const { machine, operations } = draft;
    const isContended = operations.some(({ contend }) => contend !== undefined);
    const forms = (words: readonly Operation[]) =>
      [...words].sort((a, b) => compare({ machine, operations: [a] }, { machine, operations: [b] }));
    const near = nearRequests(draft);
    this.plain = forms(near);
    this.interrupted = forms([
      ...near,
      ...interruptedForms(near, draft).filter(({ contend }) => isContended || contend === undefined),
    ]);
  }

  /** From the simplest on. */
  for(those: readonly Operation[]): readonly Operation[] {
    return onCpusOf(those, those.some(isInterrupted) ? this.interrupted : this.plain);
  }

  isSimpler(a: Operation, b: Operation): boolean {
    const { machine } = this.draft;
    return isSmaller({ machine, operations: [a] }, { machine, operations: [b] });
  }
}

/**
 * Two operations in a row in the place of some, the first of which stood there; whether that was taken. Which two lead
 * to different states does not depend on what they replace.
 */
function* rows(
  { machine, operations }: Draft,
  vocabulary: Vocabulary,
  scout: Scout,
): Generator<Draft, boolean, Draft | undefined> {
  for (let at = 0; at + 1 < operations.length; at++) {
    const before = operations.slice(0, at);
    const gaps = [...gapsFrom(at, operations.length)].map((gap) => gap.map((i) => operations[i]!));
    for (const isEvent of [false, true]) {
      const gone = gaps.filter((gap) => gap.some(isInterrupted) === isEvent);
      const ends = gone.map((gap) => operations.slice(at).filter((operation) => !gap.includes(operation)));
      const words = vocabulary.for(gone.flat());
      const known = new Set<string>();
      for (const first of gone.length > 0 ? scout.different({ machine, operations: before }, words) : []) {
        const begun = [...before, first];
        for (const end of ends) if (yield { machine, operations: [...begun, ...end] }) return true;
        const seconds = ends.some((end) => end.length === 0)
          ? words
          : scout.different({ machine, operations: begun }, words, known);
        for (const second of seconds) {
          const isLess = isEvent && !isInterrupted(first) && !isInterrupted(second);
          for (const end of ends)
            for (const timed of isLess ? [end, ...otherNumbers(end)] : [end])
              if (yield { machine, operations: [...begun, second, ...timed] }) return true;
        }
      }
    }
  }
  return false;
}

/** What two operations in a row are to replace: all but the last, or one more; this one and any two or one after it. */
function* gapsFrom(at: number, length: number): Generator<readonly number[]> {
  const beginning = Array.from({ length: length - 1 - at }, (_, i) => at + i);
  if (beginning.length > 3) yield beginning;
  if (beginning.length > 4) for (const i of beginning.slice(1)) yield beginning.filter((j) => j !== i);
  for (let i = at + 1; i < length; i++) {
    for (let j = i + 1; j < length; j++) yield [at, i, j];
    if (length > PAIRS_MAX) yield [at, i];
  }
}

/** Any two operations by two others, wherever they stand; with an event less, what stays may be interrupted at another time. */
function* pairs({ machine, operations }: Draft, vocabulary: Vocabulary, scout: Scout): Steps {
  for (const [i, j] of pairsOf(operations)) {
    const [a, b] = [operations[i]!, operations[j]!];
    const before = operations.slice(0, i);
    const between = operations.slice(i + 1, j);
    const after = operations.slice(j + 1);
    const isFree = isInterrupted(b) || b.cpu !== undefined;
    const firsts = vocabulary.for([a]).filter((word) => isFree || !vocabulary.isSimpler(a, word));
    const seconds = vocabulary.for([b]);
    const known = new Set<string>();
    for (const first of scout.different({ machine, operations: before }, firsts)) {
      const begun = [...before, first, ...between];
      const others =
        after.length > 0 ? scout.different({ machine, operations: begun }, seconds, known) : seconds;
      for (const second of others) {
        const isLess = [a, b].filter(isInterrupted).length > [first, second].filter(isInterrupted).length;
        for (const rest of isLess ? [after, ...otherNumbers(after)] : [after])
          if (yield { machine, operations: [...begun, second, ...rest] }) return;
      }
    }
  }
}

function* pairsOf(operations: readonly Operation[]): Generator<[i: number, j: number]> {
  for (let i = 0; i < operations.length; i++) for (let j = i + 1; j < operations.length; j++) yield [i, j];
}
