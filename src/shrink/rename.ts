/** Passes that give frames, windows and slots the first names, or several the same one. */
import { FIRST_FRAME_MFN } from '../program/machine.js';
import type { Draft } from './draft.js';
import { indexOf, ofFrames, renamed, visit } from './names.js';
import type { Steps } from './pass.js';
import { smallerNumbers } from './simpler.js';

/** Frames and windows: one name becomes an earlier one, used or not, or the two change places. */
export function* frames(draft: Draft): Steps {
  if (draft.machine.frames === 0) return;
  draft = (yield normalized(draft)) ?? draft;
  for (const from of [...indicesOf(draft)].sort((a, b) => b - a)) {
    for (let to = 0; to < from && to < draft.machine.frames; to++) {
      const merged = (index: number) => (index === from ? to : index);
      const swapped = (index: number) => (index === from ? to : index === to ? from : index);
      for (const name of [merged, swapped]) {
        draft = (yield renamed(draft, { frame: ofFrames(name), window: name })) ?? draft;
        draft = (yield renamed(draft, { window: name })) ?? draft;
        draft = (yield renamed(draft, { frame: ofFrames(name) })) ?? draft;
      }
    }
  }
  for (const from of otherFramesOf(draft)) {
    for (let to = 0; to <= indicesOf(draft).size && to < draft.machine.frames; to++)
      draft =
        (yield renamed(draft, { frame: (mfn) => (mfn === from ? FIRST_FRAME_MFN + to : mfn) })) ?? draft;
  }
}

/** Slots: in all tables at once, then table by table. */
export function* slots(draft: Draft): Steps {
  const used = slotsOf(draft);
  const everywhere = new Set([...used.values()].flatMap((slots) => [...slots]));
  const tables: (number | undefined)[] = [undefined, ...used.keys()];
  for (const table of tables) {
    const those = table === undefined ? everywhere : used.get(table)!;
    for (const from of [...those].sort((a, b) => b - a)) {
      for (const to of smallerNumbers(from)) {
        const merged = (slot: number) => (slot === from ? to : slot);
        const swapped = (slot: number) => (slot === from ? to : slot === to ? from : slot);
        for (const name of [merged, swapped]) {
          const taken = yield renamed(draft, {
            slot: (of, slot) => (table === undefined || of === table ? name(slot) : slot),
          });
          if (!taken) continue;
          draft = taken;
        }
      }
    }
  }
}

/**
 * The program with its frames named in the order in which they first appear; windows that no frame goes with
 * get the names after those of the machine's frames.
 */
export function normalized(draft: Draft): Draft {
  const frames = new Set<number>();
  const windows = new Set<number>();
  visit(draft, {
    frame: (mfn) => (indexOf(mfn) >= 0 && frames.add(indexOf(mfn)), mfn),
    window: (index) => ((index < draft.machine.frames ? frames : windows).add(index), index),
  });
  const names = new Map<number, number>();
  let next = 0;
  for (const index of frames) names.set(index, next++);
  next = Math.max(next, draft.machine.frames);
  for (const index of windows) if (!names.has(index)) names.set(index, next++);
  const name = (index: number) => names.get(index) ?? index;
  return renamed(draft, { frame: ofFrames(name), window: name });
}

function indicesOf(draft: Draft): Set<number> {
  const indices = new Set<number>();
  visit(draft, {
    frame: (mfn) => (indexOf(mfn) >= 0 && indices.add(indexOf(mfn)), mfn),
    window: (index) => (indices.add(index), index),
  });
  return indices;
}

/** Boot tables, and frames without a name. */
function otherFramesOf(draft: Draft): Set<number> {
  const frames = new Set<number>();
  visit(draft, { frame: (mfn) => (mfn !== 0 && indexOf(mfn) < 0 && frames.add(mfn), mfn) });
  return frames;
}

/** Slots by table. */
function slotsOf(draft: Draft): Map<number, Set<number>> {
  const slots = new Map<number, Set<number>>();
  visit(draft, {
    slot: (table, slot) => {
      if (!slots.has(table)) slots.set(table, new Set());
      slots.get(table)!.add(slot);
      return slot;
    },
  });
  return slots;
}
