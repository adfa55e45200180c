import type { ModelState } from '../models/model.js';
import { INFO_TYPE, OWNER_NOBODY } from '../models/x86/page-type.js';
import { isProtected, ownerOf } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { isMappable } from './owned-mappings.js';
import { frameName, typeName } from './wording.js';

const name = 'tlb';

/** Rules 16.6 (Xen: mm.c: _get_page_type; common/page_alloc.c: alloc_heap_pages). */
export const tlb: Invariant = {
  name,
  meaning:
    'No translation in a vCPU’s TLB lets stores through to a pagetable or descriptor table in use, or to a frame of someone else’s.',
  why: 'The processor does not look at the tables again while it holds a translation: one that a flush has missed writes pagetables although no entry maps them writable.',
  check(state) {
    for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
      const violation = tlbFault(state, cpu);
      if (violation) return violation;
    }
    return undefined;
  },
};

/** Looks at all that one vCPU's TLB holds. */
export function tlbFault(state: ModelState, cpu: number): Violation | undefined {
  for (let i = 0; i < state.tlbSize(cpu); i++) {
    if (state.tlbWritable(i, cpu) === 0) continue;
    const mfn = state.tlbFrame(i, cpu);
    // Beyond memory there is I/O.
    if (mfn >= state.frameLimit) continue;
    const what = unwritable(state, mfn);
    if (what !== undefined) return fault(state, cpu, i, mfn, what);
  }
  return undefined;
}

/** Why nobody may write the frame; a frame that is nobody's any more is flushed before it becomes someone else's. */
function unwritable(state: ModelState, mfn: number): string | undefined {
  const info = state.info(mfn);
  const count = state.typeCount(mfn);
  if (isProtected(info & INFO_TYPE) && count > 0) return `${typeName(info)} with type count ${count}`;
  return isMappable(info) || ownerOf(info) === OWNER_NOBODY ? undefined : 'not the guest’s';
}

function fault(state: ModelState, cpu: number, index: number, frame: number, what: string): Violation {
  const low = BigInt(state.tlbLow(index, cpu) >>> 0);
  const address = (BigInt(state.tlbHigh(index, cpu) >>> 0) << 32n) | low;
  const where = `The TLB of vCPU ${cpu} lets stores to 0x${address.toString(16)} through`;
  return {
    invariant: name,
    message: `${where} to ${frameName(frame, state.machine)}, which is ${what}.`,
    frame,
  };
}
