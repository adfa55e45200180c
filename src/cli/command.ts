/** How commands are declared: commander's Command, with examples, from which help, completion and the man page are made. */
import { Command, InvalidArgumentError } from 'commander';
import { createColors } from 'picocolors';

export interface Example {
  /** What it does, as a phrase: `hunt XSA-182`. */
  readonly what: string;
  /** The words after `npx pvmmu`. */
  readonly words: string;
}

/** Help is painted; commander takes the colours away where standard output is no terminal, or NO_COLOR is set. */
const paint = createColors(true);

export class CliCommand extends Command {
  readonly examples: Example[] = [];

  constructor(name?: string) {
    super(name);
    this.exitOverride();
    this.configureHelp({
      styleTitle: (text) => paint.bold(text),
      styleCommandText: (text) => paint.cyan(text),
      styleSubcommandText: (text) => paint.cyan(text),
      styleOptionText: (text) => paint.cyan(text),
      styleArgumentText: (text) => paint.cyan(text),
    });
    // Two lines with a suggestion become one.
    this.configureOutput({
      outputError: (text, write) => write(text.trimEnd().replace(/\n\(/, ' (') + '\n'),
    });
  }

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  /** Adds an example, which stands at the end of the help. */
  example(what: string, words: string): this {
    if (this.examples.length === 0) this.addHelpText('after', ({ command }) => examplesText(command));
    this.examples.push({ what, words });
    return this;
  }
}

function examplesText(command: Command): string {
  const { examples } = command as CliCommand;
  return `\nExamples:\n${examples.map(({ what, words }) => `  npx pvmmu ${words}\n      ${what}`).join('\n')}`;
}

/** Reads an option's value that is a whole number from 1 to `most`. */
export function wholeNumber(name: string, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < 1 || number > most) {
      throw new InvalidArgumentError(`Expected ${name} from 1 to ${most}.`);
    }
    return number;
  };
}
