import type { ModelState } from '../models/model.js';
import { P, RW, mfnOf } from '../models/x86/entry.js';
import { INFO_TYPE, TYPE_L1, TYPE_WRITABLE } from '../models/x86/page-type.js';
import { isGuests, isProtected, isValidatedTable } from './frames.js';
import type { EntryPlace, Invariant, Violation } from './invariant.js';
import { Recount } from './recount.js';
import { entryName, frameName, typeName } from './wording.js';

const name = 'no-writable-pagetable';

/** Rules 4, I1 and I2 (Xen: mm.c: get_page_from_l1e, _get_page_type). */
export const noWritablePagetable: Invariant = {
  name,
  meaning:
    'A frame that a validated L1 table maps writable is no pagetable and no descriptor table; if it is the guest’s RAM its type is writable, with a reference for every such entry.',
  why: 'A guest that can write a pagetable in use maps all of the machine’s memory, Xen’s included. This is the invariant behind direct paging; XSA-148 and XSA-182 broke it.',
  check(state) {
    const { writableEntries } = new Recount(state);
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const violation = writableFault(state, mfn, state.info(mfn), writableEntries[mfn]);
      if (violation) return violation;
    }
    return undefined;
  },
};

/** Holds the frame's type against the number of writable entries that map it. */
export function writableFault(
  state: ModelState,
  mfn: number,
  info: number,
  entries: number,
): Violation | undefined {
  if (entries === 0) return undefined;
  const type = info & INFO_TYPE;
  const count = state.typeCount(mfn);
  if (isProtected(type) && count > 0)
    return mappedWritable(state, mfn, `which is ${typeName(info)} with type count ${count}`);
  if (!isGuests(info)) return undefined;
  if (type !== TYPE_WRITABLE) return mappedWritable(state, mfn, `whose type is ${typeName(info)}`);
  if (count < entries)
    return mappedWritable(state, mfn, `whose type count is ${count}, with ${entries} writable entries`);
  return undefined;
}

function mappedWritable(state: ModelState, mfn: number, what: string): Violation {
  const entry = findWritableEntry(state, mfn);
  const where = entry ? entryName(entry.mfn, entry.slot, state.machine) : 'an entry';
  const message = `${where} maps ${frameName(mfn, state.machine)} writable, ${what}.`;
  return { invariant: name, message, frame: mfn, ...(entry ? { entry } : {}) };
}

function findWritableEntry(state: ModelState, target: number): EntryPlace | undefined {
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if ((info & INFO_TYPE) !== TYPE_L1 || !isValidatedTable(info)) continue;
    for (let slot = 0; slot < 512; slot++) {
      const low = state.low(mfn, slot);
      if ((low & P) !== 0 && (low & RW) !== 0 && mfnOf(low, state.high(mfn, slot)) === target)
        return { mfn, slot };
    }
  }
  return undefined;
}
