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
  const kernel = state.kernelBase(cpu);
  if (loaded === 0) {
    // A vCPU that is down runs on no tables of the guest's.
    return kernel === 0
      ? undefined
      : fault(state, kernel, cpu, 'is the kernel base pointer of', 'has no base loaded');
  }
  if (loaded !== kernel && loaded !== state.userBase(cpu))
    return fault(state, loaded, cpu, 'is loaded by', 'has other base pointers');
  return isRoot(state, loaded)
    ? undefined
    : fault(state, loaded, cpu, 'is loaded by', 'needs a root table in use');
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

function fault(state: ModelState, frame: number, cpu: number, is: string, but: string): Violation {
  const message = `${frameName(frame, state.machine)} ${is} vCPU ${cpu}, which ${but}.`;
  return { invariant: name, message, frame };
}
