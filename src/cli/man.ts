/** The man page pvmmu(1), made from the table of commands. */
import type { Command, Option } from 'commander';
import { CliCommand } from './command.js';

export const manCommand = new CliCommand('man')
  .description('print the man page')
  .example('read it', 'man | man -l -')
  .action((_options: object, command: Command) => {
    process.stdout.write(manPage(command.parent as CliCommand));
  });

const STATUSES = [
  ['0', 'nothing was found; what was compared is equal'],
  ['1', 'something was found, or is different'],
  [
    '2',
    'bad usage, or a file that is malformed or cannot be read or written: one line on standard error says which',
  ],
  ['70', 'a mistake of pvmmu itself'],
  ['130', 'interrupted by Ctrl-C; what was found so far is kept'],
] as const;

const FILES = [
  ['.pvmmu/finds/*.pvmmu', 'what runs in this folder have found, as program texts'],
  ['.pvmmu/finds/fixed', 'what no longer fails'],
] as const;

/** The page in the man macros, which every Unix formats. */
export function manPage(program: CliCommand): string {
  const commands = program.commands as CliCommand[];
  return [
    `.TH PVMMU 1 "" "pvmmu ${program.version()}" "User Commands"`,
    '.SH NAME',
    'pvmmu \\- invariant checker for the pagetables of Xen PV guests',
    '.SH SYNOPSIS',
    ...commands
      .flatMap((command) => ['.B ' + text(`pvmmu ${command.name()}`), text(command.usage()), '.br'])
      .slice(0, -1),
    '.SH DESCRIPTION',
    text(program.description()),
    '.SH COMMANDS',
    ...commands.flatMap(commandSection),
    '.SH EXIT STATUS',
    ...STATUSES.flatMap(([status, what]) => item(status, what)),
    '.SH ENVIRONMENT',
    ...item('NO_COLOR', 'no colours, on a terminal either'),
    '.SH FILES',
    ...FILES.flatMap(([name, what]) => item(name, what)),
    '',
  ].join('\n');
}

function commandSection(command: CliCommand): string[] {
  const help = command.createHelp();
  return [
    `.SS ${text(`pvmmu ${command.name()} ${command.usage()}`)}`,
    text(`${command.description()}.`),
    ...command.registeredArguments.flatMap((one) => item(one.name(), one.description)),
    ...help.visibleOptions(command).flatMap((option) => item(option.flags, optionText(option, command))),
    ...command.examples.flatMap(({ what, words }) => [
      '.PP',
      `Example, ${text(what)}:`,
      '.PP',
      '.nf',
      text(`    npx pvmmu ${words}`),
      '.fi',
    ]),
  ];
}

function optionText(option: Option, command: Command): string {
  return command.createHelp().optionDescription(option);
}

function item(term: string, what: string): string[] {
  return ['.TP', `.B ${text(term)}`, text(what)];
}

/** Text as roff takes it literally: hyphens stay hyphens, and no line begins with a request. */
function text(words: string): string {
  return words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll(/^[.']/gm, '\\&$&');
}
