/** The subset as commands of fast-check that run on a model, drawn as someone would write them. */
import { Panel } from '../../src/fuzz/panel.js';
import { trialsOf } from '../../src/fuzz/trials.js';
import type { Lockstep } from '../../src/lockstep/lockstep.js';
import { fc } from '../../src/fastcheck/index.js';
import { encodeAll } from '../../src/exhaustive/scope.js';
import { RECORD } from '../../src/program/record.js';
import { PROGRAM, subsetMachine, subsetOperations } from './subset.js';

/** Runs the operation at `at` of `code`. */
export type Run = (code: Int32Array, at: number) => void;

class Command implements fc.Command<object, Run> {
  constructor(
    private readonly code: Int32Array,
    private readonly at: number,
  ) {}

  check(): boolean {
    return true;
  }

  run(_model: object, real: Run): void {
    real(this.code, this.at);
  }

  toString(): string {
    return `operation ${this.at / RECORD}`;
  }
}

/** Runs so many sequences of up to `PROGRAM` commands, each begun with `begin`; how many operations that were. */
export function runCommands(
  frames: number,
  slots: number,
  count: number,
  begin: () => void,
  run: Run,
): number {
  const operations = subsetOperations(frames, slots);
  const { code, starts } = encodeAll(operations);
  const kinds = ['mmu_update', 'update_va', 'pin', 'unpin'].map((kind) => {
    const places = starts.filter((_, i) => operations[i]!.kind === kind);
    return fc.constantFrom(...places).map((at) => new Command(code, at));
  });
  let operationsRun = 0;
  const real: Run = (code, at) => {
    operationsRun++;
    run(code, at);
  };
  const sequences = fc.commands(kinds, { maxCommands: PROGRAM, size: 'max', disableReplayLog: true });
  const property = fc.property(sequences, (commands) => {
    begin();
    fc.modelRun(() => ({ model: {}, real }), commands);
  });
  fc.assert(property, { seed: 1, numRuns: count });
  return operationsRun;
}

/** The same programs as `--lockstep digest` judges them: the reference model runs one in 64, by itself. */
export function digestRun(frames: number): { begin: () => void; run: Run } {
  const machine = subsetMachine(frames);
  const court = { defects: new Set<never>(), alone: false, quirks: 'intended' } as const;
  const panel = new Panel(court, trialsOf(court), 'digest');
  const program = new Int32Array(PROGRAM * RECORD);
  let length = 0;
  let programs = 0;
  return {
    begin: () => (length = 0),
    run: (code, at) => {
      for (let i = 0; i < RECORD; i++) program[length++] = code[at + i]!;
      if (length < program.length) return;
      const failure = panel.judge({ machine, code: program }, programs, programs % 100 === 0);
      if (failure) throw new Error(failure.message);
      programs++;
    },
  };
}

/** Runs operations on both models with every invariant. */
export function lockstepRun(lockstep: Lockstep, frames: number): { begin: () => void; run: Run } {
  const machine = subsetMachine(frames);
  const results = new Int32Array(1 << 14);
  const other = results.slice();
  return {
    begin: () => {
      if (lockstep.begin(machine)) throw new Error('the start state fails');
    },
    run: (code, at) => {
      const failure = lockstep.step(code, at, results, other);
      if (failure) throw new Error(failure.message);
    },
  };
}
