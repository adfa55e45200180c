import type { ModelState } from '../models/model.js';
import { P, mfnOf } from '../models/x86/entry.js';
import { INFO_SPECIAL, INFO_TYPE, OWNER_IO, TYPE_L1 } from '../models/x86/page-type.js';
import { isGuests, isValidatedTable, ownerOf } from './frames.js';
import type { EntryPlace, Invariant, Violation } from './invariant.js';
import { entryName, frameName } from './wording.js';

const name = 'owned-mappings';

/** Rules 2.3, step 3 (Xen: mm.c: get_page_from_l1e). There is no second domain here, hence no foreign mapping. */
export const ownedMappings: Invariant = {
  name,
  meaning:
    'A validated L1 table maps only frames of the guest’s, I/O frames, and pages that Xen shares with it.',
  why: 'A mapping that outlives the guest’s ownership reaches whatever the frame is given to next, another guest or Xen itself.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const info = state.info(mfn);
      if ((info & INFO_TYPE) !== TYPE_L1 || !isValidatedTable(info) || !isGuests(info)) continue;
      for (let slot = state.nextUsed(mfn, 0); slot < 512; slot = state.nextUsed(mfn, slot + 1)) {
        const low = state.low(mfn, slot);
        const target = (low & P) === 0 ? Infinity : mfnOf(low, state.high(mfn, slot));
        if (target < state.frameLimit && !isMappable(state.info(target)))
          return mappingFault(state, target, { mfn, slot });
      }
    }
    return undefined;
  },
};

export function isMappable(info: number): boolean {
  return isGuests(info) || ownerOf(info) === OWNER_IO || (info & INFO_SPECIAL) !== 0;
}

function mappingFault(state: ModelState, frame: number, entry: EntryPlace): Violation {
  const where = entryName(entry.mfn, entry.slot, state.machine);
  const message = `${where} maps ${frameName(frame, state.machine)}, which is not the guest’s.`;
  return { invariant: name, message, frame, entry };
}
