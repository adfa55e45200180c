import { Option } from 'commander';
import { closeSync, openSync, readSync } from 'node:fs';
import { optionsIn } from '../database/find-text.js';
import type { Court } from '../fuzz/trials.js';
import type { Program } from '../program/program.js';
import { hypercallsText } from '../report/hypercalls.js';
import { pageText } from '../report/html/page.js';
import { mailText } from '../report/mail.js';
import { type Story, tellStory } from '../report/story.js';
import { xtfText } from '../report/xtf.js';
import { windowsOf } from '../report/windows.js';
import { TextError } from '../text/error.js';
import { ProgramCollector } from '../text/parse.js';
import { readProgramText } from '../text/read.js';
import { CliCommand } from './command.js';
import { PAGE_MARK, writeOutput } from './output.js';
import { addCourtOptions, courtFromWords, courtOf, type CourtOptions } from './court-options.js';

export interface ReportOptions extends CourtOptions {
  readonly program?: string;
  readonly mail?: true;
  readonly html?: string;
  readonly xtf?: true;
  readonly hypercalls?: true;
}

/** Bytes at the beginning of a kept find that hold what is said about it. */
const HEAD_BYTES = 4096;

export const reportCommand = addCourtOptions(new CliCommand('report'))
  .description('turn a program that fails into a bug report: as mail text, unless another form is asked for')
  .argument('<file>', 'program text, plain or gzipped; - for standard input')
  .option('--program <name>', 'which of several programs (default: the first that fails)')
  .option('--html <file>', 'a page that replays the program, in this file')
  .addOption(
    new Option('--mail', 'the text of a mail, at most 60 lines of 72 columns').conflicts([
      'xtf',
      'hypercalls',
    ]),
  )
  .addOption(new Option('--xtf', 'a C file for the Xen Test Framework').conflicts('hypercalls'))
  .option('--hypercalls', 'the raw arguments of each hypercall')
  .example('report a find, with the options that it was kept with', 'report .pvmmu/finds/253897a7-22ed.pvmmu')
  .example('a page to look at', 'report --html report.html .pvmmu/finds/253897a7-22ed.pvmmu')
  .example('a test that repeats it on Xen', 'report --defect xsa-182 --xtf counterexample.pvmmu')
  .action(report);

/**
 * `pvmmu report`: exit status 1 if the program fails, 0 if it does not.
 *
 * @throws TextError if the file cannot be read, is malformed, or does not hold the program.
 */
export async function report(file: string, options: ReportOptions): Promise<void> {
  const court = await courtFor(file, options);
  const story = await storyIn(file, court, options);
  if (options.html !== undefined) writeOutput(options.html, await pageText(story), PAGE_MARK);
  else process.stdout.write(formOf(options)(story));
  process.exitCode = story.failure ? 1 : 0;
}

function formOf({ xtf, hypercalls }: ReportOptions): (story: Story) => string {
  if (xtf) return xtfText;
  return hypercalls ? hypercallsText : mailText;
}

/** What was typed; of a kept find what it was kept with, if nothing was. */
async function courtFor(file: string, options: CourtOptions): Promise<Court> {
  const isTyped = (options.defect ?? []).length > 0 || options.alone || options.quirks === 'shipped';
  const kept = isTyped || file === '-' ? undefined : optionsIn(headOf(file));
  return kept === undefined ? courtOf(options) : courtFromWords(kept);
}

/** The beginning of a file; empty where it cannot be read, which is said when its programs are. */
function headOf(file: string): string {
  try {
    const handle = openSync(file, 'r');
    const bytes = Buffer.alloc(HEAD_BYTES);
    const length = readSync(handle, bytes);
    closeSync(handle);
    return bytes.toString('utf8', 0, length);
  } catch {
    return '';
  }
}

/** The story of the program that is asked for, or else of the first that fails. */
async function storyIn(file: string, court: Court, options: ReportOptions): Promise<Story> {
  const { program: name, xtf, hypercalls } = options;
  const isWhole = xtf || hypercalls;
  const programs: Program[] = [];
  await readProgramText(
    file,
    new ProgramCollector((program) => {
      if (name === undefined || program.name === name) programs.push(program);
    }),
  );
  const shown = file === '-' ? 'standard input' : file;
  if (programs.length === 0)
    throw new TextError(shown, 0, 0, name === undefined ? 'no program, expected one' : `no program ${name}`);
  let last: Story | undefined;
  for (const program of programs) {
    last = tellStory(program, court, isWhole ? undefined : windowsOf(program, court));
    if (last.failure) break;
  }
  return last!;
}
