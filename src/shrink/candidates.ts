import type { Candidate } from '../program/candidate.js';
import { architecture } from './architecture.js';
import { candidateOf, draftOf } from './draft.js';
import { environment, machine } from './environment.js';
import { exchange } from './exchange.js';
import { isSmaller } from './order.js';
import type { Pass } from './pass.js';
import { plainer } from './plainer.js';
import { blocks, elements, groups } from './remove.js';
import { frames, slots } from './rename.js';
import { regrow } from './regrow.js';
import { reorder } from './reorder.js';
import { simplify } from './simplify.js';
import { substitute } from './substitute.js';
import { windows } from './windows.js';

/** The ways to make a program smaller that are tried first, largest steps first; `regrow` is tried where none of them helps. */
export const PASSES: readonly Pass[] = [
  machine,
  blocks,
  elements,
  environment,
  architecture,
  simplify,
  frames,
  slots,
  reorder,
  groups,
  windows,
  exchange,
  substitute,
  plainer,
];

/** Every program that one step makes smaller than this one, largest steps first. */
export function* smallerThan(candidate: Candidate): Generator<Candidate> {
  const draft = draftOf(candidate);
  for (const pass of [...PASSES, regrow]) {
    for (const smaller of pass(draft)) if (isSmaller(smaller, draft)) yield candidateOf(smaller);
  }
}
