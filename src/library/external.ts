import { spawnSync } from 'node:child_process';
import type { Candidate } from '../program/candidate.js';
import { TextError } from '../text/error.js';
import { parsePrograms } from '../text/parse.js';
import { printPrograms } from '../text/print.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { RECORD } from '../program/record.js';

/**
 * A model in a process of its own: a filter that reads program text and writes it with its own answers. It leaves `-> ?`
 * where it does not know the operation; the program is judged up to there.
 */
export interface ExternalModel {
  readonly command: string;
  readonly arguments: readonly string[];
  /** Most milliseconds for one call. */
  readonly timeout: number;
}

const TIMEOUT_DEFAULT = 10_000;
const OUTPUT_MAX = 256 * 1024 * 1024;

/** The filter that this command is. It is given many programs at once, or one. */
export function externalModel(
  command: string,
  args: readonly string[] = [],
  { timeout = TIMEOUT_DEFAULT }: { readonly timeout?: number } = {},
): ExternalModel {
  return { command, arguments: args, timeout };
}

/**
 * The filter's answers to each of the programs, by record.
 *
 * @throws TextError if it cannot be run, fails, or does not give back the same programs with answers.
 */
export function answersOf(model: ExternalModel, programs: readonly Candidate[]): Int32Array[] {
  const asked = programs.map(({ machine, code }, i) => ({
    name: `asked-${i + 1}`,
    machine,
    code,
    expected: new Int32Array(code.length / RECORD).fill(UNKNOWN),
    finals: [],
  }));
  const { command, timeout } = model;
  const input = printPrograms(asked);
  const { error, status, stdout, stderr } = spawnSync(command, model.arguments, {
    input,
    timeout,
    maxBuffer: OUTPUT_MAX,
  });
  const refuse = (what: string): never => {
    throw new TextError(command, 0, 0, what);
  };
  if (error) refuse(`cannot be run (${(error as NodeJS.ErrnoException).code ?? error.message})`);
  if (status !== 0) refuse(`exits with ${status}: ${stderr.toString().trim().split('\n')[0]}`);
  const answered = parsePrograms(stdout.toString(), command);
  if (answered.length !== asked.length)
    refuse(`${answered.length} programs, expected the ${asked.length} that it was given`);
  return answered.map(({ name, code, expected }, i) => {
    const same =
      code.length === asked[i]!.code.length && code.every((word, at) => word === asked[i]!.code[at]);
    if (!same || name !== asked[i]!.name) refuse(`program ${name} is not the one that it was given`);
    return expected;
  });
}
