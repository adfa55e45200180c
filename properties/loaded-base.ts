import type { ModelState } from '../models/model.js';
import { INFO_TYPE } from '../models/x86/page-type.js';
import { isGuests, isValidatedTable, rootLevel } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { frameName } from './wording.js';

const name = 'loaded-base';

/** Rules 4 (I4), 16.7 (Xen: mm.c: new_guest_cr3; pv/domain.c: toggle_guest_mode; arch/x86/domain.c: arch_vcpu_reset). */
export const loadedBase: Invariant = {
  name,
  meaning:
    'What each processor has loaded is a validated root table of the guest’s with a type reference, and the kernel or user base pointer of the vCPU that runs there.',
  why: 'The processor walks from what it has loaded, not from what Xen has on record: a root that is only still loaded is freed, and changed, under it.',
  check(state) {
    for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
      const violation = loadedBaseFault(state, cpu);
      if (violation) return violation;
    }
    return undefined;
  },
};

export function loadedBaseFault(state: ModelState, cpu: number): Violation | undefined {
  const loaded = state.loadedBase(cpu);
  // A vCPU that is down has none, though it may have base pointers from an attempt to start it (rules 16.7).
  if (loaded === 0) return undefined;
  if (loaded !== state.kernelBase(cpu) && loaded !== state.userBase(cpu))
    return fault(state, loaded, cpu, 'has other base pointers');
  return isRoot(state, loaded) ? undefined : fault(state, loaded, cpu, 'needs a root table in use');
}

function isRoot(state: ModelState, mfn: number): boolean {
  if (mfn >= state.frameLimit) return false;
  const info = state.info(mfn);
  return (
    isGuests(info) &&
    isValidatedTable(info) &&
    (info & INFO_TYPE) === rootLevel(state.machine) &&
    state.typeCount(mfn) > 0
  );
}

function fault(state: ModelState, frame: number, cpu: number, but: string): Violation {
  const message = `${frameName(frame, state.machine)} is loaded by vCPU ${cpu}, which ${but}.`;
  return { invariant: name, message, frame };
}
