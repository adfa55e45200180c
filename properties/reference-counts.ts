import type { ModelState } from '../models/model.js';
import type { Invariant, Violation } from './invariant.js';
import { Recount } from './recount.js';
import { frameName } from './wording.js';

const name = 'reference-counts';

/** Rules 2.10. */
export const referenceCounts: Invariant = {
  name,
  meaning: 'The type count and the general count of every frame are what its holders add up to.',
  why: 'A count that is too low lets a frame change its type, or be freed, while it is still in use as a pagetable (XSA-299); one that is too high loses the page for good.',
  check(state) {
    const counted = new Recount(state);
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const violation = countFault(state, mfn, counted.typeCount[mfn], counted.generalCount[mfn]);
      if (violation) return violation;
    }
    return undefined;
  },
};

/** Holds the frame's two counts against what its holders add up to. */
export function countFault(
  state: ModelState,
  mfn: number,
  type: number,
  general: number,
): Violation | undefined {
  if (state.typeCount(mfn) !== type) return differs(state, mfn, 'type', state.typeCount(mfn), type);
  if (state.generalCount(mfn) !== general)
    return differs(state, mfn, 'general', state.generalCount(mfn), general);
  return undefined;
}

function differs(state: ModelState, frame: number, kind: string, count: number, holders: number): Violation {
  const message = `${frameName(frame, state.machine)} has ${kind} count ${count}, but its holders add up to ${holders}.`;
  return { invariant: name, message, frame };
}
