/**
 * What V8 does with the loops that the benchmark measures, once they are warm: it writes down every piece of their
 * compiled code that it gives up (`--trace-deopt`, switched on then), and how many bytes they allocate.
 * `npm run build && node --expose-gc --single-threaded dist/loop.js [PASSES]`, after so many passes to get warm.
 */
import '../src/engine.js';
import { setFlagsFromString } from 'node:v8';
import { OptimizedModel } from '../models/optimized/model.js';
import { trialsOf } from '../src/fuzz/trials.js';
import { RECORD, span } from '../src/program/record.js';
import { print } from './figures.js';
import { numberOrExit } from './options.js';
import { drawWork, LENGTH, operationsIn } from './work.js';

const WARM = numberOrExit('loop', 'PASSES', 10_000, 40, 0);
const PASSES = 10;

const work = (['x86_64', 'x86_32'] as const).flatMap((arch) => drawWork(arch));
const results = new Int32Array(LENGTH * 16);
const models = work.map(({ machine }) => {
  const model = new OptimizedModel();
  model.start(machine);
  return model;
});
const trials = trialsOf({ defects: new Set(), alone: true, quirks: 'intended' });

function modelAlone(): void {
  for (let i = 0; i < work.length; i++) {
    const model = models[i]!;
    for (const code of work[i]!.programs) {
      model.reset();
      for (let at = 0; at < code.length; at += span(code, at) * RECORD) model.run(code, at, results);
    }
  }
}

function allInvariants(): void {
  for (const { machine, programs } of work)
    for (const code of programs)
      if (trials.run({ machine, code }, false)) throw new Error('a generated program fails');
}

/** Bytes in use; what a pass has allocated too, as long as nothing has been collected. */
function inUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

for (let i = 0; i < WARM; i++) {
  modelAlone();
  allInvariants();
}
setFlagsFromString('--trace-deopt');
for (const [name, pass] of [
  ['optimized model', modelAlone],
  ['all invariants', allInvariants],
] as const) {
  globalThis.gc!();
  const before = inUse();
  pass();
  const bytes = inUse() - before;
  for (let i = 1; i < PASSES; i++) pass();
  print(`${name}: allocated`, bytes / operationsIn(work), 'bytes/operation');
}
