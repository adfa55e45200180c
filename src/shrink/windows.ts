/** The pass for what hangs together by addresses: a window, the entry behind it, and where an LDT begins. */
import { ZERO } from '../../models/x86/entry.js';
import { type Draft, replaced } from './draft.js';
import { ofFrames, renamed, visit, windowAddress, windowOf, offsetOf } from './names.js';
import type { Steps } from './pass.js';

/** Descriptors on one page of an LDT. */
const DESCRIPTORS_A_PAGE = 512;
/** Most operations of a program for which places and entries are tried together with the window. */
const LENGTH_MAX = 8;

export function* windows(draft: Draft): Steps {
  if (draft.machine.frames === 0) return;
  draft = (yield* shifted(draft)) ?? draft;
  draft = (yield ldtFromItsPage(draft)) ?? draft;
  draft = (yield ldtWithItsPageNext(draft)) ?? draft;
  if (draft.operations.length > LENGTH_MAX) return;
  for (let i = 0; i < draft.operations.length; i++) {
    for (const window of [0, 1]) {
      const moved = throughWindow(draft, i, window);
      if (!moved) continue;
      for (const other of [...withoutAnEntry(moved), ...atOtherPlaces(moved, i)]) if (yield other) return;
    }
  }
}

/**
 * All windows and the frames behind them nearer to the first by the same number, as the pages of an LDT must be. The
 * pages' numbers go with them where the LDT does not begin in a window.
 */
function* shifted(draft: Draft): Generator<Draft, Draft | undefined, Draft | undefined> {
  let last = 0;
  visit(draft, { window: (index) => ((last = Math.max(last, index)), index) });
  for (let by = last; by > 0; by--) {
    const name = (index: number) => (index >= by ? index - by : index);
    const nearer = renamed(draft, { frame: ofFrames(name), window: name });
    const operations = nearer.operations.map((operation) =>
      operation.kind === 'access_ldt' ? { ...operation, page: name(operation.page) } : operation,
    );
    const taken =
      (yield nearer) ?? (yield renamed(draft, { window: name })) ?? (yield { ...nearer, operations });
    if (taken) return taken;
  }
  return undefined;
}

/** An LDT of which only a later page is used begins on that page. */
function ldtFromItsPage(draft: Draft): Draft {
  const operations = draft.operations.map((operation) => {
    if (operation.kind === 'access_ldt' && operation.page > 0)
      return { ...operation, page: operation.page - 1 };
    if (operation.kind !== 'set_ldt' || operation.entries <= DESCRIPTORS_A_PAGE) return operation;
    const window = windowOf(operation.va, draft.machine.arch);
    if (window < 0) return operation;
    const va = windowAddress(window + 1, offsetOf(operation.va), draft.machine.arch);
    return { ...operation, va, entries: operation.entries - DESCRIPTORS_A_PAGE };
  });
  return { ...draft, operations };
}

/** The page of the LDT that is used is the one after the first. */
function ldtWithItsPageNext(draft: Draft): Draft {
  const { arch } = draft.machine;
  let distance = 0;
  let first = -1;
  const operations = draft.operations.map((operation) => {
    if (operation.kind === 'set_ldt') first = windowOf(operation.va, arch);
    if (operation.kind !== 'access_ldt' || operation.page <= 1) return operation;
    distance = operation.page;
    return { ...operation, page: 1 };
  });
  const name = (index: number) => (index === first + distance ? first + 1 : index);
  return renamed({ ...draft, operations }, { frame: ofFrames(name), window: name });
}

/** The program in which this operation goes through another window; undefined if it goes through none or that one. */
function throughWindow(draft: Draft, index: number, window: number): Draft | undefined {
  const { arch } = draft.machine;
  const operation = draft.operations[index]!;
  if (!('va' in operation) || [-1, window].includes(windowOf(operation.va, arch))) return undefined;
  return replaced(draft, index, { ...operation, va: windowAddress(window, offsetOf(operation.va), arch) });
}

/** What was put behind the old window may be put nowhere now. */
function* withoutAnEntry(draft: Draft): Generator<Draft> {
  for (const [i, operation] of draft.operations.entries())
    if (operation.kind === 'mmu_update' && operation.entry.flags !== 0)
      yield replaced(draft, i, { ...operation, entry: ZERO });
}

function* atOtherPlaces(draft: Draft, index: number): Generator<Draft> {
  const rest = draft.operations.toSpliced(index, 1);
  for (let at = 0; at <= rest.length; at++)
    if (at !== index) yield { ...draft, operations: rest.toSpliced(at, 0, draft.operations[index]!) };
}
