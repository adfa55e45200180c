#!/usr/bin/env node
import '../engine.js';
import { CommanderError, InvalidArgumentError } from 'commander';
import { TextError } from '../text/error.js';
import { program } from './commands.js';

/** Exit status of bad usage or unreadable input. */
const BAD_INPUT = 2;
/** Exit status of a mistake of our own: neither "nothing found" nor "found" (EX_SOFTWARE of sysexits.h). */
const OUR_MISTAKE = 70;

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
  process.stderr.write(`A mistake of pvmmu's own: ${error instanceof Error ? error.stack : String(error)}\n`);
  return OUR_MISTAKE;
}
