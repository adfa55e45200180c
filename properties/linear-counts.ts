import type { ModelState } from '../models/model.js';
import type { Invariant, Violation } from './invariant.js';
import { Recount } from './recount.js';
import { frameName } from './wording.js';

const name = 'linear-counts';

/** Rules 2.5 (Xen: mm.c: define_get_linear_pagetable). */
export const linearCounts: Invariant = {
  name,
  meaning:
    'A frame’s linear count is the number of its same-level entries to other tables, or minus the number of those elsewhere to it, and it has not both.',
  why: 'Linear pagetables of any depth form chains and cycles whose teardown recurses without bound in the hypervisor (XSA-240).',
  check(state) {
    const { linearOut, linearIn } = new Recount(state);
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const violation = linearFault(state, mfn, linearOut[mfn], linearIn[mfn]);
      if (violation) return violation;
    }
    return undefined;
  },
};

/** Holds the frame's linear count against the linear entries in it (`out`) and elsewhere to it (`into`). */
export function linearFault(
  state: ModelState,
  mfn: number,
  out: number,
  into: number,
): Violation | undefined {
  if (out > 0 && into > 0) {
    return fault(state, mfn, `holds ${out} linear entries to other tables and is the target of ${into}`);
  }
  const count = state.linearCount(mfn);
  return count === out - into
    ? undefined
    : fault(state, mfn, `has linear count ${count}, but its linear entries make it ${out - into}`);
}

function fault(state: ModelState, frame: number, what: string): Violation {
  return { invariant: name, message: `${frameName(frame, state.machine)} ${what}.`, frame };
}
