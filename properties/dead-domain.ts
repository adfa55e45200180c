import type { ModelState } from '../models/model.js';
import { INFO_ALLOCATED, INFO_PARTIAL, INFO_PINNED, INFO_TYPE, TYPE_L1 } from '../models/x86/page-type.js';
import { isGuests, isValidatedTable } from './frames.js';
import type { Invariant, Violation } from './invariant.js';
import { LDT_PAGES, Recount } from './recount.js';
import { frameName, typeName } from './wording.js';

const name = 'dead-domain';

/** Rules 16.7 (Xen: arch/x86/domain.c: domain_relinquish_resources, relinquish_memory). */
export const deadDomain: Invariant = {
  name,
  meaning:
    'When nothing of a dying domain is left to be dropped, none of its frames is referred to, except by references that were lost before.',
  why: 'A frame that keeps a reference is never freed and the domain stays a zombie; one that lost its last too early is given away while still in use.',
  check(state) {
    return state.dying() !== 0 && !hasMore(state) ? leftReference(state) : undefined;
  },
};

/**
 * What must hold once `destroy` has answered `ok`. Excepted are references on record as lost, and, where one of
 * these keeps an L1 table for good (only upper tables are taken apart by force), what its entries hold.
 */
export function zeroAfterTeardown(state: ModelState): Violation | undefined {
  if (state.dying() === 0) return fault(state, 0, 'is of a domain that is not dying');
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    const mfn = heldByCpu(state, cpu);
    if (mfn !== 0) return fault(state, mfn, `is still held by vCPU ${cpu}`);
  }
  let keeps = false; // any frame
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if (!isGuests(info)) continue;
    keeps = true;
    const left = leftOf(state, mfn, info);
    if (left !== undefined) return fault(state, mfn, `is still ${left}`);
    if (state.generalCount(mfn) === 0)
      return fault(state, mfn, 'is still the domain’s, although nothing refers to it');
  }
  return keeps ? leftReference(state) : undefined;
}

/** A reference that neither a loss nor a table kept by one explains. */
function leftReference(state: ModelState): Violation | undefined {
  const counted = new Recount(state);
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if (!isGuests(info)) continue;
    const type = state.typeCount(mfn);
    const general = state.generalCount(mfn);
    if (type !== counted.typeCount[mfn] || general !== counted.generalCount[mfn]) {
      const holders = `its holders add up to ${counted.typeCount[mfn]} and ${counted.generalCount[mfn]}`;
      return fault(
        state,
        mfn,
        `is left with type count ${type} and general count ${general}, but ${holders}`,
      );
    }
  }
  return undefined;
}

/** Whether the teardown has not come to its end. */
function hasMore(state: ModelState): boolean {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) if (heldByCpu(state, cpu) !== 0) return true;
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if (isGuests(info) && leftOf(state, mfn, info) !== undefined) return true;
  }
  return false;
}

/** Some frame that the vCPU holds; 0 if there is none. */
function heldByCpu(state: ModelState, cpu: number): number {
  let mfn = state.kernelBase(cpu) || state.userBase(cpu) || state.loadedBase(cpu) || state.deferred(cpu);
  if (mfn === 0 && state.gdtFrames(cpu) > 0) mfn = state.gdtFrame(0, cpu);
  for (let page = 0; page < LDT_PAGES && mfn === 0; page++) mfn = state.ldtFrame(page, cpu);
  return mfn;
}

/** What of the frame the teardown has yet to undo. */
function leftOf(state: ModelState, mfn: number, info: number): string | undefined {
  if ((info & INFO_ALLOCATED) !== 0) return 'allocated';
  if ((info & INFO_PINNED) !== 0) return 'pinned';
  if ((info & INFO_PARTIAL) !== 0) return `a partial ${typeName(info)}`;
  if (!isValidatedTable(info)) return undefined;
  const kept = (info & INFO_TYPE) === TYPE_L1 && state.lostTypeReferences(mfn) > 0;
  return kept ? undefined : `a validated ${typeName(info)}`;
}

function fault(state: ModelState, frame: number, what: string): Violation {
  return { invariant: name, message: `${frameName(frame, state.machine)} ${what}.`, frame };
}
