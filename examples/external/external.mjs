// A model outside of this process: a harness in C that reads program text and writes it with its own answers. A guest
// keeps to the operations that the harness knows; where its answers differ from the reference model's, the program is
// shrunk.
//
//   gcc -o /tmp/harness examples/external/harness.c && node examples/external/external.mjs /tmp/harness
import { check, defineGuest, externalModel } from 'pvmmu';

const [command] = process.argv.slice(2);
if (command === undefined) throw new Error('the harness is missing: node external.mjs HARNESS');

const guest = defineGuest({
  name: 'pins and windows',
  machine: 'x86_64 frames=8 domain=hardware',
  start: (random) => () => {
    const i = random.below(8);
    return random.pick([
      `pin L1 F${i}`,
      `unpin F${i}`,
      `update_va W${i} 0`,
      `update_va W${i} F${i}|P`,
      `update_va W${i} F${i}|P|RW`,
    ]);
  },
});

const { programs, found } = check({
  model: externalModel(command),
  guest,
  seed: 'example',
  runs: 300,
  length: 40,
});
console.log(`${programs} programs, ${found ? 'found:' : 'nothing found'}`);
if (found) console.log(`${found.failure.message}\n\n${found.text}`);
