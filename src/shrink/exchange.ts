/** The pass that leaves an operation out and lets another, or all others, name a different frame instead. */
import { BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { type Draft, replaced } from './draft.js';
import { indexOf, renamed } from './names.js';
import type { Steps } from './pass.js';
import { sceneOf } from './simplify.js';

/** Most operations of a program for which this is tried. */
const LENGTH_MAX = 12;

const { B1, B2, B3, B4 } = BOOT_MFN;

/** What had to be prepared for one frame may be there already for another: a boot table, or none at all. */
export function* exchange(draft: Draft): Steps {
  const { length } = draft.operations;
  if (length > LENGTH_MAX || draft.machine.frames === 0) return;
  const { frames } = sceneOf(draft);
  const there = [...(draft.machine.arch === 'x86_64' ? [B1, B2, B3, B4] : [B1, B2, B3]), 0];
  for (const from of frames) {
    for (const to of there) {
      const everywhere = renamed(draft, {
        frame: (index) => (index === indexOf(from) ? to - FIRST_FRAME_MFN : index),
      });
      for (let i = length - 1; i >= 0; i--) if (yield replaced(everywhere, i)) return;
    }
  }
  for (let i = 0; i < length; i++) {
    for (const other of onOtherFrames(draft.operations[i]!, [...frames, ...there])) {
      const exchanged = replaced(draft, i, other);
      for (let j = length - 1; j >= 0; j--) if (j !== i && (yield replaced(exchanged, j))) return;
    }
  }
}

function* onOtherFrames(operation: Operation, frames: readonly number[]): Generator<Operation> {
  for (const mfn of frames) {
    if ('mfn' in operation && operation.mfn !== mfn) yield { ...operation, mfn };
    if ('entry' in operation && operation.entry.flags !== 0 && operation.entry.mfn !== mfn)
      yield { ...operation, entry: { ...operation.entry, mfn } };
  }
}
