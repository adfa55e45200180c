/**
 * How fast the models run generated programs of 8 frames, and whether they allocate while they do.
 * `npm run bench`; figures as `name: value unit`, medians of several passes.
 */
import '../src/engine.js';
import { LOCKSTEP_MODES, type LockstepMode, Panel } from '../src/fuzz/panel.js';
import { trialsOf } from '../src/fuzz/trials.js';
import { OptimizedModel } from '../models/optimized/model.js';
import { ReferenceModel } from '../models/reference/model.js';
import { drawMachine } from '../src/generate/machines.js';
import { drawProgram } from '../src/generate/program.js';
import { stream } from '../src/generate/streams.js';
import type { Arch, Machine } from '../src/program/machine.js';
import { operationStarts, RECORD, span } from '../src/program/record.js';
import { replayFile } from '../src/replay/replay.js';
import { median, print } from './figures.js';

const PROGRAMS = 120;
const LENGTH = 1000;
const PASSES = 9;
const TRACE = 'vectors/linux-6.1-dom0-boot-x86_64.pvmmu.gz';

interface Work {
  readonly machine: Machine;
  readonly programs: readonly Int32Array[];
}

/** Generated programs, by machine. */
function draw(arch: Arch): Work[] {
  const draw = stream(`bench ${arch}`);
  const scout = new OptimizedModel();
  const byMachine = new Map<Machine, Int32Array[]>();
  for (let i = 0; i < PROGRAMS; i++) {
    const machine = drawMachine(draw, arch, i % 2 === 0 ? 'shipped' : 'intended');
    byMachine.set(machine, [...(byMachine.get(machine) ?? []), drawProgram(draw, machine, LENGTH, scout)]);
  }
  return [...byMachine].map(([machine, programs]) => ({ machine, programs }));
}

const operationsIn = (work: readonly Work[]) =>
  work.flatMap(({ programs }) => programs).reduce((sum, code) => sum + operationStarts(code).length, 0);

/** Operations per second, median over the passes. */
function rate(work: readonly Work[], pass: () => void): number {
  const operations = operationsIn(work);
  pass();
  const seconds = Array.from({ length: PASSES }, () => {
    const begin = performance.now();
    pass();
    return (performance.now() - begin) / 1000;
  });
  return operations / median(seconds);
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

/** As `pvmmu fuzz` does it: one program in a hundred ends with a look at the whole state. */
function lockstep(work: readonly Work[], mode: LockstepMode): () => void {
  const court = { defects: new Set<never>(), alone: false, quirks: 'intended' } as const;
  const panel = new Panel(court, trialsOf(court), mode);
  let runs = 0;
  return () => {
    for (const { machine, programs } of work) {
      for (const code of programs) {
        const failure = panel.judge({ machine, code }, runs, runs % 100 === 0);
        if (failure) throw new Error(failure.message);
        runs++;
      }
    }
  };
}

const ROUNDS = 10;
for (const arch of ['x86_64', 'x86_32'] as const) {
  const work = draw(arch);
  const alone = optimizedAlone(work, ROUNDS);
  print(`optimized model alone, ${arch}`, (rate(work, alone) * ROUNDS) / 1e6, 'M operations/s');
  print(`reference model alone, ${arch}`, rate(work, referenceAlone(work)) / 1e6, 'M operations/s');
  for (const mode of LOCKSTEP_MODES)
    print(
      `lockstep ${mode}, all invariants, ${arch}`,
      rate(work, lockstep(work, mode)) / 1e6,
      'M operations/s',
    );
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

/** Bytes in use after a full collection, where the process was started with --expose-gc. */
function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
