/** The one place of each vCPU where a table waits for its cleanup: Xen's vcpu->arch.old_guest_table (rules 16.4). */
import { INTERRUPTED } from '../x86/result.js';
import type { State } from './state.js';

/** Puts a table there. Xen has one such place, and forgets what was there (rules 14.1, 5.4). */
export function defer(s: State, mfn: number, whole: boolean, parent: number): void {
  const { v } = s;
  s.changes.vcpus = true;
  const before = v.deferred;
  if (before !== 0) {
    if (!s.leaks) {
      s.assert(before === mfn, 'a deferred table is forgotten');
      s.putPage(mfn); // it waited already, with a reference of its own
    } else {
      s.touch(before);
      s.loseGeneral(before);
      if (v.deferredWhole) s.loseType(before);
    }
  }
  v.deferred = mfn;
  v.deferredWhole = whole;
  v.deferredParent = parent;
  v.leftover = 0;
}

/** What an interrupted drop has left undone is finished later: of what it is called with (RESTART) or all of it. */
export function deferDrop(s: State, mfn: number, code: number): void {
  defer(s, mfn, code === INTERRUPTED, 0);
}

/**
 * The failing child need not wait any more: the cleanup of its parent reaches it. A child that waited since
 * an earlier MOV to CR3 loses what that cleanup does not give back.
 */
export function takeOver(s: State, child: number, handed: boolean): void {
  const { v } = s;
  if (child === v.leftover) {
    s.touch(child);
    if (handed) s.loseGeneral(child);
    if (v.deferredWhole) s.loseType(child);
  }
  v.clearDeferred();
  v.leftover = 0;
}
