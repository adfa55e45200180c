import type { ModelState } from '../models/model.js';
import { INFO_TYPE, TYPE_SEG_DESC } from '../models/x86/page-type.js';
import { isGuests, isProtected, isValidatedTable, rootLevel } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { LDT_PAGES } from './recount.js';
import { frameName, ofCpu, typeName } from './wording.js';

const name = 'owned-tables';

/** Rules 2.4, 3.9, 3.10, 5: the frame is looked up with the guest as owner before its type is taken. */
export const ownedTables: Invariant = {
  name,
  meaning:
    'Only frames of the guest’s are pagetables or descriptor tables, and base pointers, GDT and LDT name such frames of the right type.',
  why: 'A base pointer or descriptor table on a frame of someone else’s, or on an unchecked page, is a page of the attacker’s choice that the processor trusts.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const violation = ownerFault(state, mfn, state.info(mfn));
      if (violation) return violation;
    }
    return basesFault(state) ?? descriptorsFault(state);
  },
};

export function ownerFault(state: ModelState, mfn: number, info: number): Violation | undefined {
  if (isGuests(info) || !isProtected(info & INFO_TYPE) || state.typeCount(mfn) === 0) return undefined;
  return fault(
    state,
    mfn,
    `is ${typeName(info)} with type count ${state.typeCount(mfn)}, but is not the guest’s`,
  );
}

/** Looks at the base pointers of all virtual CPUs. */
export function basesFault(state: ModelState): Violation | undefined {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    const violation = kernelBaseFault(state, cpu) ?? userBaseFault(state, cpu);
    if (violation) return violation;
  }
  return undefined;
}

/** A base pointer names a validated L4 of the guest's, a 32-bit guest's an L3. */
function baseFault(state: ModelState, mfn: number, cpu: number, mode: string): Violation | undefined {
  if (mfn < state.frameLimit) {
    const info = state.info(mfn);
    if (isGuests(info) && isValidatedTable(info) && (info & INFO_TYPE) === rootLevel(state.machine))
      return undefined;
  }
  const what = `${mode} base pointer${ofCpu(state, cpu)}`;
  return fault(state, mfn, `is the ${what}, but is ${stateOf(state, mfn)}`);
}

/** A vCPU that is down may have none (rules 16.7). */
function kernelBaseFault(state: ModelState, cpu: number): Violation | undefined {
  const mfn = state.kernelBase(cpu);
  return mfn === 0 ? undefined : baseFault(state, mfn, cpu, 'kernel');
}

/** There may be no user base pointer, and a 32-bit guest never has one (rules 5.2). */
function userBaseFault(state: ModelState, cpu: number): Violation | undefined {
  const mfn = state.userBase(cpu);
  if (mfn === 0) return undefined;
  if (state.machine.arch === 'x86_32') return fault(state, mfn, 'is the user base pointer of a 32-bit guest');
  return baseFault(state, mfn, cpu, 'user');
}

export function segmentFault(state: ModelState, mfn: number, what: string): Violation | undefined {
  if (mfn < state.frameLimit) {
    const info = state.info(mfn);
    if (isGuests(info) && (info & INFO_TYPE) === TYPE_SEG_DESC && state.typeCount(mfn) > 0) return undefined;
  }
  return fault(state, mfn, `is ${what}, but is ${stateOf(state, mfn)}`);
}

function descriptorsFault(state: ModelState): Violation | undefined {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    for (let i = 0; i < state.gdtFrames(cpu); i++) {
      const violation = segmentFault(
        state,
        state.gdtFrame(i, cpu),
        `frame ${i} of the GDT${ofCpu(state, cpu)}`,
      );
      if (violation) return violation;
    }
    for (let page = 0; page < LDT_PAGES; page++) {
      const mfn = state.ldtFrame(page, cpu);
      const what = `page ${page} of the LDT${ofCpu(state, cpu)}`;
      const violation = mfn === 0 ? undefined : segmentFault(state, mfn, what);
      if (violation) return violation;
    }
  }
  return undefined;
}

function stateOf(state: ModelState, mfn: number): string {
  if (mfn >= state.frameLimit) return 'no memory';
  const info = state.info(mfn);
  if (!isGuests(info)) return 'not the guest’s';
  return `${typeName(info)} with type count ${state.typeCount(mfn)}${isValidatedTable(info) ? '' : ', not a validated table'}`;
}

function fault(state: ModelState, frame: number, what: string): Violation {
  return { invariant: name, message: `${frameName(frame, state.machine)} ${what}.`, frame };
}
