/** Frames that go back to Xen and frames that come from it (rules 1.2). */
import { INFO_ALLOCATED, INFO_OWNER, INFO_PINNED, INFO_SPECIAL } from '../x86/page-type.js';
import { EINVAL, NONE, OK } from '../x86/result.js';
import type { State } from './state.js';
import { putTypeAndPage } from './types.js';

/** mm.c: steal_page. Only a frame that nothing but its allocation refers to can go. */
export function release(s: State, mfn: number): number {
  if (!s.owned(mfn)) return EINVAL;
  const allocatedOnly = (s.info(mfn) & (INFO_ALLOCATED | INFO_SPECIAL)) === INFO_ALLOCATED;
  if (!allocatedOnly || s.generalCount(mfn) !== 1) return EINVAL;
  s.bugOn(s.typeCount(mfn) !== 0, mfn, 'is given away with references to its type');
  s.free(mfn);
  return OK;
}

/** common/memory.c: guest_remove_page. The frame stays the guest's until its last reference goes. */
export function decreaseReservation(s: State, mfn: number): number {
  if (!s.owned(mfn)) return NONE;
  if ((s.info(mfn) & INFO_ALLOCATED) === 0) return OK;
  if ((s.info(mfn) & INFO_PINNED) !== 0 && s.bug('implicit-unpin')) {
    s.setInfo(mfn, s.info(mfn) & ~INFO_PINNED);
    s.uninterrupted(() => putTypeAndPage(s, mfn, false));
  }
  s.touch(mfn);
  s.setInfo(mfn, s.info(mfn) & ~INFO_ALLOCATED);
  s.putPage(mfn);
  return OK;
}

/** All of the frames or none: each must exist and be nobody's. */
export function receive(s: State, first: number, count: number): number {
  if (first < 0 || count < 1 || first + count > s.limit) return EINVAL;
  for (let mfn = first; mfn < first + count; mfn++) {
    if ((s.info(mfn) & INFO_OWNER) !== 0) return EINVAL;
  }
  for (let mfn = first; mfn < first + count; mfn++) s.allocate(mfn);
  return OK;
}
