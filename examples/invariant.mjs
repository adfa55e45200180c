// A new invariant: no L1 table that is in use is pinned and also hooked into an L2. Xen allows it, so it is soon
// violated, and what comes out is the shortest guest that does it.
//
//   node examples/invariant.mjs
import { check, defineInvariant } from 'pvmmu';

const [TYPE, VALIDATED, PINNED, L1] = [0xf, 1 << 4, 1 << 5, 1];

const noPinnedLeaf = defineInvariant({
  name: 'no-pinned-leaf',
  meaning: 'A pinned L1 table is named by no L2.',
  why: 'It would be held twice.',
  check(state) {
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      const info = state.info(mfn);
      const isPinnedL1 = (info & TYPE) === L1 && (info & VALIDATED) !== 0 && (info & PINNED) !== 0;
      if (isPinnedL1 && state.typeCount(mfn) > 1) {
        const message = `Frame 0x${mfn.toString(16)} is a pinned L1 with type count ${state.typeCount(mfn)}.`;
        return { invariant: 'no-pinned-leaf', message, frame: mfn };
      }
    }
    return undefined;
  },
});

const { programs, operations, found } = check({
  seed: 'example',
  arch: 'x86_64',
  invariants: [noPinnedLeaf],
});
console.log(`${programs} programs, ${operations} operations`);
if (found) console.log(`${found.failure.message}\n\n${found.text}`);
