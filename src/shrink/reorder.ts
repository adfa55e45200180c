import type { Draft } from './draft.js';
import { isSmaller } from './order.js';
import type { Steps } from './pass.js';
import { normalized } from './rename.js';

/**
 * Operations move towards the beginning where the program is then smaller: by itself, or with its frames named
 * anew in the order in which they appear.
 */
export function* reorder(draft: Draft): Steps {
  for (let to = 0; to < draft.operations.length; to++) {
    for (let from = to + 1; from < draft.operations.length; from++) {
      const moved = draft.operations.toSpliced(from, 1);
      moved.splice(to, 0, draft.operations[from]!);
      const plain = { ...draft, operations: moved };
      const named = normalized(plain);
      draft = (yield named) ?? (isSmaller(plain, draft) ? yield plain : undefined) ?? draft;
    }
  }
}
