import type { ModelState } from '../models/model.js';
import { deadDomain } from './dead-domain.js';
import { hardwareWalk } from './hardware-walk.js';
import type { Invariant, Violation } from './invariant.js';
import { legalEntries } from './legal-entries.js';
import { legalState } from './legal-state.js';
import { linearCounts } from './linear-counts.js';
import { loadedBase } from './loaded-base.js';
import { noWritablePagetable } from './no-writable-pagetable.js';
import { ownedMappings } from './owned-mappings.js';
import { ownedTables } from './owned-tables.js';
import { referenceCounts } from './reference-counts.js';
import { tableTree } from './table-tree.js';
import { tlb } from './tlb.js';
import { xenSlots } from './xen-slots.js';

export type { EntryPlace, Invariant, Violation } from './invariant.js';

/** All invariants, those first that say most about what went wrong. */
export const INVARIANTS: readonly Invariant[] = [
  noWritablePagetable,
  hardwareWalk,
  tlb,
  tableTree,
  legalEntries,
  xenSlots,
  loadedBase,
  ownedTables,
  ownedMappings,
  referenceCounts,
  linearCounts,
  legalState,
  deadDomain,
];

/** The first of the invariants that the state violates. */
export function scan(
  state: ModelState,
  invariants: readonly Invariant[] = INVARIANTS,
): Violation | undefined {
  for (const invariant of invariants) {
    const violation = invariant.check(state);
    if (violation) return violation;
  }
  return undefined;
}

/** Every invariant that the state violates, the first violation of each. */
export function scanAll(state: ModelState): Violation[] {
  return INVARIANTS.map((invariant) => invariant.check(state)).filter((violation) => violation !== undefined);
}
