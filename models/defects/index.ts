/** The catalogue: mistakes of Xen’s that the optimized model can be told to make, one at a time. */
import { nearest } from '../../src/text/nearest.js';
import type { Defect } from './defect.js';
import { DESCRIPTORS } from './descriptors.js';
import { FAST_PATHS } from './fast-paths.js';
import { L1 } from './l1.js';
import { LEFT_OUT } from './left-out.js';
import { LINEAR } from './linear.js';
import { PAE } from './pae.js';
import { PINNING } from './pinning.js';
import { PREEMPTION } from './preemption.js';
import { RESTART } from './restart.js';
import { ROOTS_AND_TLB } from './roots-and-tlb.js';
import { TEARDOWN } from './teardown.js';

export { type Control, CONTROLS } from './controls.js';
export type { Defect, DefectClass, InvariantName } from './defect.js';
export type { DefectId } from './ids.js';
export { type LeftOut, LEFT_OUT } from './left-out.js';

/** All defects, in an order that stays: a defect’s place, counted from 1, is its number in the model. */
export const DEFECTS: readonly Defect[] = [
  ...FAST_PATHS,
  ...LINEAR,
  ...RESTART,
  ...PREEMPTION,
  ...TEARDOWN,
  ...ROOTS_AND_TLB,
  ...PINNING,
  ...L1,
  ...DESCRIPTORS,
  ...PAE,
];

/** Number of the defect in the model, from 1 on. */
export function numberOf(defect: Defect): number {
  return DEFECTS.indexOf(defect) + 1;
}

/**
 * The defect with this id, or all those of an advisory (`xsa-182`, in any case).
 *
 * @throws Error, in one line, if there is none: why it was left out, or which id comes nearest.
 */
export function defectsNamed(word: string): readonly Defect[] {
  const found = DEFECTS.filter((defect) => isNamed(defect, word));
  if (found.length > 0) return found;
  const leftOut = LEFT_OUT.find((one) => isNamed(one, word));
  if (leftOut) throw new Error(`${leftOut.id} is none of the model’s defects: ${leftOut.reason}`);
  const names = DEFECTS.flatMap(({ id, advisory }) => [id, ...(advisory?.toLowerCase().split(', ') ?? [])]);
  const meant = nearest(word.toLowerCase(), names);
  throw new Error(
    `unknown defect ${JSON.stringify(word)}, expected an id or an advisory${meant ? ` (${meant}?)` : ''}`,
  );
}

function isNamed({ id, advisory }: { id: string; advisory?: string }, word: string): boolean {
  return id === word || (advisory?.split(', ').includes(word.toUpperCase()) ?? false);
}
