import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { Siblings } from '../fuzz/siblings.js';
import { lockstepOf, Trials } from '../fuzz/trials.js';
import { judgeOf } from '../lockstep/judge.js';
import { Lockstep } from '../lockstep/lockstep.js';
import type { Program } from '../program/program.js';
import {
  itemsAt,
  OP_FILL_ENTRY,
  OP_GDT_FRAME,
  operationStarts,
  RECORD,
  W_OPCODE,
} from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { alsoMet, type Reduction, type Removal } from '../shrink/reduce.js';
import { ProgramCollector } from '../text/parse.js';
import { HEADER, printOperation, printProgram } from '../text/print.js';
import { readProgramText } from '../text/read.js';
import { CliCommand, wholeNumber } from './command.js';
import { addCourtOptions, archesFor, courtOf, type CourtOptions } from './court-options.js';
import { whatFailed } from './find-report.js';
import { requireNew, writeNew } from './output.js';
import { shrinkInSlices } from './progress.js';

export interface ReduceOptions {
  /** Most runs for each program that fails. */
  readonly budget?: number;
  /** A new file for the shrunk programs, and for what else was met. */
  readonly output?: string;
}

export const reduceCommand = addCourtOptions(new CliCommand('reduce'))
  .description('shrink the programs of a text that fail, and show that nothing can be left out')
  .argument('<file>', 'program text, plain or gzipped; - for standard input')
  .option('--budget <runs>', 'most runs for each program that fails', wholeNumber('runs'))
  .option('-o, --output <file>', 'new file for the shrunk programs')
  .example('shrink a find again', 'reduce --defect xsa-182 .pvmmu/finds/253897a7-22ed.pvmmu')
  .action((file: string, options: ReduceOptions & CourtOptions) =>
    reduceFile(file, options, () => lockstepOf(courtOf(options)), siblingsFor(options)),
  );

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
  siblings?: Siblings,
): Promise<void> {
  if (options.output !== undefined) requireNew(options.output);
  const programs: Program[] = [];
  await readProgramText(file, new ProgramCollector((program) => programs.push(program)));
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.once('SIGINT', interrupt);

  const results: string[] = [];
  let failing = 0;
  let unfinished = false;
  for (const program of programs) {
    if (interruption.signal.aborted) break;
    const trials = new Trials(newLockstep);
    const failure = trials.run(program);
    if (failure === undefined) {
      console.log(`${program.name}: does not fail`);
      continue;
    }
    failing++;
    const pass = siblings?.of(judgeOf(failure));
    const reducer = trials.reducer(program, failure, undefined, pass && { siblings: pass });
    await shrinkInSlices(interruption.signal, reducer, options.budget);
    const reduction = reducer.result();
    if (!reduction.minimal) unfinished = true;
    const answers = trials.answersTo(reduction.program, reduction.failure);
    const text = printProgram(asProgram(program.name, reduction.program, answers));
    results.push(text, ...alsoMet(reduction).map((other, i) => otherText(program.name, i, other.program)));
    console.log(reductionText(program, reduction, text));
  }
  process.off('SIGINT', interrupt);

  if (results.length > 0 && options.output !== undefined)
    writeNew(options.output, [HEADER, ...results].join('\n'));
  if (unfinished) console.log(howToGoOn(options.output));
  console.log(`reduce: ${programs.length} programs, ${failing} fail`);
  process.exitCode = interruption.signal.aborted ? EXIT_INTERRUPTED : failing > 0 ? EXIT_FOUND : 0;
}

function siblingsFor(options: CourtOptions): Siblings {
  return new Siblings({ ...courtOf(options), arches: archesFor(options, undefined) });
}

function reductionText(program: Program, reduction: Reduction, text: string): string {
  const { failure, minimal, runs, id, proof } = reduction;
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
    ...alsoMet(reduction).map(({ failure }) => `Also met: ${whatFailed(failure)}: ${failure.message}`),
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
