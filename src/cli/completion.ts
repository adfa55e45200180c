/** Completion scripts for bash and zsh, made from the table of commands; a TAB does not start pvmmu. */
import { Argument, type Command, type Option } from 'commander';
import { DEFECTS } from '../../models/defects/index.js';
import { CliCommand } from './command.js';

export const completionCommand = new CliCommand('completion')
  .description('print a script that completes commands, options and defects in the shell')
  .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh']))
  .example('for this bash', 'completion bash > ~/.local/share/bash-completion/completions/pvmmu')
  .example('for zsh, in a folder of its $fpath', 'completion zsh > ~/.zfunc/_pvmmu')
  .action((shell: 'bash' | 'zsh', _options: object, command: Command) => {
    const program = command.parent!;
    process.stdout.write(shell === 'bash' ? bashScript(program) : zshScript(program));
  });

/** What may stand for an option's value: these words, a file, or anything. */
type Values = readonly string[] | 'file' | 'any';

/** The value's name in the help tells, where there are no choices: `<id>` is a defect. */
function valuesOf({ flags, argChoices }: Option): Values {
  if (argChoices) return argChoices;
  if (flags.includes('<id>')) return defectWords();
  return /<(?:file|folder)/.test(flags) ? 'file' : 'any';
}

/** Ids and advisories. */
function defectWords(): string[] {
  const words = DEFECTS.flatMap(({ id, advisory }) => [id, ...(advisory?.toLowerCase().split(', ') ?? [])]);
  return [...new Set(words)];
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

function operandValues(argument: Argument): Values {
  return argument.argChoices ?? (argument.name() === 'file' ? 'file' : 'any');
}

/** What stands where no option does, at first: bash offers files for what comes after. */
function operandsOf({ registeredArguments }: Command): Values {
  const [first] = registeredArguments;
  return first ? operandValues(first) : [];
}

export function bashScript(program: Command): string {
  const names = program.commands.map((command) => command.name());
  const top = [...names, 'help', ...optionsOf(program).flatMap(flagsOf)];
  return `# bash completion for pvmmu
_pvmmu() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  local words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${top.join(' ')}' -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD-1]}" in
${program.commands.flatMap(bashValueCases).join('\n')}
  esac
  case "\${COMP_WORDS[1]} $word" in
${program.commands.flatMap(bashWordCases).join('\n')}
    'help '*) words='${names.join(' ')}' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _pvmmu pvmmu
`;
}

/** What follows an option that takes a value. */
function bashValueCases(command: Command): string[] {
  return optionsOf(command)
    .filter((option) => option.required)
    .map((option) => {
      const before = flagsOf(option).map((flag) => `'${command.name()} ${flag}'`);
      return `    ${before.join('|')}) ${bashReply(valuesOf(option))}; return ;;`;
    });
}

/** Options, or what else may stand there. */
function bashWordCases(command: Command): string[] {
  const name = command.name();
  const operands = operandsOf(command);
  const flags = optionsOf(command).flatMap(flagsOf).join(' ');
  return [
    `    '${name} -'*) words='${flags}' ;;`,
    typeof operands === 'string'
      ? `    '${name} '*) ${bashReply(operands)}; return ;;`
      : `    '${name} '*) words='${[...operands, flags].join(' ')}' ;;`,
  ];
}

function bashReply(values: Values): string {
  if (values === 'any') return 'COMPREPLY=()';
  const what = values === 'file' ? '-f' : `-W '${values.join(' ')}'`;
  return `COMPREPLY=($(compgen ${what} -- "$word"))`;
}

export function zshScript(program: Command): string {
  const named = program.commands.map((command) => zshWord(`${command.name()}:${command.description()}`));
  return `#compdef pvmmu
_pvmmu() {
  local state line
  local -a commands=(
    ${named.join('\n    ')}
  )
  _arguments -C ${optionsOf(program).map(zshOption).join(' ')} '1:command:->command' '*::argument:->argument' && return
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      case $words[1] in
${program.commands.map(zshCase).join('\n')}
      esac ;;
  esac
}
[ "$funcstack[1]" = _pvmmu ] && _pvmmu "$@" || compdef _pvmmu pvmmu
`;
}

function zshCase(command: Command): string {
  const specs = [
    ...optionsOf(command).map(zshOption),
    ...command.registeredArguments.map((argument, i) =>
      zshWord(`${argument.variadic ? '*' : i + 1}:${zshValue(argument.name(), operandValues(argument))}`),
    ),
  ];
  return `        ${command.name()}) _arguments ${specs.join(' \\\n          ')} ;;`;
}

/** `'(-o --output)'{-o,--output}'[what it does]:file:_files'`; a `*` before it where it may be repeated. */
function zshOption(option: Option): string {
  const flags = flagsOf(option);
  const repeated = option.description.includes('may be repeated') ? '*' : '';
  const what = option.description.replaceAll(/[[\]\\]/g, '\\$&');
  const value = option.required ? `:${zshValue(option.name(), valuesOf(option))}` : '';
  const tail = zshWord(`[${what}]${value}`);
  if (flags.length === 1) return `'${repeated}${flags[0]}'${tail}`;
  return `'(${flags.join(' ')})'{${flags.join(',')}}${tail}`;
}

function zshValue(name: string, values: Values): string {
  if (values === 'any') return `${name}:`;
  return values === 'file' ? 'file:_files' : `${name}:(${values.join(' ')})`;
}

function zshWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
