/**
 * One subset of the rules in C, in SPIN, with Hypothesis, with `fc.commands` and here: that all of them answer alike and
 * reach the same states, and how fast each is. `npm run bench:peers`; `--quick` for a short look, with rates that mean
 * little. Peers that are not installed are skipped, and said to be.
 */
import '../../src/engine.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { encodeAll } from '../../src/exhaustive/scope.js';
import { Lockstep } from '../../src/lockstep/lockstep.js';
import { RECORD } from '../../src/program/record.js';
import { median } from '../figures.js';
import { optionsOrExit } from '../options.js';
import { digestRun, lockstepRun, runCommands } from './commands.js';
import { explore } from './explore.js';
import { type Count, cPeer, pythonPeer, spinPeer } from './others.js';
import { runRandom, subsetMachine, subsetOperations } from './subset.js';

const FRAMES = 4;
const SLOTS = 3;
const { quick } = optionsOrExit('peers', () => parseArgs({ options: { quick: { type: 'boolean' } } })).values;
const passes = quick ? 1 : 3;
/** Scopes whose states are counted; 0 for no depth limit. */
const SCOPES = quick
  ? [{ frames: 2, slots: 1, depth: 0 }]
  : [
      { frames: 3, slots: 1, depth: 0 },
      { frames: FRAMES, slots: SLOTS, depth: 3 },
    ];
/** Operations of a pass, by about how fast the peer is. */
const MANY = quick ? 100_000 : 10_000_000;
const SOME = quick ? 20_000 : 1_000_000;
const FEW = quick ? 5000 : 200_000;
const SEQUENCES = quick ? 5 : 5000;
const HYPOTHESIS_PROGRAMS = quick ? 1 : 30;

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-peers-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const c = cPeer(folder);
const python = pythonPeer();
const spin = spinPeer(folder);
for (const { missing } of [c, python, spin]) if (missing) console.log(`skipped: ${missing}`);

const wrong: string[] = [];

function agree(what: string, found: readonly (readonly [peer: string, value: number | undefined])[]): void {
  const known = found.filter(([, value]) => value !== undefined);
  const said = known.map(([peer, value]) => `${peer} ${value}`).join(', ');
  const agrees = known.every(([, value]) => value === known[0]![1]);
  console.log(`${what}: ${agrees ? 'all agree' : 'THEY DIFFER'}: ${said}`);
  if (!agrees) wrong.push(what);
}

/** Median rate of several passes, in operations, transitions or states a second. */
function rate(pass: () => number): number {
  return median(Array.from({ length: passes }, pass));
}

/** Of a second of processor time, that of the threads which collect garbage included. */
function timed(operations: number | undefined, work: () => number | void): number {
  const begin = process.cpuUsage();
  const done = work() ?? operations!;
  const { user, system } = process.cpuUsage(begin);
  return done / ((user + system) / 1e6);
}

const model = new OptimizedModel();
model.start(subsetMachine(FRAMES));
const alphabet = encodeAll(subsetOperations(FRAMES, SLOTS));
const results = new Int32Array(alphabet.code.length / RECORD);
const reset = () => model.reset();
const runOne = (code: Int32Array, at: number) => {
  model.run(code, at, results);
  return results[at / RECORD]!;
};
const both = lockstepRun(new Lockstep(new ReferenceModel(), new OptimizedModel()), FRAMES);
const judge = (code: Int32Array, at: number) => {
  both.run(code, at);
  return 0;
};
const sampled = digestRun(FRAMES);
const judgeSampled = (code: Int32Array, at: number) => {
  sampled.run(code, at);
  return 0;
};

agree(`Answers to ${FEW} operations, a digest`, [
  ['pvmmu', runRandom(alphabet, FEW, reset, runOne)],
  ['C', c.random?.(FRAMES, SLOTS, FEW).digest],
  ['Python', python.random?.(FRAMES, SLOTS, FEW).digest],
]);

type Row = readonly [what: string, rate: number | undefined];
const rows: Row[] = [
  ['C, gcc -O2', c.random && rate(() => perSecond(c.random!(FRAMES, SLOTS, MANY)))],
  ['optimized model', rate(() => timed(MANY, () => void runRandom(alphabet, MANY, reset, runOne)))],
  [
    'the same with fc.commands',
    rate(() => timed(undefined, () => runCommands(FRAMES, SLOTS, SEQUENCES, reset, runOne))),
  ],
  [
    'both models and all invariants',
    rate(() => timed(SOME, () => void runRandom(alphabet, SOME, both.begin, judge))),
  ],
  [
    'the same with fc.commands',
    rate(() => timed(undefined, () => runCommands(FRAMES, SLOTS, SEQUENCES, both.begin, judge))),
  ],
  [
    'lockstep by digest, all invariants',
    rate(() => timed(SOME, () => void runRandom(alphabet, SOME, sampled.begin, judgeSampled))),
  ],
  ['Python', python.random && rate(() => perSecond(python.random!(FRAMES, SLOTS, FEW)))],
  [
    'Python with Hypothesis',
    python.hypothesis && rate(() => perSecond(python.hypothesis!(FRAMES, SLOTS, HYPOTHESIS_PROGRAMS))),
  ],
];
table('Random operations of 4 frames x 3 slots', 'operations/s', rows);

for (const { frames, slots, depth } of SCOPES) await compareExplorations(frames, slots, depth);
if (wrong.length > 0) {
  console.error(`peers: they differ in: ${wrong.join('; ')}`);
  process.exitCode = 1;
}

async function compareExplorations(frames: number, slots: number, depth: number): Promise<void> {
  const size = `${frames} frames x ${slots} slots, ${depth === 0 ? 'complete' : `depth ${depth}`}`;
  const ours = (symmetry: boolean, workers: number) => async () =>
    explore(folder, { frames, slots, depth, symmetry, workers });
  const explorations = {
    c: async () => c.explore?.(frames, slots, depth),
    spin: async () => spin.explore?.(frames, slots, depth),
    plain: ours(false, 1),
    pair: ours(false, 2),
    reduced: ours(true, 2),
  };
  const counts = {} as Record<keyof typeof explorations, (Count | undefined)[]>;
  // In turns, so that what else the machine does is as bad for all.
  for (let pass = 0; pass < passes; pass++)
    for (const [name, run] of Object.entries(explorations))
      (counts[name as keyof typeof explorations] ??= []).push(await run());
  const [plain, reduced] = [counts.plain[0]!, counts.reduced[0]!];
  agree(`States of ${size}`, [
    ['pvmmu', plain.states],
    ['with 2 workers', counts.pair[0]!.states],
    ['C', counts.c[0]?.states],
    ['SPIN', counts.spin[0]?.states],
  ]);
  const stated = (name: keyof typeof explorations) =>
    counts[name][0] && plain.states / median(counts[name].map((one) => one!.seconds));
  table(`Exploration of ${size}`, 'states/s', [
    ['C, gcc -O2', stated('c')],
    ['SPIN', stated('spin')],
    ['pvmmu, all frames apart, 1 worker', stated('plain')],
    ['pvmmu, all frames apart, 2 workers', stated('pair')],
    [`pvmmu, 2 workers: ${reduced.states} states for these`, stated('reduced')],
  ]);
}

function perSecond({ operations, seconds }: { operations: number; seconds: number }): number {
  return operations / seconds;
}

/** Rates, and their ratio to the first. */
function table(title: string, unit: string, rows: readonly Row[]): void {
  console.log(`\n| ${title} | ${unit} | of the first |\n| --- | --- | --- |`);
  const first = rows.find(([, value]) => value !== undefined)![1]!;
  for (const [what, value] of rows) {
    const cells =
      value === undefined
        ? ['skipped', '']
        : [Math.round(value).toLocaleString('en'), (value / first).toPrecision(2)];
    console.log(`| ${what} | ${cells.join(' | ')} |`);
  }
  console.log('');
}
