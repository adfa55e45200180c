/**
 * The loop of `pvmmu fuzz`, drawing included, beside `fc.commands` of fast-check as one would have it with the same
 * models: commands of every operation, drawn uniformly (`commands.ts`) and run by `modelRun`, with the reference model as
 * the model, the optimized one as what is tested and every invariant after each command. The same kinds of machines and
 * programs as long, in turns; operations a second of processor time, medians of several passes.
 */
import { DEAD } from '../models/x86/result.js';
import { fc } from '../src/fastcheck/index.js';
import { Fuzzer } from '../src/fuzz/fuzzer.js';
import { LOCKSTEP_MODES, type LockstepMode, SAMPLE } from '../src/fuzz/panel.js';
import { lockstepOf } from '../src/fuzz/trials.js';
import type { Lockstep } from '../src/lockstep/lockstep.js';
import { ByStart } from '../src/program/alike.js';
import { encode } from '../src/program/codec.js';
import type { Operation } from '../src/program/operation.js';
import { sequencesOf } from './commands.js';
import { median, print } from './figures.js';

const ARCHES = ['x86_64', 'x86_32'] as const;
const COURT = { defects: new Set<never>(), alone: false, quirks: 'intended' } as const;
const PASSES = 9;
/** Passes that nobody counts, in which code is compiled and start states are looked at. */
const WARM = 6;
/** Programs of a pass: the same share of each is sampled. */
const PROGRAMS = 8 * SAMPLE;
/** Most commands of a sequence, which makes it as long as a program of `pvmmu fuzz` on average. */
const COMMANDS_MAX = 176;
/** More than one operation has. */
const ANSWERS = 64;

const expected = new Int32Array(ANSWERS);
const found = new Int32Array(ANSWERS);

/** Operations that have run; `refused` are those that were told that their vCPU or domain is down, which costs next to nothing. */
interface Tally {
  operations: number;
  refused: number;
}

/** An operation on both models. */
class Step implements fc.Command<Tally, Lockstep> {
  constructor(private readonly operation: Operation) {}

  check(): boolean {
    return true;
  }

  run(tally: Tally, both: Lockstep): void {
    const code: number[] = [];
    encode(this.operation, code);
    const failure = both.step(Int32Array.from(code), 0, expected, found);
    if (failure) throw new Error(failure.message);
    tally.operations++;
    if (found[0] === DEAD) tally.refused++;
  }

  toString(): string {
    return this.operation.kind;
  }
}

function commandsPass(tally: Tally): (pass: number) => void {
  const pairs = new ByStart(() => lockstepOf(COURT));
  const properties = ARCHES.map((arch) => {
    const sequences = sequencesOf<Tally, Lockstep>(arch, COMMANDS_MAX, (operation) => new Step(operation));
    return fc.property(sequences, ([machine, commands]) => {
      const real = pairs.of(machine);
      if (real.begin(machine)) throw new Error('the start state fails');
      fc.modelRun(() => ({ model: tally, real }), commands);
    });
  });
  return (pass) => {
    for (const property of properties)
      fc.assert(property, { seed: pass, numRuns: PROGRAMS / properties.length });
  };
}

function fuzzPass(lockstep: LockstepMode, tally: Tally): () => void {
  const fuzzer = new Fuzzer({ ...COURT, arches: ARCHES, seed: 'bench', lockstep });
  return () => {
    for (let i = 0; i < PROGRAMS; i++) {
      const caught = fuzzer.next();
      if (caught) throw new Error(caught.failure.message);
    }
    tally.operations = fuzzer.operations;
    tally.refused = fuzzer.outcomes.sum(DEAD);
  };
}

interface Loop {
  readonly name: string;
  readonly tally: Tally;
  readonly pass: (number: number) => void;
  /** Of each pass that counts: operations a second of processor time, and of those the ones that were not refused. */
  readonly rates: number[];
  readonly alive: number[];
}

function loop(name: string, begin: (tally: Tally) => Loop['pass']): Loop {
  const tally = { operations: 0, refused: 0 };
  return { name, tally, pass: begin(tally), rates: [], alive: [] };
}

export function compareFuzzing(): void {
  const commands = loop('fc.commands, both models, all invariants', commandsPass);
  const modes = LOCKSTEP_MODES.map((mode) =>
    loop(`pvmmu fuzz --lockstep ${mode}`, (tally) => fuzzPass(mode, tally)),
  );
  const loops = [commands, ...modes];
  for (let number = 1; number <= WARM + PASSES; number++) {
    for (const { tally, pass, rates, alive } of loops) {
      const before = { ...tally };
      const begin = process.cpuUsage();
      pass(number);
      const { user, system } = process.cpuUsage(begin);
      if (number <= WARM) continue;
      const operations = tally.operations - before.operations;
      rates.push(operations / ((user + system) / 1e6));
      alive.push((operations - tally.refused + before.refused) / ((user + system) / 1e6));
    }
  }
  for (const { name, rates, alive } of loops) {
    print(name, median(rates), 'operations/CPU second');
    print(`${name}, where vCPU and domain are up`, median(alive), 'operations/CPU second');
  }
  for (const { name, rates, alive } of modes) {
    const ratio = (ours: readonly number[], theirs: readonly number[]) =>
      median(ours.map((rate, i) => rate / theirs[i]!));
    print(`${name}, to fc.commands`, ratio(rates, commands.rates), 'times');
    print(`${name}, to fc.commands, where vCPU and domain are up`, ratio(alive, commands.alive), 'times');
  }
}
