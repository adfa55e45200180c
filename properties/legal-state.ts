import type { ModelState } from '../models/model.js';
import { SLOTS } from '../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_SPECIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  OWNER_IO,
  OWNER_NOBODY,
  TYPE_L1,
  TYPE_L2,
  TYPE_L4,
  TYPE_NONE,
  TYPE_SEG_DESC,
  TYPE_WRITABLE,
  isTable,
} from '../models/x86/page-type.js';
import { isValidatedTable, ownerOf, typeOf } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { frameName, typeName } from './wording.js';

const name = 'legal-state';

/** Rules 1.1, 1.2, 1.5, 1.6, 2.11, 16.2 to 16.5, 16.7. */
export const legalState: Invariant = {
  name,
  meaning: 'Type, flags, counts and owner of every frame fit each other.',
  why: 'Every decision about a frame trusts these flags: a partial table taken for a validated one, or a pin without a type, is how XSA-299 began.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const violation = stateFault(state, mfn, state.info(mfn));
      if (violation) return violation;
    }
    return undefined;
  },
};

export function stateFault(state: ModelState, mfn: number, info: number): Violation | undefined {
  const what =
    ownerRule(state, mfn, info) ??
    typeRule(state, mfn, info) ??
    partialRule(state, mfn, info) ??
    deferredRule(state, mfn, info);
  if (what === undefined) return undefined;
  const found = `${typeName(info)}, type count ${state.typeCount(mfn)}, general count ${state.generalCount(mfn)}`;
  return { invariant: name, message: `${frameName(mfn, state.machine)} (${found}) ${what}.`, frame: mfn };
}

function ownerRule(state: ModelState, mfn: number, info: number): string | undefined {
  const general = state.generalCount(mfn);
  switch (ownerOf(info)) {
    case OWNER_GUEST:
      return general > 0 || state.dying() !== 0 ? undefined : 'is the guest’s without any reference';
    case OWNER_IO:
      if ((info & INFO_TYPE) !== TYPE_WRITABLE || (info & INFO_VALIDATED) === 0)
        return 'is an I/O frame that is not writable';
      break;
    case OWNER_NOBODY:
      if (general !== 0 || state.typeCount(mfn) !== 0 || (info & INFO_SPECIAL) !== 0)
        return 'has references but no owner';
  }
  if ((info & INFO_ALLOCATED) !== 0 && (info & INFO_SPECIAL) === 0)
    return 'is allocated to the guest, but has another owner';
  return (info & (INFO_PINNED | INFO_PARTIAL)) === 0
    ? undefined
    : 'is pinned or partial, but is not the guest’s';
}

function typeRule(state: ModelState, mfn: number, info: number): string | undefined {
  const type = typeOf(info);
  const held = state.typeCount(mfn) > 0;
  const validated = (info & INFO_VALIDATED) !== 0;
  if ((info & INFO_PINNED) !== 0 && !isValidatedTable(info)) return 'is pinned, but is not a validated table';
  if ((info & INFO_PAE_XEN_L2) !== 0 && !(type === TYPE_L2 && held && state.machine.arch === 'x86_32')) {
    return 'has the mark of a slot-3 L2 without being one in use';
  }
  if (type >= TYPE_L1 && type <= TYPE_L4) {
    if (validated && !held) return 'is a validated table without a type reference';
    // The end of a domain takes tables apart that are still referred to (rules 16.7, RELINQUISH).
    if (held && !validated && (info & INFO_PARTIAL) === 0 && (state.dying() === 0 || type === TYPE_L1))
      return 'is a table in use that is neither validated nor partial';
    return type === TYPE_L4 && state.machine.arch === 'x86_32' ? 'is an L4 of a 32-bit guest' : undefined;
  }
  if (type === TYPE_SEG_DESC || type === TYPE_WRITABLE)
    return held && !validated ? 'is in use, but not validated' : undefined;
  // Pages of Xen's that are shared read-only have no type and yet a count (rules 1.2).
  if (type === TYPE_NONE)
    return (held || validated) && (info & INFO_SPECIAL) === 0
      ? 'has no type, but is in use or validated'
      : undefined;
  return 'has a type that does not exist';
}

function partialRule(state: ModelState, mfn: number, info: number): string | undefined {
  const from = state.partialFrom(mfn);
  if ((info & INFO_PARTIAL) === 0) {
    if (from !== 0) return `is not partial, but its validation stopped at slot ${from}`;
    return (info & INFO_HANDED) === 0 ? undefined : 'is not partial, but holds a handed-over child';
  }
  if (!isTable(typeOf(info)) || typeOf(info) === TYPE_L1) return 'is partial, but no L2, L3 or L4';
  if ((info & (INFO_VALIDATED | INFO_PINNED)) !== 0) return 'is partial and yet validated or pinned';
  const held = state.typeCount(mfn);
  if (held !== 1 && (held === 0 || state.dying() === 0)) return 'is partial with a type count other than 1';
  // Slot 0 itself has been begun, or nothing would be partial.
  if (from === 0 && (info & INFO_HANDED) !== 0) return undefined;
  return from > 0 && from < SLOTS ? undefined : `is partial, but its validation stopped at slot ${from}`;
}

/** A table whose type reference the cleanup is to drop is whole; one that is only to be finished may be anything by now (rules 16.4). */
function deferredRule(state: ModelState, mfn: number, info: number): string | undefined {
  if (mfn === 0) return undefined;
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    if (state.deferred(cpu) !== mfn) continue;
    if (state.deferredWhole(cpu) === 0) {
      if (state.generalCount(mfn) === 0) return 'awaits the end of its cleanup without any reference';
    } else if (!isValidatedTable(info) || state.typeCount(mfn) === 0) {
      return 'awaits its cleanup as a whole table, but is none that is validated and in use';
    }
  }
  return undefined;
}
