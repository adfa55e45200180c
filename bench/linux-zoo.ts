/** Hunts every mistake of Linux's catalogue and writes docs/linux-zoo.md and, for the test, docs/linux-zoo.json. */
import '../src/engine.js';
import { writeFileSync } from 'node:fs';
import { GUEST_DEFECTS } from '../models/linux/defects/index.js';
import { type Hunted, huntAndShrink, linuxZooMarkdown } from '../src/boot/hunt.js';
import { Session } from '../src/boot/session.js';

const session = new Session();
const times: number[] = [];
const found: Hunted[] = [];
for (const defect of GUEST_DEFECTS) {
  for (const arch of defect.arches) {
    const begin = performance.now();
    const one = huntAndShrink(session, defect, arch);
    times.push(performance.now() - begin);
    if (one) found.push(one);
    const how = one
      ? `machine ${one.machines}, ${one.operations} operations, ${one.steps.length} steps`
      : 'NOT FOUND';
    console.log(`${defect.id} ${arch}: ${how}, ${times.at(-1)!.toFixed(0)} ms`);
  }
}
writeFileSync('docs/linux-zoo.json', `${JSON.stringify(found, undefined, 1)}\n`);
writeFileSync('docs/linux-zoo.md', linuxZooMarkdown(found));
times.sort((a, b) => a - b);
const median = times[times.length >> 1]!;
console.log(
  `linux-zoo: ${GUEST_DEFECTS.length} mistakes, ${found.length} of ${times.length} hunts found; median ${median.toFixed(0)} ms, longest ${times.at(-1)!.toFixed(0)} ms, each with its shrinking`,
);
