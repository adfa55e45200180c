import type { ModelState } from '../models/model.js';
import { P, RW, mfnOf } from '../models/x86/entry.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, TYPE_L3 } from '../models/x86/page-type.js';
import { countedSlots, isGuestSlot, isGuests, isPaeSlot, isValidatedTable } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { entryName, frameName, typeName } from './wording.js';

const name = 'table-tree';

/** Rules 2.4, 2.5, 6.3 and I3, I4 of rules 4 (Xen: mm.c: get_page_from_l2e..l4e, define_get_linear_pagetable). */
export const tableTree: Invariant = {
  name,
  meaning:
    'Every entry of a validated L2, L3 or L4 table names a validated table of the level below that is the guest’s, or, read-only, one of its own level; and a slot-3 L2 belongs to one L3.',
  why: 'The processor walks through whatever these entries name. A same-level entry that is writable makes pagetables writable through it (XSA-182).',
  check(state) {
    const parents = new Uint8Array(state.frameLimit);
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const info = state.info(mfn);
      const end = (info & INFO_TYPE) > 1 && isGuests(info) ? countedSlots(state, mfn, info) : 0;
      for (
        let slot = end > 0 ? state.nextUsed(mfn, 0) : end;
        slot < end;
        slot = state.nextUsed(mfn, slot + 1)
      ) {
        const violation = treeFault(state, mfn, info, slot) ?? paeParents(state, parents, mfn, info, slot);
        if (violation) return violation;
      }
    }
    return undefined;
  },
};

/** Looks at one entry of a table of level 2 to 4, or of the validated part of a partial one. */
export function treeFault(
  state: ModelState,
  table: number,
  info: number,
  slot: number,
): Violation | undefined {
  const low = state.low(table, slot);
  if ((low & P) === 0 || !isGuestSlot(state.machine, info, slot)) return undefined;
  const level = info & INFO_TYPE;
  const child = mfnOf(low, state.high(table, slot));
  const childInfo = child < state.frameLimit ? state.info(child) : 0;
  if (!isGuests(childInfo)) return fault(state, table, slot, child, 'which is no frame of the guest’s');
  if (child === table || (childInfo & INFO_TYPE) === level) {
    if ((low & RW) !== 0)
      return fault(state, table, slot, child, `a table of its own level ${level}, writable`);
    if (level === TYPE_L3 && state.machine.arch === 'x86_32')
      return fault(state, table, slot, child, 'an L3 below a 32-bit L3');
    if (child === table || isIntact(state, childInfo)) return undefined;
  } else if ((childInfo & INFO_TYPE) === level - 1 && isIntact(state, childInfo)) {
    const pae = isPaeSlot(state.machine, level, slot);
    if (((childInfo & INFO_PAE_XEN_L2) !== 0) === pae) return undefined;
    return fault(state, table, slot, child, pae ? 'which is not a slot-3 L2' : 'a slot-3 L2');
  }
  return fault(
    state,
    table,
    slot,
    child,
    `which is ${typeName(childInfo)}${isValidatedTable(childInfo) ? '' : ', not validated'}`,
  );
}

/** The end of a domain takes tables apart that others still name (rules 16.7, RELINQUISH); no processor walks them any more. */
function isIntact(state: ModelState, child: number): boolean {
  return isValidatedTable(child) || state.dying() !== 0;
}

/** One L2 is slot 3 of at most one validated L3 (rules 6.3: a shared one would have two sets of Xen's entries). */
function paeParents(
  state: ModelState,
  parents: Uint8Array,
  table: number,
  info: number,
  slot: number,
): Violation | undefined {
  if (!isPaeSlot(state.machine, info & INFO_TYPE, slot) || (state.low(table, slot) & P) === 0)
    return undefined;
  const child = mfnOf(state.low(table, slot), state.high(table, slot));
  parents[child] += 1;
  return parents[child] > 1 ? fault(state, table, slot, child, 'the slot-3 L2 of another L3 too') : undefined;
}

function fault(state: ModelState, table: number, slot: number, child: number, what: string): Violation {
  const message = `${entryName(table, slot, state.machine)} names ${frameName(child, state.machine)}, ${what}.`;
  return { invariant: name, message, frame: child, entry: { mfn: table, slot } };
}
