/**
 * How fast the models run generated programs of 8 frames, on machines of 8 frames and of a Linux guest's size, and
 * whether they allocate while they do; `pvmmu fuzz` beside `fc.commands` (`fuzzing.ts`); and short runs from their start (`cold.ts`). `npm run bench`; figures as `name: value unit`, medians of several passes.
 */
import '../src/engine.js';
import { parseArgs } from 'node:util';
import { LOCKSTEP_MODES, type LockstepMode, Panel, SAMPLE } from '../src/fuzz/panel.js';
import { trialsOf } from '../src/fuzz/trials.js';
import { OptimizedModel } from '../models/optimized/model.js';
import { ReferenceModel } from '../models/reference/model.js';
import { OP_DESTROY, operationStarts, RECORD, span, W_OPCODE } from '../src/program/record.js';
import { replayFile } from '../src/replay/replay.js';
import { coldStart } from './cold.js';
import { median, print } from './figures.js';
import { compareFuzzing } from './fuzzing.js';
import { optionsOrExit } from './options.js';
import { drawWork, enlarged, LENGTH, operationsIn, type Work } from './work.js';

optionsOrExit('bench', () => parseArgs({ options: { json: { type: 'boolean' } } })); // read by figures.ts

const PASSES = 9;
const TRACE = 'vectors/linux-6.1-dom0-boot-x86_64.pvmmu.gz';
/** A Linux guest of 256 MiB. */
const LINUX_FRAMES = 65_536;

/** Nanoseconds an operation, median over the passes, after some that nobody counts. */
function cost(work: readonly Work[], rounds: number, pass: () => void): number {
  for (let i = 0; i < 2; i++) pass();
  const times = Array.from({ length: PASSES }, () => timeOf(pass));
  return median(times) / (operationsIn(work) * rounds);
}

/** Nanoseconds that it takes. */
function timeOf(pass: () => void): number {
  const begin = performance.now();
  pass();
  return (performance.now() - begin) * 1e6;
}

function optimizedAlone(work: readonly Work[], rounds: number): () => void {
  const results = new Int32Array(LENGTH * 16);
  const models = work.map(({ machine }) => {
    const model = new OptimizedModel();
    model.start(machine);
    return model;
  });
  return () => {
    work.forEach(({ programs }, i) => {
      const model = models[i]!;
      for (let round = 0; round < rounds; round++) {
        for (const code of programs) {
          model.reset();
          for (let at = 0; at < code.length; at += span(code, at) * RECORD) model.run(code, at, results);
        }
      }
    });
  };
}

function referenceAlone(work: readonly Work[]): () => void {
  const results = new Int32Array(LENGTH * 16);
  const model = new ReferenceModel();
  return () => {
    for (const { machine, programs } of work) {
      model.start(machine);
      for (const code of programs) {
        model.reset();
        for (let at = 0; at < code.length; at += span(code, at) * RECORD) model.run(code, at, results);
      }
    }
  };
}

/**
 * Programs judged as `pvmmu fuzz` judges them: one in a hundred ends with a look at the whole state. Every machine is
 * met before anything is measured.
 */
function lockstep(work: readonly Work[], mode: LockstepMode): () => void {
  const court = { defects: new Set<never>(), alone: false, quirks: 'intended' } as const;
  const panel = new Panel(court, trialsOf(court), mode);
  for (const { machine, programs } of work)
    for (const number of [0, 1]) panel.judge({ machine, code: programs[0]! }, number, true);
  let runs = 0;
  return () => {
    for (let round = 0; round < roundsOf(mode); round++) {
      for (const { machine, programs } of work) {
        for (const code of programs) {
          const failure = panel.judge({ machine, code }, runs, runs % 100 === 0);
          if (failure) throw new Error(failure.message);
          runs++;
        }
      }
    }
  };
}

/** So many that about the same share of each pass is sampled. */
function roundsOf(mode: LockstepMode): number {
  return mode === 'every' ? 1 : SAMPLE / 8;
}

/** The optimized model with all invariants after every operation, without the reference model. */
function withInvariants(work: readonly Work[]): () => void {
  const trials = trialsOf({ defects: new Set(), alone: true, quirks: 'intended' });
  return () => {
    for (const { machine, programs } of work) {
      for (const code of programs) {
        const failure = trials.run({ machine, code }, false);
        if (failure) throw new Error(failure.message);
      }
    }
  };
}

/**
 * The same programs on machines of 8 frames and within larger ones, one after the other, so that what else the
 * processor does hits both: how much more an operation costs in a machine of a Linux guest's size.
 */
function size(name: string, small: readonly Work[], pass: (work: readonly Work[]) => () => void): void {
  const large = small.map((work) => enlarged(work, LINUX_FRAMES));
  const passes = [pass(small), pass(large)];
  for (let i = 0; i < 2; i++) passes.forEach((run) => run());
  const times = Array.from({ length: PASSES }, () => passes.map(timeOf));
  const inLarge = median(times.map(([, ofLarge]) => ofLarge!)) / operationsIn(small);
  print(`${name}, 65,536 frames`, 1e3 / inLarge, 'M operations/s');
  print(
    `${name}, 65,536 frames to 8`,
    median(times.map(([ofSmall, ofLarge]) => ofLarge! / ofSmall!)),
    'times the cost',
  );
}

const ROUNDS = 10;
for (const arch of ['x86_64', 'x86_32'] as const) {
  const work = drawWork(arch);
  const figure = (name: string, rounds: number, pass: () => void) =>
    print(`${name}, ${arch}`, 1e3 / cost(work, rounds, pass), 'M operations/s');
  const alone = optimizedAlone(work, ROUNDS);
  figure('optimized model alone', ROUNDS, alone);
  figure('reference model alone', 1, referenceAlone(work));
  figure('optimized model, all invariants', 1, withInvariants(work));
  for (const mode of LOCKSTEP_MODES)
    figure(`lockstep ${mode}, all invariants`, roundsOf(mode), lockstep(work, mode));
  const lasting = work.map(({ machine, programs }) => ({ machine, programs: programs.filter(isKept) }));
  size(`optimized model alone, ${arch}`, lasting, (of) => optimizedAlone(of, 1));
  size(`optimized model, all invariants, ${arch}`, lasting, withInvariants);
  const before = heapUsed();
  for (let i = 0; i < 20; i++) alone();
  const operations = operationsIn(work) * ROUNDS * 20;
  print(
    `heap growth of the optimized model, ${arch}`,
    Math.max(0, heapUsed() - before) / operations,
    'bytes/operation',
  );
}

const times: number[] = [];
for (let i = 0; i < 5; i++) {
  const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  const begin = performance.now();
  await replayFile(TRACE, [new OptimizedModel()], tally, ({ what }) => {
    throw new Error(what);
  });
  times.push((performance.now() - begin) / 1000);
}
print('Linux boot replayed on the optimized model', median(times), 's');

compareFuzzing();
coldStart();

/** Not of a domain that is destroyed: every frame that it has is given back then, whatever its size. */
function isKept(code: Int32Array): boolean {
  return operationStarts(code).every((at) => (code[at + W_OPCODE]! & 0xff) !== OP_DESTROY);
}

/** Bytes in use after a full collection, where the process was started with --expose-gc. */
function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
