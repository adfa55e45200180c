/** Passes that leave something out: blocks of operations, elements, two or three operations at once. */
import type { Operation } from '../program/operation.js';
import { type Draft, replaced } from './draft.js';
import { isInterrupted, otherNumbers } from './events.js';
import type { Steps } from './pass.js';
import { withEnvironmentOf } from './simpler.js';

/** Most operations of which any two are tried together, and any three. */
const PAIRS_MAX = 12;
const TRIPLES_MAX = 8;

/** Blocks of half the program, of a quarter, and so on down to single operations, from the end. */
export function* blocks(draft: Draft): Steps {
  for (let size = Math.max(1, draft.operations.length >> 1); size >= 1; size >>= 1) {
    for (let end = draft.operations.length; end > 0; end = Math.min(end - size, draft.operations.length)) {
      const first = Math.max(0, end - size);
      const operations = draft.operations.toSpliced(first, end - first);
      draft = (yield { ...draft, operations }) ?? draft;
    }
  }
}

/** Lists and multicalls become their elements, fills and lists lose some. */
export function* elements(draft: Draft): Steps {
  for (let i = draft.operations.length - 1; i >= 0; i--) {
    let smaller = withFewerElements(draft.operations[i]!);
    for (let step = smaller.next(); !step.done; step = smaller.next()) {
      const taken = yield replaced(draft, i, ...step.value);
      if (!taken) continue;
      draft = taken;
      if (i >= draft.operations.length) break;
      smaller = withFewerElements(draft.operations[i]!);
    }
  }
}

/**
 * Any operation together with when an event or lost race comes, any two operations at once, and any three: one of
 * them alone may be what makes up for the other.
 */
export function* groups(draft: Draft): Steps {
  const { length } = draft.operations;
  if (length > PAIRS_MAX) return;
  for (let i = 0; i < length; i++)
    for (const operations of otherNumbers(without(draft, i).operations))
      if (yield { ...draft, operations }) return;
  for (let a = 0; a < length; a++) {
    for (let b = a + 1; b < length; b++) {
      if (yield without(draft, a, b)) return;
      for (let c = b + 1; c < length && length <= TRIPLES_MAX; c++) {
        if (yield without(draft, a, b, c)) return;
      }
    }
  }
}

function without(draft: Draft, ...indices: number[]): Draft {
  return { ...draft, operations: draft.operations.filter((_, i) => !indices.includes(i)) };
}

/** What an operation with elements can be replaced by: its elements, itself with half of them, and so on down to all but one. */
function* withFewerElements(operation: Operation): Generator<readonly Operation[]> {
  if ('items' in operation) {
    const { cpu, items } = operation;
    const calm = cpu ? { cpu } : {};
    yield items.map((item) => withEnvironmentOf(calm, item));
    yield items.map((item) => withEnvironmentOf(operation, item));
    for (let k = 0; k < items.length && isInterrupted(operation); k++)
      yield* otherNumbers(items.map((item, i) => withEnvironmentOf(i === k ? operation : calm, item)));
  }
  const count = elementsOf(operation);
  for (let size = Math.max(1, count >> 1); size >= 1 && count > 0; size >>= 1) {
    for (let end = count; end > 0; end -= size) {
      const first = Math.max(0, end - size);
      yield [withoutElements(operation, first, end - first)];
    }
  }
  if (operation.kind !== 'multicall') return;
  for (const [i, call] of operation.items.entries())
    for (const calls of withFewerElements(call)) yield [withCalls(operation, i, calls)];
}

/** Each way to leave out just one operation or element, with where that is: `[2]`, `[2, 0]`, in a call's list `[2, 0, 1]`. */
export function* singleRemovals(draft: Draft): Generator<{ path: readonly number[]; draft: Draft }> {
  for (const [i, operation] of draft.operations.entries()) {
    yield { path: [i], draft: replaced(draft, i) };
    for (const { path, smaller } of elementRemovals(operation))
      yield { path: [i, ...path], draft: replaced(draft, i, smaller) };
  }
}

function* elementRemovals(operation: Operation): Generator<{ path: readonly number[]; smaller: Operation }> {
  for (let i = 0; i < elementsOf(operation); i++) {
    yield { path: [i], smaller: withoutElements(operation, i, 1) };
    if (operation.kind !== 'multicall') continue;
    for (const { path, smaller } of elementRemovals(operation.items[i]!))
      yield { path: [i, ...path], smaller: withCalls(operation, i, [smaller]) };
  }
}

type Multicall = Extract<Operation, { kind: 'multicall' }>;

function withCalls(multicall: Multicall, index: number, calls: readonly Operation[]): Operation {
  return { ...multicall, items: multicall.items.toSpliced(index, 1, ...(calls as Multicall['items'])) };
}

function elementsOf(operation: Operation): number {
  if ('items' in operation) return operation.items.length;
  if (operation.kind === 'fill') return operation.entries.length;
  return operation.kind === 'set_gdt' ? operation.frames.length : 0;
}

function withoutElements(operation: Operation, first: number, count: number): Operation {
  switch (operation.kind) {
    case 'mmu_update_list':
      return { ...operation, items: operation.items.toSpliced(first, count) };
    case 'mmuext_op_list':
      return { ...operation, items: operation.items.toSpliced(first, count) };
    case 'multicall':
      return { ...operation, items: operation.items.toSpliced(first, count) };
    case 'fill':
      return { ...operation, entries: operation.entries.toSpliced(first, count) };
    case 'set_gdt':
      return { ...operation, frames: operation.frames.toSpliced(first, count) };
    default:
      throw new Error(`${operation.kind} has no elements`);
  }
}
