#!/usr/bin/env node
import '../engine.js';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { TextError } from '../text/error.js';
import { fuzz } from './fuzz.js';
import { replay } from './replay.js';

/** Exit status of bad usage or unreadable input. */
const BAD_INPUT = 2;
const SECONDS_MAX = 31_536_000;

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
  .action(replay);

program
  .command('fuzz')
  .description('run generated programs on both models in lockstep, with every invariant checked')
  .addOption(new Option('--arch <arch>', 'one architecture only').choices(['x86_64', 'x86_32']))
  .option('--seed <seed>', 'name of the random stream (default: a new one, printed)')
  .option('--time <seconds>', 'how long to run', wholeNumber('seconds', SECONDS_MAX))
  .option('--ops <count>', 'how many operations to run', wholeNumber('operations', Number.MAX_SAFE_INTEGER))
  .action(fuzz);

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
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT;
  if (error instanceof TextError) {
    process.stderr.write(`pvmmu: ${error.message}\n`);
    return BAD_INPUT;
  }
  throw error;
}
