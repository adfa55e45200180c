import { SingleBar } from 'cli-progress';
import { existsSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import type { Machine } from '../program/machine.js';
import type { Program } from '../program/program.js';
import {
  itemsAt,
  OP_FILL_ENTRY,
  OP_GDT_FRAME,
  operationStarts,
  RECORD,
  W_OPCODE,
} from '../program/record.js';
import type { Candidate } from '../shrink/candidates.js';
import { Reducer, type Reduction, type Removal } from '../shrink/reduce.js';
import { TextError } from '../text/error.js';
import { ProgramCollector } from '../text/parse.js';
import { HEADER, printOperation, printProgram } from '../text/print.js';
import { readProgramText } from '../text/read.js';

export interface ReduceOptions {
  /** Most runs for each program that fails. */
  readonly budget?: number;
  /** A new file for the shrunk programs, and for what else was met. */
  readonly output?: string;
}

/** Between looks at the terminal and the keyboard. */
const SLICE_MS = 100;
/** Runs between looks at the clock. */
const RUNS_AT_ONCE = 20;
/** Characters of a program's name that are kept in a longer one: a name has at most 200. */
const NAME_MAX = 180;
const EXIT_FOUND = 1;
const EXIT_INTERRUPTED = 130;

/**
 * `pvmmu reduce`: shrinks every program of a text that fails, and shows that nothing of it can be left out.
 * Exit status 0 if none fails, 1 if one does, 130 after Ctrl-C.
 *
 * @throws TextError if the file cannot be read or is malformed, or the output is there already.
 */
export async function reduceFile(
  file: string,
  options: ReduceOptions,
  newLockstep: () => Lockstep = () => new Lockstep(new ReferenceModel(), new OptimizedModel()),
): Promise<void> {
  if (options.output !== undefined && existsSync(options.output)) refuseOutput(options.output);
  const programs: Program[] = [];
  await readProgramText(file, new ProgramCollector((program) => programs.push(program)));
  let interrupted = false;
  const interrupt = () => (interrupted = true);
  process.once('SIGINT', interrupt);

  const results: string[] = [];
  let failing = 0;
  let unfinished = false;
  for (const program of programs) {
    if (interrupted) break;
    const runs = new Runs(newLockstep);
    const failure = runs.first(program);
    if (failure === undefined) {
      console.log(`${program.name}: does not fail`);
      continue;
    }
    failing++;
    const reducer = new Reducer(program, failure, (candidate) => runs.run(candidate));
    await drive(reducer, options.budget ?? Infinity, () => interrupted);
    const reduction = reducer.result();
    if (!reduction.minimal) unfinished = true;
    const text = printProgram(asProgram(program.name, reduction.program, runs.answersTo(reduction.program)));
    results.push(text, ...reduction.others.map((other, i) => otherText(program.name, i, other.program)));
    console.log(reductionText(program, reduction, text));
  }
  process.off('SIGINT', interrupt);

  if (results.length > 0 && options.output !== undefined) writeNew(options.output, results);
  if (unfinished) console.log(howToGoOn(options.output));
  console.log(`reduce: ${programs.length} programs, ${failing} fail`);
  process.exitCode = interrupted ? EXIT_INTERRUPTED : failing > 0 ? EXIT_FOUND : 0;
}

/** Runs programs, each on the models that are kept for its machine. */
class Runs {
  private readonly lockstepFor = new Map<Machine, Lockstep>();
  /** Whether the failure shows only when everything is looked at after the last operation. */
  private thorough = false;

  constructor(private readonly newLockstep: () => Lockstep) {}

  first(program: Candidate): Failure | undefined {
    const failure = this.run(program);
    if (failure) return failure;
    this.thorough = true;
    return this.run(program);
  }

  run({ machine, code }: Candidate): Failure | undefined {
    return this.lockstep(machine).run(machine, code, this.thorough);
  }

  answersTo(program: Candidate): Int32Array {
    this.run(program);
    return this.lockstep(program.machine).answers;
  }

  private lockstep(machine: Machine): Lockstep {
    let lockstep = this.lockstepFor.get(machine);
    if (lockstep === undefined) this.lockstepFor.set(machine, (lockstep = this.newLockstep()));
    return lockstep;
  }
}

/** Lets the reducer work to its end, its budget or an interruption, with a line that shows how far it is. */
async function drive(reducer: Reducer, budget: number, interrupted: () => boolean): Promise<void> {
  const progress = new Progress(budget);
  let done = false;
  while (!done && !interrupted() && reducer.runs < budget) {
    const sliceEnd = performance.now() + SLICE_MS;
    while (!done && performance.now() < sliceEnd && reducer.runs < budget)
      done = reducer.advance(Math.min(RUNS_AT_ONCE, budget - reducer.runs));
    progress.update(reducer);
    await setImmediate();
  }
  progress.stop();
}

/** A line on standard error that shows how the shrinking goes; nothing where that is no terminal. */
class Progress {
  private readonly bar: SingleBar | undefined;

  constructor(budget: number) {
    if (!process.stderr.isTTY) return;
    const total = Number.isFinite(budget) ? budget : 0;
    const format = `${total > 0 ? '{bar} ' : ''}{runs} runs  {operations} operations left`;
    this.bar = new SingleBar({ format, barsize: 20, hideCursor: true, stream: process.stderr });
    this.bar.start(total, 0, { runs: 0, operations: '…' });
  }

  update(reducer: Reducer): void {
    const { runs, operations } = reducer;
    this.bar?.update(runs, { runs: runs.toLocaleString('en'), operations });
  }

  stop(): void {
    this.bar?.stop();
  }
}

function reductionText(program: Program, reduction: Reduction, text: string): string {
  const { failure, minimal, runs, id, proof, others } = reduction;
  const from = operationStarts(program.code).length;
  return [
    `${program.name}: ${whatFailed(failure)}`,
    failure.message,
    `Shrunk from ${from} operations in ${runs} runs${minimal ? `, id ${id}` : '; not finished'}:`,
    '',
    `${HEADER}\n${text}`,
    ...(minimal
      ? ['Left out, one at a time:', ...proof.map((removal) => removalText(reduction, removal)), '']
      : []),
    ...others.map(({ failure }) => `Also met: ${whatFailed(failure)}: ${failure.message}`),
  ].join('\n');
}

/** `  2.1 pin L1 F0: passes`, the place counted from 1. */
function removalText({ program: { machine, code } }: Reduction, { path, failure }: Removal): string {
  const [operation, ...elements] = path;
  let at = operationStarts(code)[operation!]!;
  for (const element of elements) at = itemsAt(code, at)[element]!;
  const place = path.map((index) => index + 1).join('.');
  const [line] = isPart(code, at) ? ['that'] : printOperation(code, at, machine).split('\n');
  return `  ${place} ${line}: ${failure ? whatFailed(failure) : 'passes'}`;
}

/** An entry of a fill or a frame of a GDT, which is no operation by itself. */
function isPart(code: Int32Array, at: number): boolean {
  return code[at + W_OPCODE] === OP_FILL_ENTRY || code[at + W_OPCODE] === OP_GDT_FRAME;
}

/** What is wrong, in a few words. */
export function whatFailed({ kind, violation }: Failure): string {
  if (kind === 'assertion') return 'a model gave up';
  return kind === 'invariant'
    ? `invariant ${violation!.invariant} is violated`
    : `the models differ (${kind})`;
}

function otherText(name: string, index: number, program: Candidate): string {
  const unknown = new Int32Array(program.code.length / RECORD).fill(UNKNOWN);
  const short = name.slice(0, NAME_MAX);
  return printProgram(asProgram(`${short}-other-${index + 1}`, program, unknown));
}

function asProgram(name: string, { machine, code }: Candidate, expected: Int32Array): Program {
  return { name, machine, code, expected, finals: [] };
}

function howToGoOn(output: string | undefined): string {
  return `Not finished. Go on: npx pvmmu reduce ${output ?? 'FILE, with the program above in FILE (or written by -o FILE)'}`;
}

function writeNew(path: string, programs: readonly string[]): void {
  try {
    writeFileSync(path, [HEADER, ...programs].join('\n'), { flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (error.code === 'EEXIST') refuseOutput(path);
    throw new TextError(path, 0, 0, `cannot write the file (${String(error.code)})`);
  }
}

function refuseOutput(path: string): never {
  throw new TextError(path, 0, 0, 'is there already, expected the name of a new file');
}
