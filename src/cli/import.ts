import { Argument } from 'commander';
import { importFtrace, type Remark } from '../ftrace/import.js';
import { CliCommand } from './command.js';
import { requireNew, writeNew } from './output.js';

export interface ImportOptions {
  readonly output?: string;
}

/** Remarks of a kind printed in full; the rest is counted. */
const PRINTED_MAX = 50;

export const importCommand = new CliCommand('import')
  .description(
    'turn what a real kernel did into program text: an ftrace text with the xen:* events; says what the trace does not show, and what in it breaks the rules',
  )
  .addArgument(new Argument('<format>', 'what the file is').choices(['ftrace']))
  .argument('<file>', 'trace-cmd report or /sys/kernel/tracing/trace, plain or gzipped; - for standard input')
  .option('-o, --output <file>', 'new file for the program (default: standard output)')
  .example(
    'import a trace and replay it',
    'import ftrace trace.txt -o trace.pvmmu && npx pvmmu replay trace.pvmmu',
  )
  .action(importTrace);

/**
 * `pvmmu import`: exit status 0 if nothing in the trace breaks a rule, 1 if something does.
 *
 * @throws TextError if the file cannot be read or holds no such trace, or the output cannot be written.
 */
async function importTrace(_format: string, file: string, { output }: ImportOptions): Promise<void> {
  if (output !== undefined) requireNew(output);
  const { text, missing, assumed, findings, events, operations } = await importFtrace(file);
  if (output === undefined) process.stdout.write(text);
  else writeNew(output, text);
  const name = file === '-' ? 'standard input' : file;
  print(name, 'missing', missing);
  print(name, 'assumed', assumed);
  print(name, 'wrong', findings);
  console.error(
    `import: ${events} events, ${operations} operations; ${missing.length} missing, ${assumed.length} assumed, ${findings.length} wrong`,
  );
  process.exitCode = findings.length === 0 ? 0 : 1;
}

function print(file: string, kind: string, remarks: readonly Remark[]): void {
  for (const { line, text } of remarks.slice(0, PRINTED_MAX))
    console.error(`${file}${line === 0 ? '' : `:${line}`}: ${kind}: ${text}`);
  if (remarks.length > PRINTED_MAX) console.error(`… and ${remarks.length - PRINTED_MAX} more ${kind}`);
}
