/** The pass that leaves an operation out and lets another, or all others, name a different frame instead. */
import type { Level } from '../../models/x86/page-type.js';
import type { Operation } from '../program/operation.js';
import { type Draft, replaced } from './draft.js';
import { indexOf, renamed, visit } from './names.js';
import type { Steps } from './pass.js';
import { BOOT_TABLES } from './simpler.js';
import { sceneOf } from './simplify.js';

/** Most operations of a program for which this is tried. */
const LENGTH_MAX = 12;

/** What had to be prepared for one frame may be there already for another: a boot table, or none at all. */
export function* exchange(draft: Draft): Steps {
  const { length } = draft.operations;
  if (length > LENGTH_MAX || draft.machine.frames === 0) return;
  const tables = BOOT_TABLES[draft.machine.arch];
  for (const from of framesOf(draft)) {
    for (const [i, to] of tables.entries()) {
      const everywhere = renamed(draft, { frame: (mfn) => (mfn === from ? to : mfn) });
      for (const named of [everywhere, pinnedAt(everywhere, to, (i + 1) as Level)])
        for (let j = length - 1; j >= 0; j--) if (yield replaced(named, j)) return;
    }
  }
  const { frames } = sceneOf(draft);
  for (let i = 0; i < length; i++) {
    for (const other of onOtherFrames(draft.operations[i]!, [...frames, 0, ...tables])) {
      const exchanged = replaced(draft, i, other);
      for (let j = length - 1; j >= 0; j--) if (j !== i && (yield replaced(exchanged, j))) return;
    }
  }
}

/** `F` and `B` frames of the program. */
function framesOf(draft: Draft): Set<number> {
  const frames = new Set<number>();
  const tables = BOOT_TABLES[draft.machine.arch];
  visit(draft, { frame: (mfn) => ((indexOf(mfn) >= 0 || tables.includes(mfn)) && frames.add(mfn), mfn) });
  return frames;
}

/** The program with all pins of a table at this level. */
function pinnedAt(draft: Draft, mfn: number, level: Level): Draft {
  const operations = draft.operations.map((operation) =>
    operation.kind === 'pin' && operation.mfn === mfn ? { ...operation, level } : operation,
  );
  return { ...draft, operations };
}

function* onOtherFrames(operation: Operation, frames: readonly number[]): Generator<Operation> {
  for (const mfn of frames) {
    if ('mfn' in operation && operation.mfn !== mfn) yield { ...operation, mfn };
    if ('entry' in operation && operation.entry.flags !== 0 && operation.entry.mfn !== mfn)
      yield { ...operation, entry: { ...operation.entry, mfn } };
  }
}
