/**
 * The pass that puts one plain operation in the place of two of the program's, of one, or of what interrupts it.
 * The other passes change what is there: they do not get from one small program to another that does the same.
 */
import type { Operation } from '../program/operation.js';
import { type Draft, replaced } from './draft.js';
import { isInterrupted, otherNumbers } from './events.js';
import type { Steps } from './pass.js';
import { interruptedForms, onCpusOf, plainRequests } from './vocabulary.js';

/** Most operations of a program for which this is tried. */
const LENGTH_MAX = 8;

export function* substitute(draft: Draft): Steps {
  const { length } = draft.operations;
  if (length > LENGTH_MAX || draft.machine.frames === 0) return;
  const plain = plainRequests(draft);
  const interrupted = [...plain, ...interruptedForms(plain, draft)];
  const wordsFor = (...those: readonly Operation[]) =>
    onCpusOf(those, those.some(isInterrupted) ? interrupted : plain);
  for (let a = 0; a < length; a++) {
    for (let b = a + 1; b < length; b++) {
      const rest = draft.operations.filter((_, i) => i !== a && i !== b);
      for (const others of new Set([rest, onFirstCpu(rest)]))
        for (const at of new Set([a, b - 1]))
          for (const word of wordsFor(draft.operations[a]!, draft.operations[b]!))
            if (yield { ...draft, operations: others.toSpliced(at, 0, word) }) return;
    }
  }
  if (yield* lessInterrupted(draft, plain)) return;
  for (let i = 0; i < length; i++) {
    for (const word of wordsFor(draft.operations[i]!)) {
      const taken = yield replaced(draft, i, word);
      if (!taken) continue;
      if (taken.operations.length < length) return;
      draft = taken;
    }
  }
}

/** One event or lost race less, for which another operation may be needed; whether that was found. */
function* lessInterrupted(
  draft: Draft,
  words: readonly Operation[],
): Generator<Draft, boolean, Draft | undefined> {
  const { operations } = draft;
  for (const [i, operation] of operations.entries()) {
    if (!isInterrupted(operation)) continue;
    const { preempt: _preempt, contend: _contend, ...calm } = operation;
    for (const word of words) if (yield replaced(draft, i, word, calm)) return true;
    const rest = operations.toSpliced(i, 1);
    for (const others of otherNumbers(rest))
      for (let at = 0; at <= rest.length; at++)
        for (const word of words)
          if (yield { ...draft, operations: others.toSpliced(at, 0, word) }) return true;
  }
  return false;
}

function onFirstCpu(operations: readonly Operation[]): readonly Operation[] {
  return operations.some(({ cpu }) => cpu !== undefined)
    ? operations.map(({ cpu: _cpu, ...rest }) => rest)
    : operations;
}
