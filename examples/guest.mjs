// A new guest strategy: it makes L1 tables of its pages and pages of its L1 tables, and sometimes forgets which are
// which. With a mistake of Xen's history in the model it shows whether such a guest meets it.
//
//   node examples/guest.mjs double-pin-keeps-ref
import { check, defineGuest, optimizedModel } from 'pvmmu';

const recycler = defineGuest({
  name: 'recycler',
  machine: 'x86_64 frames=4 domain=hardware',
  start(random) {
    // What the guest itself remembers: which of its frames are pinned.
    const pinned = new Set();
    let wanted;
    return ({ answer }) => {
      if (wanted && answer === 'ok') wanted();
      wanted = undefined;
      const i = random.below(4);
      if (pinned.has(i) && !random.oneIn(4)) {
        wanted = () => pinned.delete(i);
        return `unpin F${i}`;
      }
      switch (random.below(4)) {
        case 0:
          return `update_va W${i} 0 invlpg`;
        case 1:
          return `update_va W${i} F${i}|P|RW invlpg`;
        case 2:
          return `mmu_update F${i}[${random.below(3)}] F${random.below(4)}|P`;
        default:
          wanted = () => pinned.add(i);
          return `pin L1 F${i}`;
      }
    };
  },
});

const defects = process.argv.slice(2);
const { programs, operations, found } = check({
  guest: recycler,
  model: optimizedModel({ defects }),
  seed: 'example',
  runs: 50,
});
console.log(`${programs} programs, ${operations} operations, ${found ? 'found:' : 'nothing found'}`);
if (found) console.log(`${found.failure.message}\n\n${found.text}`);
