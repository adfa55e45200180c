/**
 * pvmmu as a library: put in a guest, a model or an invariant of your own and let it be checked.
 *
 * ```
 * import { check } from 'pvmmu';
 *
 * const { found } = check({ runs: 500, seed: 'today' });
 * if (found) console.log(found.failure.message, found.text);
 * ```
 *
 * The package's `examples` folder has a new invariant, a new guest, and a model in C behind standard input and output.
 *
 * @packageDocumentation
 */
import { type DefectId, defectsNamed } from '../../models/defects/index.js';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { Invariant } from '../../properties/index.js';

export type { Model, ModelState } from '../../models/model.js';
export type { Changes } from '../../models/x86/changes.js';
export { type EntryPlace, type Invariant, INVARIANTS, type Violation } from '../../properties/index.js';
export type { Failure } from '../lockstep/lockstep.js';
export type { Arch, Machine, MachineOptions, Range, StartState, StartTable } from '../program/machine.js';
export type { FinalFrame, Program } from '../program/program.js';
export type { Entry } from '../../models/x86/entry.js';
export type { Level } from '../../models/x86/page-type.js';
export type { DefectId } from '../../models/defects/index.js';
export type { Candidate } from '../program/candidate.js';
export { TextError } from '../text/error.js';
export { parsePrograms } from '../text/parse.js';
export { printPrograms } from '../text/print.js';
export { check, type CheckOptions, type CheckResult, type Found, programs } from './check.js';
export { type ExternalModel, externalModel } from './external.js';
export { defineGuest, type Guest, type GuestView } from './guest.js';
export type { ModelUnderTest } from './judge.js';
export type { Random } from './random.js';

/** The model for reading (docs/reading-guide.md). */
export function referenceModel(): Model {
  return new ReferenceModel();
}

/**
 * The model for speed; it makes the mistakes that are named, by id or advisory.
 *
 * @throws Error if there is no such mistake.
 */
export function optimizedModel({ defects = [] }: { readonly defects?: readonly string[] } = {}): Model {
  return new OptimizedModel(new Set<DefectId>(defects.flatMap(defectsNamed).map(({ id }) => id)));
}

/** Gives the invariant back, typed: `check` looks at the whole state and says what is wrong, if anything is. */
export function defineInvariant(invariant: Invariant): Invariant {
  return invariant;
}
