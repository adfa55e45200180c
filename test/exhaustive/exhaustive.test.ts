import fs, { mkdtempSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { Canonical } from '../../src/exhaustive/canonical.js';
import { Expander, type Search } from '../../src/exhaustive/expander.js';
import { exploreAll, FIRST_STAGE, type Stage, type Verdict } from '../../src/exhaustive/exhaustive.js';
import { knownIn, States } from '../../src/exhaustive/states.js';
import { DEFECTS } from '../../models/defects/index.js';
import { trialsOf } from '../../src/fuzz/trials.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { alphabetOf, encodeAll, type Scope, scopeMachine } from '../../src/exhaustive/scope.js';
import { RECORD, span } from '../../src/program/record.js';

const KIB = 2 ** 10;
const MIB = 2 ** 20;

function searchOf(scope: Partial<Scope>, symmetry: boolean, leftOut = 0): Search {
  const full: Scope = {
    arch: 'x86_64',
    quirks: 'intended',
    frames: 2,
    slots: 1,
    bootTables: false,
    ...scope,
  };
  const court = { defects: new Set<never>(), alone: true, quirks: full.quirks };
  return {
    machine: scopeMachine(full),
    operations: alphabetOf(full),
    boot: full.bootTables,
    court,
    symmetry,
    leftOut,
  };
}

const newPath = () => join(mkdtempSync(join(tmpdir(), 'pvmmu-')), 'states');

interface Way {
  readonly workers?: number;
  /** Bytes for looking up states. */
  readonly memory?: number;
  readonly path?: string;
  /** Where to go on. */
  readonly first?: Stage;
  /** Gets the stages kept. */
  readonly stages?: Stage[];
}

async function exploreHere(search: Search, maxDepth: number, way: Way = {}) {
  const { workers = 1, memory = MIB, path = newPath(), first, stages = [] } = way;
  const states = new States(memory, path, first?.known);
  const expanders = Array.from({ length: workers }, () => new Expander(search, knownIn(states.table)));
  if (!first) states.add(...expanders[0]!.startDigest(), 0, 0);
  const depths = [1];
  let turn = 0;
  const verdict: Verdict = await exploreAll(
    {
      states,
      workers,
      expand: async (chunk) => expanders[turn++ % workers]!.expand(chunk),
      maxDepth,
      signal: new AbortController().signal,
      show: () => undefined,
      keep: (stage) => {
        depths.push(stage.known);
        stages.push(stage);
      },
    },
    first ?? FIRST_STAGE,
  );
  return { verdict, states, depths, path, expander: expanders[0]! };
}

function canonicalOf({ machine, symmetry, boot = false, leftOut }: Search, model: OptimizedModel): Canonical {
  return new Canonical(model, machine, symmetry, boot, leftOut);
}

/** The canonical digests of all states, by the programs that lead to them. */
function digestsOf(search: Search, { states, depths, expander }: Awaited<ReturnType<typeof exploreHere>>) {
  const model = new OptimizedModel();
  model.start(search.machine);
  const canonical = canonicalOf(search, model);
  const digests = new Set<string>();
  for (let state = 0; state < states.count; state++) {
    const path = new Uint32Array(depths.findIndex((known) => state < known));
    states.pathTo(state, path);
    const code = expander.program(path);
    model.reset();
    const results = new Int32Array(code.length / RECORD);
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) model.run(code, at, results);
    canonical.enter();
    digests.add(`${canonical.low} ${canonical.high}`);
  }
  return digests;
}

test.each([
  [{ frames: 2, slots: 1 }, 4],
  [{ frames: 2, slots: 2 }, 3],
  [{ frames: 3, slots: 1 }, 3],
  [{ frames: 2, slots: 2, quirks: 'shipped' }, 3],
] as const)('renaming frames leaves out no state of %j up to depth %i', async (scope, depth) => {
  const reduced = searchOf(scope, true);
  const all = searchOf(scope, false);
  const few = await exploreHere(reduced, depth);
  const many = await exploreHere(all, depth);
  expect(few.states.count).toBeLessThan(many.states.count);
  expect(digestsOf(reduced, few)).toEqual(digestsOf(reduced, many));
});

/** All states of a living domain up to a depth, told apart by all that the models are compared by: how many, and their canonical digests. */
function everyState(search: Search, depth: number) {
  const { code, starts } = encodeAll(search.operations.filter(({ kind }) => kind !== 'destroy'));
  const model = new OptimizedModel();
  model.start(search.machine);
  const canonical = canonicalOf(search, model);
  const exact = new StateDigest(model);
  const results = new Int32Array(code.length / RECORD);
  const digests = new Set<string>();
  const known = new Set<string>();
  const queue: number[][] = [[]];
  for (let path = queue.shift(); path; path = queue.shift()) {
    model.reset();
    for (const operation of path) model.run(code, starts[operation]!, results);
    exact.read();
    if (known.has(String(exact))) continue;
    known.add(String(exact));
    canonical.enter();
    digests.add(`${canonical.low} ${canonical.high}`);
    if (path.length < depth) queue.push(...starts.map((_, operation) => [...path!, operation]));
  }
  return { states: known.size, digests };
}

test.each([
  [{ frames: 1, slots: 1 }, 8],
  [{ frames: 2, slots: 1 }, 3],
] as const)(
  'the type left over on an unused frame decides nothing: %j up to depth %i',
  async (scope, depth) => {
    const search = searchOf(scope, true);
    const few = await exploreHere(search, depth);
    const all = everyState(search, depth);
    expect(all.states).toBeGreaterThan(few.states.count);
    expect(digestsOf(search, few)).toEqual(all.digests);
  },
);

test.each([
  { frames: 1, slots: 1 },
  { frames: 1, slots: 2 },
  { frames: 1, slots: 4, arch: 'x86_32' },
  { frames: 2, slots: 1 },
  { frames: 2, slots: 1, arch: 'x86_32' },
] as const)('what is left out of states hides no state and no outcome of %j', async (scope) => {
  const all = await exploreHere(searchOf(scope, true), Infinity);
  const search = searchOf(scope, true, scope.slots);
  const few = await exploreHere(search, Infinity);
  expect(few.verdict.end).toBe('complete');
  expect(few.states.count).toBeLessThan(all.states.count);
  expect(digestsOf(search, few)).toEqual(digestsOf(search, all));
  expect(few.verdict.stage.cells).toEqual(all.verdict.stage.cells);
});

test.each([
  [{ frames: 1, slots: 2 }, 0, Infinity],
  [{ frames: 2, slots: 1, arch: 'x86_32' }, 1, Infinity],
  [{ frames: 2, slots: 1 }, 1, 6],
] as const)('the reference model comes back to every state of %j', async (scope, leftOut, depth) => {
  const search = searchOf(scope, true, leftOut);
  const alone = await exploreHere(search, depth);
  const both = await exploreHere({ ...search, court: { ...search.court, alone: false } }, depth);
  expect(both.verdict).toEqual(alone.verdict);
});

/** Some defects make states without end. */
const DEPTH_MAX = 9;

test.each([
  { frames: 1, slots: 1 },
  { frames: 1, slots: 2 },
  { frames: 1, slots: 4, arch: 'x86_32' },
] as const)('what is left out of states hides no defect of the zoo in %j', async (scope) => {
  const missed: string[] = [];
  let shown = 0;
  for (const { id, class: needs } of DEFECTS) {
    if (needs === 'S+T') continue;
    const search = searchOf(scope, true);
    const court = { ...search.court, defects: new Set([id]) };
    const all = await exploreHere({ ...search, court }, DEPTH_MAX);
    const few = await exploreHere({ ...search, court, leftOut: scope.slots }, DEPTH_MAX);
    const found = few.verdict.violation;
    if (all.verdict.violation) shown++;
    if (all.verdict.violation && !found && few.verdict.end !== 'unsound') missed.push(id);
    if (all.verdict.end === 'complete') expect(few.verdict.stage.cells).toEqual(all.verdict.stage.cells);
    if (!found) continue;
    const program = { machine: search.machine, code: few.expander.program(found.path) };
    expect(trialsOf(court).run(program)).toMatchObject({ kind: found.failure.kind });
  }
  expect(missed).toEqual([]);
  expect(shown).toBeGreaterThan(5);
});

test('explores a scope to its end, to the same states and cells whatever the number of workers', async () => {
  const runs = await Promise.all(
    [1, 2, 3, 7].map((workers) => exploreHere(searchOf({ frames: 1 }, true), Infinity, { workers })),
  );
  for (const { verdict, depths } of runs) {
    expect(verdict).toEqual(runs[0]!.verdict);
    expect(depths).toEqual(runs[0]!.depths);
  }
  expect(runs[0]!.verdict).toMatchObject({
    end: 'complete',
    stage: { known: 93, depth: 7, transitions: 2046 },
  });
});

test('comes to the same with memory for looking up one state in five only', async () => {
  const search = searchOf({ frames: 2 }, true);
  const ample = await exploreHere(search, Infinity);
  const scant = await exploreHere(search, Infinity, { memory: 64 * KIB, workers: 2 });
  expect(ample.verdict).toMatchObject({ end: 'complete', stage: { known: 26_192 } });
  expect(scant.verdict).toEqual(ample.verdict);
  expect(scant.depths).toEqual(ample.depths);
  expect(readFileSync(scant.path)).toEqual(readFileSync(ample.path));
});

test('finds the same shortest counterexample after the same states with little memory', async () => {
  const search = searchOf({ frames: 2 }, true);
  const court = { ...search.court, defects: new Set(['fast-rw-l2'] as const) };
  const ample = await exploreHere({ ...search, court }, Infinity);
  const scant = await exploreHere({ ...search, court }, Infinity, { memory: KIB });
  expect(ample.verdict.violation!.path).toHaveLength(4);
  expect(scant.verdict).toEqual(ample.verdict);
  expect(scant.states.count).toBe(ample.states.count);
});

/** Runs with a disk that takes so many bytes, the last ones of them only half at a time. */
async function withDisk<T>(bytes: number, act: () => Promise<T>): Promise<T> {
  const { writeSync } = fs;
  let room = bytes;
  const filling = (file: number, from: Uint8Array, offset: number, length: number, position: number) => {
    if (room === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
    const part = Math.min(room, length < room ? length : Math.ceil(length / 2));
    room -= part;
    return writeSync(file, from, offset, part, position);
  };
  try {
    fs.writeSync = filling as typeof writeSync;
    syncBuiltinESMExports();
    return await act();
  } finally {
    fs.writeSync = writeSync;
    syncBuiltinESMExports();
  }
}

test.each([
  ['all in memory', MIB],
  ['states looked up on disk', 2 * KIB],
])('says that the disk is full and goes on when there is room: %s', async (_, memory) => {
  const search = searchOf({ frames: 2 }, true);
  const whole = await exploreHere(search, 7);
  const path = newPath();
  const stages: Stage[] = [];
  const stopped = withDisk(50_000, () => exploreHere(search, 7, { memory, path, stages }));
  await expect(stopped).rejects.toThrow(
    /states: cannot write \d+ bytes after the first \d+ of it: no space is left$/,
  );
  const first = stages.at(-1)!;
  expect(first.known).toBeGreaterThan(100);
  const { verdict } = await exploreHere(search, 7, { memory, path, first });
  expect(verdict).toEqual(whole.verdict);
  expect(readFileSync(path)).toEqual(readFileSync(whole.path));
});
