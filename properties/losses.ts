import type { ModelState } from '../models/model.js';
import type { Violation } from './invariant.js';
import { frameName } from './wording.js';

/**
 * References that Xen has lost for good (rules 14, 5.4). They are part of how Xen 4.17 behaves, so the models book
 * them and no invariant minds; with `quirks=intended` there are none.
 */
export function lossFault(state: ModelState): Violation | undefined {
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const types = state.lostTypeReferences(mfn);
    const generals = state.lostGeneralReferences(mfn);
    if (types === 0 && generals === 0) continue;
    const message = `${frameName(mfn, state.machine)} has ${types} type and ${generals} general references that nobody can drop any more.`;
    return { invariant: 'nothing-lost', message, frame: mfn };
  }
  return undefined;
}
