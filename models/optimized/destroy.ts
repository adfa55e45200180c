/** The end of a domain (arch/x86/domain.c: domain_relinquish_resources, relinquish_memory; rules 16.7). */
import { SLOTS } from '../x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_L2,
  TYPE_L4,
} from '../x86/page-type.js';
import { INTERRUPTED, OK, PREEMPTED, RESTART } from '../x86/result.js';
import type { State } from './state.js';
import { demote, putTypeAndPage } from './types.js';
import { dropTables, on } from './vcpu-ops.js';

/** Pass 0 drops what the vCPUs hold; then one pass over all frames for each of L4, L3 and L2. */
const PASSES = TYPE_L4 - TYPE_L2 + 1;

export function destroy(s: State): number {
  s.dying = true;
  s.changes.vcpus = true;
  s.ready = -1;
  if (s.destroyPass === 0) {
    for (const vcpu of s.vcpus) {
      const code = on(s, vcpu, () => dropTables(s));
      if (code !== OK) return code === RESTART ? PREEMPTED : code;
      vcpu.clear();
    }
    s.destroyPass = 1;
  }
  for (; s.destroyPass <= PASSES; s.destroyPass++, s.destroyNext = 0) {
    const level = TYPE_L4 + 1 - s.destroyPass;
    for (let mfn = s.destroyNext; mfn < s.limit; mfn = s.nextGiven(mfn + 1)) {
      if (!s.owned(mfn)) continue;
      s.destroyNext = mfn;
      if (relinquish(s, mfn, level) !== OK) return PREEMPTED;
      s.destroyNext = mfn + 1;
      if (s.preempted) return PREEMPTED;
    }
  }
  return OK;
}

/** relinquish_memory, one frame: its pin, its allocation, and by force what still is a table of this level. */
function relinquish(s: State, mfn: number, level: number): number {
  s.getPage(mfn);
  if ((s.info(mfn) & INFO_PINNED) !== 0) {
    s.setInfo(mfn, s.info(mfn) & ~INFO_PINNED);
    const code = putTypeAndPage(s, mfn, true);
    if (code !== OK) {
      if (code === INTERRUPTED || s.bug('relinquish-repin')) s.setInfo(mfn, s.info(mfn) | INFO_PINNED);
      if (code !== INTERRUPTED) s.putPage(mfn);
      s.putPage(mfn);
      return RESTART;
    }
  }
  if ((s.info(mfn) & INFO_ALLOCATED) !== 0) {
    s.setInfo(mfn, s.info(mfn) & ~INFO_ALLOCATED);
    s.putPage(mfn);
  }
  const info = s.info(mfn);
  if ((info & INFO_TYPE) === level && (info & (INFO_VALIDATED | INFO_PARTIAL)) !== 0) {
    if (invalidate(s, mfn, (info & INFO_PARTIAL) !== 0) !== OK) return RESTART;
    if (s.bug('destroy-circular-no-put')) return OK;
  }
  s.putPage(mfn);
  return OK;
}

/** A table that is still valid now is kept only by a circle of linear entries, or is partial. */
function invalidate(s: State, mfn: number, wasPartial: boolean): number {
  s.setInfo(mfn, s.info(mfn) & ~(INFO_VALIDATED | INFO_PARTIAL));
  if (!wasPartial) s.setFrom(mfn, SLOTS);
  const code = demote(s, mfn);
  if (code === RESTART) {
    if (!wasPartial && !s.bug('relinquish-type-ref')) s.addTypes(mfn, 1);
    s.setInfo(mfn, s.info(mfn) | INFO_PARTIAL);
    if (wasPartial) s.putPage(mfn);
    return RESTART;
  }
  s.setInfo(mfn, s.info(mfn) & ~INFO_HANDED);
  s.setFrom(mfn, 0);
  if (code === INTERRUPTED) {
    s.setInfo(mfn, s.info(mfn) | INFO_VALIDATED);
    if (wasPartial) s.putPage(mfn);
    s.putPage(mfn);
    return INTERRUPTED;
  }
  if (wasPartial) {
    if (!s.bug('destroy-circular-partial-type')) s.addTypes(mfn, -1);
    s.putPage(mfn);
  }
  return OK;
}
