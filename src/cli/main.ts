#!/usr/bin/env node
import '../engine.js';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { lockstepOf } from '../fuzz/trials.js';
import { TextError } from '../text/error.js';
import { addDefects, ARCHES, courtOf, type CourtOptions } from './court-options.js';
import { fuzz } from './fuzz.js';
import { reduceFile, type ReduceOptions } from './reduce.js';
import { replay } from './replay.js';
import { zoo } from './zoo.js';

/** Exit status of bad usage or unreadable input. */
const BAD_INPUT = 2;
const SECONDS_MAX = 31_536_000;
const SEEDS_MAX = 10_000;

function wholeNumber(name: string, most: number) {
  return (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < 1 || number > most) {
      throw new InvalidArgumentError(`Expected ${name} from 1 to ${most}.`);
    }
    return number;
  };
}

const program = new Command('pvmmu')
  .description(
    'Checks the pagetable rules of Xen PV guests: two models in lockstep, and real recorded answers.',
  )
  .version(manifest.version)
  .exitOverride()
  .configureHelp({ sortSubcommands: true });

program
  .command('replay')
  .description('replay recorded programs and compare every answer and final state')
  .argument('<file...>', 'program texts, plain or gzipped; - for standard input')
  .addOption(
    new Option('--model <which>', 'models to run')
      .choices(['reference', 'optimized', 'both'])
      .default('both'),
  )
  .option('--json', 'one JSON object a line: each difference, then the summary')
  .addHelpText('after', example('replay vectors/xen-4.17-x86_64-a.pvmmu.gz'))
  .action(replay);

judging(program.command('fuzz'))
  .description(
    'run generated programs on both models in lockstep, every invariant checked; shrink and keep what fails',
  )
  .addOption(new Option('--arch <arch>', 'one architecture only').choices(ARCHES))
  .option('--seed <seed>', 'name of the random stream (default: a new one, printed)')
  .addOption(
    new Option('--time <seconds>', 'how long to draw programs (default: 30)').argParser(
      wholeNumber('seconds', SECONDS_MAX),
    ),
  )
  .option(
    '--ops <count>',
    'how many operations to run instead',
    wholeNumber('operations', Number.MAX_SAFE_INTEGER),
  )
  .option('--stats', 'also print what operations met: level, type before, answer, and what none met')
  .option('--json', 'one JSON object a line: each find, then the summary')
  .addHelpText('after', example('fuzz --defect xsa-182'))
  .action(fuzz);

judging(program.command('reduce'))
  .description('shrink the programs of a text that fail, and show that nothing can be left out')
  .argument('<file>', 'program text, plain or gzipped; - for standard input')
  .option(
    '--budget <runs>',
    'most runs for each program that fails',
    wholeNumber('runs', Number.MAX_SAFE_INTEGER),
  )
  .option('-o, --output <file>', 'new file for the shrunk programs')
  .addHelpText('after', example('reduce --defect xsa-182 .pvmmu/finds/253897a7-22ed.pvmmu'))
  .action((file: string, options: ReduceOptions & CourtOptions) =>
    reduceFile(file, options, () => lockstepOf(courtOf(options))),
  );

program
  .command('zoo')
  .description(
    "hunt every mistake of Xen's history that the optimized model can make, with and without the reference model",
  )
  .option('--seeds <count>', 'hunts for each (default: 5)', wholeNumber('seeds', SEEDS_MAX))
  .option('--only <id>', 'one defect, or those of an advisory such as xsa-182; may be repeated', addDefects)
  .option('--time <seconds>', 'most seconds of a hunt', wholeNumber('seconds', SECONDS_MAX))
  .option('--json', 'one JSON object a line: each defect, control and invariant, then the summary')
  .addOption(
    new Option(
      '--md <file>',
      'also write the measurement there, and its figures to a .json beside it',
    ).conflicts(['only', 'time']),
  )
  .addHelpText('after', example('zoo --only xsa-182'))
  .action(zoo);

/** Adds the options that decide what counts as a failure. */
function judging(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--quirks <which>',
        'shipped: Xen 4.17 with the references it loses, which are failures then; intended: without',
      )
        .choices(['intended', 'shipped'])
        .default('intended'),
    )
    .option(
      '--defect <id>',
      'a mistake that the optimized model makes: its id, or an advisory such as xsa-182; may be repeated',
      addDefects,
    )
    .option('--alone', 'without the reference model: the invariants alone judge');
}

function example(words: string): string {
  return `\nExample: npx pvmmu ${words}`;
}

// Whoever reads our output may stop reading (`| head`): that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = statusOf(error);
}

/** Says what went wrong in one line, where it has not been said; a mistake of our own keeps its stack. */
function statusOf(error: unknown): number {
  if (error instanceof InvalidArgumentError) {
    process.stderr.write(`error: ${error.message}\n`);
    return BAD_INPUT;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  if (error instanceof TextError) {
    process.stderr.write(`pvmmu: ${error.message}\n`);
    return BAD_INPUT;
  }
  throw error;
}
