/** The pass to the plain machine where another operation is needed on it, as Xen as it is loses references that it does not. */
import type { Operation } from '../program/operation.js';
import { machinesFor } from './environment.js';
import { type Draft, replaced } from './draft.js';
import type { Steps } from './pass.js';
import { BOOT_TABLES } from './simpler.js';
import { nearRequests } from './vocabulary.js';

/** Most operations of a program for which this is tried. */
const LENGTH_MAX = 5;

export function* plainer(draft: Draft): Steps {
  const { operations, machine } = draft;
  if (operations.length > LENGTH_MAX || machine.frames === 0) return;
  const words = [...nearRequests(draft), ...loads(draft)];
  for (let i = 0; i < operations.length; i++) {
    const [plain] = machinesFor(replaced(draft, i));
    for (const word of words) if (yield { ...replaced(draft, i, word), machine: plain! }) return;
  }
}

/** MOV CR3 with each table, which no event interrupts here where a pin or a base pointer needs one. */
function loads({ machine: { arch }, operations }: Draft): Operation[] {
  const frames = operations.flatMap((operation) => ('mfn' in operation ? operation.mfn : []));
  return [...new Set([...frames, ...BOOT_TABLES[arch]])].map((mfn) => ({ kind: 'write_cr3', mfn }));
}
