/** The pass that makes each operation simpler, and those that lower all levels at once. */
import type { Level } from '../../models/x86/page-type.js';
import { FIRST_FRAME_MFN } from '../program/machine.js';
import { type Draft, replaced } from './draft.js';
import { visit } from './names.js';
import type { Steps } from './pass.js';
import { simplerForms, type Scene, type Update } from './simpler.js';

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

/** All pins one level lower: a tree of tables whose height does not matter. */
function* lowered(draft: Draft): Steps {
  const operations = draft.operations.map((operation) =>
    operation.kind === 'pin' && operation.level > 1
      ? { ...operation, level: (operation.level - 1) as Level }
      : operation,
  );
  yield { ...draft, operations };
}

export function sceneOf(draft: Draft): Scene {
  const frames = new Set<number>();
  const windows = new Set<number>();
  visit(draft, {
    frame: (index) => (frames.add(index), index),
    window: (index) => (windows.add(index), index),
  });
  const sorted = (names: Set<number>) => [...names].sort((a, b) => a - b);
  return {
    machine: draft.machine,
    frames: sorted(frames).map((index) => FIRST_FRAME_MFN + index),
    windows: sorted(windows),
    updates: draft.operations.filter((operation): operation is Update => operation.kind === 'mmu_update'),
  };
}
