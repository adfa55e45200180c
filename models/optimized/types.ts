/** Type references to pagetables: taken and dropped, with the validation that the first and the last bring about. */
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  isTable,
  TYPE_L1,
  TYPE_L2,
  TYPE_L3,
} from '../x86/page-type.js';
import { EINVAL, INTERRUPTED, OK, RESTART } from '../x86/result.js';
import { SLOTS } from '../x86/entry.js';
import { demoteTable } from './demote.js';
import { promoteL1, releaseL1 } from './l1.js';
import { promoteCompatL3, promoteTable } from './promote.js';
import { type State, UNHELD } from './state.js';

/** What a type is requested as: the type, and for the L2 under slot 3 of a 32-bit L3 the flag. */
const REQUEST = INFO_TYPE | INFO_PAE_XEN_L2;
const TYPE_INFO = INFO_TYPE | INFO_VALIDATED | INFO_PARTIAL | INFO_PAE_XEN_L2 | INFO_HANDED | UNHELD;
export const L2_PAE_XEN = TYPE_L2 | INFO_PAE_XEN_L2;

/** mm.c: _get_page_type (rules 16.2), for pagetable types. The general reference is the caller's business. */
export function getType(s: State, mfn: number, want: number, preemptible: boolean): number {
  if (isOther(s, mfn, want)) return EINVAL;
  const info = s.info(mfn);
  const count = s.typeCount(mfn);
  if (preemptible && s.losesRace()) return INTERRUPTED;
  s.touch(mfn);
  if (count === 0) {
    if (((info ^ want) & REQUEST) !== 0 && !s.bug('flush-condition-new-type')) s.flushAll();
    s.setTypeCount(mfn, 1);
    s.setInfo(mfn, (info & ~TYPE_INFO) | want);
    s.setLinearCount(mfn, 0);
    s.setFrom(mfn, 0);
    return validate(s, mfn);
  }
  if ((info & INFO_VALIDATED) !== 0) {
    s.addTypes(mfn, 1);
    return OK;
  }
  s.setInfo(mfn, info & ~INFO_PARTIAL); // resumes where the last attempt stopped
  if (s.bug('linear-reset-on-resume')) s.setLinearCount(mfn, 0);
  const code = validate(s, mfn);
  if (partialHoldsPage(s)) s.putPage(mfn);
  return code;
}

/** The frame is in use as something else than what is wanted. */
function isOther(s: State, mfn: number, want: number): boolean {
  return (s.info(mfn) & REQUEST) !== want && s.typeCount(mfn) !== 0;
}

/** mm.c: validate_page (rules 16.2). */
function validate(s: State, mfn: number): number {
  const want = s.info(mfn) & REQUEST;
  s.bugOn(
    want === L2_PAE_XEN && s.bug('pae-slot3-flag-in-assertion'),
    mfn,
    'has a type that is not expected',
  );
  const code = promote(s, mfn);
  if (code === OK) {
    s.setInfo(mfn, (s.info(mfn) | INFO_VALIDATED) & ~(INFO_HANDED | UNHELD));
    s.setFrom(mfn, 0);
  } else if (code === INTERRUPTED) {
    s.setInfo(mfn, s.info(mfn) & ~(INFO_HANDED | UNHELD));
    s.setFrom(mfn, 0);
    s.setTypeCount(mfn, 0);
  } else if (code === RESTART || s.v.deferred === mfn) {
    s.setInfo(mfn, s.info(mfn) | INFO_PARTIAL);
    if (partialHoldsPage(s)) s.getPage(mfn);
  } else {
    s.setInfo(mfn, s.info(mfn) & ~TYPE_INFO);
    s.setFrom(mfn, 0);
    s.setTypeCount(mfn, 0);
  }
  return code;
}

function promote(s: State, mfn: number): number {
  const type = s.info(mfn) & INFO_TYPE;
  if (type === TYPE_L1) {
    const code = promoteL1(s, mfn);
    return s.bug('l1-promotion-result-ignored') ? OK : code;
  }
  return type === TYPE_L3 && s.compat ? promoteCompatL3(s, mfn) : promoteTable(s, mfn, type);
}

/**
 * mm.c: _put_page_type (rules 16.2). With `finish` only what is partial is brought to its end. `parent` is the
 * table whose entry is dropped, 0 for none. A table without references is demoted; its type stays.
 */
export function putType(
  s: State,
  mfn: number,
  preemptible: boolean,
  finish: boolean,
  parent: number,
): number {
  const info = s.info(mfn);
  if (finish) {
    if ((info & INFO_PARTIAL) === 0) return s.bug('put-without-held-type') ? dropUnheld(s, mfn, parent) : OK;
    s.bugOn(s.typeCount(mfn) !== 1, mfn, 'is partial with a type count other than 1');
  } else {
    s.bugOn((info & INFO_PARTIAL) !== 0, mfn, 'is partial while a whole reference to it is dropped');
    s.bugOn((info & INFO_VALIDATED) === 0 && !s.dying, mfn, 'is dropped without having been validated');
  }
  if (preemptible && s.losesRace()) return INTERRUPTED;
  s.touch(mfn);
  const linear = parent !== 0 && ((info ^ s.info(parent)) & INFO_TYPE) === 0;
  if (s.typeCount(mfn) === 1 && isTable(info & INFO_TYPE) && (info & (INFO_VALIDATED | INFO_PARTIAL)) !== 0)
    return putLast(s, mfn, info, linear ? parent : 0);
  s.bugOn(s.typeCount(mfn) === 0, mfn, 'is dropped more often than taken');
  s.addTypes(mfn, -1);
  if (linear) dropLinear(s, mfn, parent);
  if (isTable(info & INFO_TYPE) && s.bug('linear-count-shares-stamp')) s.setLinearCount(mfn, 1);
  return OK;
}

/** The reference of somebody else, who has completed the table in between (XSA-299). */
function dropUnheld(s: State, mfn: number, parent: number): number {
  return s.typeCount(mfn) === 0 ? OK : putType(s, mfn, true, false, parent);
}

/** The partial mark comes with a general reference. */
function partialHoldsPage(s: State): boolean {
  return !s.bug('partial-refs-2008-no-general-ref');
}

/** mm.c: _put_final_page_type, devalidate_page. The linear counts change as soon as the demotion begins. */
function putLast(s: State, mfn: number, before: number, linearParent: number): number {
  const wasPartial = (before & INFO_PARTIAL) !== 0;
  s.setInfo(mfn, before & ~(INFO_VALIDATED | INFO_PARTIAL));
  if (!wasPartial) s.setFrom(mfn, SLOTS);
  const code = demote(s, mfn);
  const begins = (before & INFO_VALIDATED) !== 0 && code !== INTERRUPTED;
  if (linearParent !== 0 && (s.bug('linear-count-lost-on-interrupt') ? code === OK : begins))
    dropLinear(s, mfn, linearParent);
  if (code === RESTART) {
    if (partialHoldsPage(s)) s.getPage(mfn);
    s.setInfo(mfn, s.info(mfn) | INFO_PARTIAL);
  } else {
    if (code === OK) s.addTypes(mfn, -1);
    else s.setInfo(mfn, s.info(mfn) | INFO_VALIDATED);
    s.setInfo(mfn, s.info(mfn) & ~(INFO_HANDED | UNHELD));
    s.setFrom(mfn, 0);
  }
  if (wasPartial && partialHoldsPage(s)) s.putPage(mfn);
  return code;
}

/** mm.c: devalidate_page. */
export function demote(s: State, mfn: number): number {
  const type = s.info(mfn) & INFO_TYPE;
  if (type !== TYPE_L1) {
    if (++s.depth > s.deepest) s.deepest = s.depth;
    const code = demoteTable(s, mfn, type);
    s.depth--;
    return code;
  }
  releaseL1(s, mfn, SLOTS);
  return OK;
}

/** mm.c: dec_linear_uses, dec_linear_entries (rules 2.5). */
export function dropLinear(s: State, mfn: number, parent: number): void {
  s.touch(parent);
  s.addLinears(mfn, 1);
  s.addLinears(parent, -1);
}

/**
 * mm.c: get_page_and_type_from_mfn (rules 16.3, TAKE). With `handed` the general reference is there already; a
 * table that waits for its cleanup keeps the one taken here, and with `retain` so does one that is to go on.
 */
export function take(
  s: State,
  mfn: number,
  want: number,
  handed: boolean,
  preemptible: boolean,
  retain: boolean,
): number {
  if (!handed) {
    if (!s.owned(mfn)) return s.notFound(mfn);
    // The usual refusal, before a reference is taken that would be dropped at once.
    if (isOther(s, mfn, want) && s.v.deferred !== mfn) return EINVAL;
    s.getPage(mfn);
  }
  const code = getType(s, mfn, want, preemptible);
  if (code === OK || handed) return code;
  if (s.v.deferred === mfn && !s.bug('pin-error-put')) {
    const failed = code !== RESTART && code !== INTERRUPTED;
    if (failed && s.v.leftover === mfn) s.loseGeneral(mfn); // kept for a cleanup that has its own (rules 5.4)
  } else if (!(retain && code === RESTART)) s.putPage(mfn);
  return code;
}

/** mm.c: put_page_and_type_preemptible; the page reference goes with the type's. */
export function putTypeAndPage(s: State, mfn: number, preemptible: boolean): number {
  const code = putType(s, mfn, preemptible, false, 0);
  if (code === OK) s.putPage(mfn);
  return code;
}
