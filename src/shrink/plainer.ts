/** The pass to the plain machine where another operation is needed on it, as Xen as it is loses references that it does not. */
import { cpusOf } from './environment.js';
import { type Draft, replaced } from './draft.js';
import { isInterrupted } from './events.js';
import { plainerMachines } from './machines.js';
import type { Steps } from './pass.js';
import { nearRequests } from './vocabulary.js';

/** Most operations of a program for which this is tried. */
const LENGTH_MAX = 5;

export function* plainer(draft: Draft): Steps {
  const { operations, machine } = draft;
  if (operations.length > LENGTH_MAX || machine.frames === 0) return;
  const interrupted = operations.some(isInterrupted);
  const [plain] = plainerMachines(machine, cpusOf(draft), interrupted);
  const words = nearRequests(draft);
  for (let i = 0; i < operations.length; i++)
    for (const word of words) if (yield { ...replaced(draft, i, word), machine: plain! }) return;
}
