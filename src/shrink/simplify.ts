/** The pass that makes each operation simpler, and those that lower all levels at once. */
import type { Level } from '../../models/x86/page-type.js';
import { BOOT_MFN, frameMfns, type Machine } from '../program/machine.js';
import { type Draft, replaced } from './draft.js';
import { indexOf, renamed, visit } from './names.js';
import type { Steps } from './pass.js';
import { simplerForms, type Scene, type Update } from './simpler.js';

const { B1, B4 } = BOOT_MFN;

export function* simplify(draft: Draft): Steps {
  yield* lowered(draft);
  for (let i = 0; i < draft.operations.length; i++) {
    let forms = simplerForms(draft.operations[i]!, sceneOf(draft));
    for (let step = forms.next(); !step.done; step = forms.next()) {
      const taken = yield replaced(draft, i, step.value);
      if (!taken) continue;
      draft = taken;
      if (i >= draft.operations.length) break;
      forms = simplerForms(draft.operations[i]!, sceneOf(draft));
    }
  }
}

/** All pins one level lower, and the boot tables too: a tree of tables whose height does not matter. */
function* lowered(draft: Draft): Steps {
  const pins = draft.operations.map((operation) =>
    operation.kind === 'pin' && operation.level > 1
      ? { ...operation, level: (operation.level - 1) as Level }
      : operation,
  );
  const pinsLowered = { ...draft, operations: pins };
  yield renamed(pinsLowered, { frame: (mfn) => (mfn > B1 && mfn <= B4 ? mfn - 1 : mfn) });
  yield pinsLowered;
}

export function sceneOf(draft: Draft): Scene {
  const frames = new Set<number>();
  const windows = new Set<number>();
  visit(draft, {
    frame: (mfn) => (frames.add(mfn), mfn),
    window: (index) => (windows.add(index), index),
  });
  return {
    machine: draft.machine,
    frames: namedFrames(draft.machine, frames),
    windows: [...windows].sort((a, b) => a - b),
    updates: draft.operations.filter((operation): operation is Update => operation.kind === 'mmu_update'),
  };
}

/** `F0` to one that the program does not use; without names, those that it uses. */
function namedFrames({ frames }: Machine, used: ReadonlySet<number>): number[] {
  if (frames === 0) return [...used].sort((a, b) => a - b);
  const count = Math.min(frames, 2 + Math.max(-1, ...[...used].map(indexOf)));
  return frameMfns(count);
}
