import type { ModelState } from '../../models/model.js';
import { A, D, mfnOf, SLOTS } from '../../models/x86/entry.js';
import {
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  isTable,
  type Level,
  TYPE_L4,
} from '../../models/x86/page-type.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../../models/x86/xen-entries.js';
import type { FinalFrame } from '../program/program.js';
import { hasName } from '../text/naming.js';

/** A and D are not told: the processor sets them as it likes. */
const TOLD = ~(A | D);

/**
 * What a `final` line says of the frame in this state (docs/format.md): the type as getpageframeinfo3 reports
 * it, and all entries but Xen's own. `withReferences` adds the type count.
 */
export function finalFrameOf(state: ModelState, mfn: number, withReferences: boolean): FinalFrame {
  const info = state.info(mfn);
  const type = info & INFO_TYPE;
  const level = isTable(type) && (info & INFO_VALIDATED) !== 0 ? (type as Level) : 0;
  const slots: number[] = [];
  for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1)) {
    if (level === TYPE_L4 && slot >= XEN_L4_FIRST && slot <= XEN_L4_LAST) continue;
    if (hasName(mfnOf(state.low(mfn, slot), state.high(mfn, slot)), state.machine)) slots.push(slot);
  }
  return {
    mfn,
    level,
    pinned: (info & INFO_PINNED) !== 0,
    references: withReferences ? state.typeCount(mfn) : undefined,
    count: slots.length,
    slots: Int32Array.from(slots),
    low: Int32Array.from(slots, (slot) => state.low(mfn, slot) & TOLD),
    high: Int32Array.from(slots, (slot) => state.high(mfn, slot)),
  };
}

/** Whether both say the same of a frame, but for A and D. An absent entry may have nothing else left in it. */
export function sameFinal(expected: FinalFrame, got: FinalFrame): boolean {
  if (expected.level !== got.level || expected.pinned !== got.pinned) return false;
  if (expected.references !== got.references) return false;
  const [of, have] = [slotsTold(expected), slotsTold(got)];
  return of.length === have.length && of.every((i, k) => sameEntry(expected, i, got, have[k]!));
}

/** Where the entries are that have more in them than A and D. */
function slotsTold({ count, low, high }: FinalFrame): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => ((low[i]! & TOLD) | high[i]!) !== 0);
}

function sameEntry(a: FinalFrame, i: number, b: FinalFrame, k: number): boolean {
  return a.slots[i] === b.slots[k] && a.high[i] === b.high[k] && (a.low[i]! & TOLD) === (b.low[k]! & TOLD);
}
