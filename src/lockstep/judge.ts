import type { Failure } from './lockstep.js';

/** Who objects to a program: an invariant; the comparison with the reference model; or a model that gave up. */
export type Judge = string;

export const AGREEMENT: Judge = 'agreement';

/** The judge that a failure comes from. Whether models differ in an answer or in a state is the same to it. */
export function judgeOf({ kind, violation }: Failure): Judge {
  if (kind === 'assertion') return kind;
  return violation?.invariant ?? AGREEMENT;
}
