import { INTERRUPTED, OK, RESTART } from '../x86/result.js';
import type { State } from './state.js';
import { putType } from './types.js';

/** mm.c: put_old_guest_table (rules 16.4, CLEANUP): OK, or RESTART where an event stopped it. */
export function cleanup(s: State): number {
  return s.v.deferred === 0 ? OK : cleanupNow(s);
}

function cleanupNow(s: State): number {
  const { v } = s;
  s.changes.vcpus = true;
  const mfn = v.deferred;
  const code = putType(s, mfn, true, !v.deferredWhole, v.deferredParent);
  if (code !== OK) {
    if (s.leaks || code === RESTART) v.deferredWhole = code === INTERRUPTED;
    return RESTART;
  }
  v.clearDeferred();
  s.putPage(mfn);
  return OK;
}
