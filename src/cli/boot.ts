import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import { GUEST_DEFECTS, type GuestDefect, guestDefect } from '../../models/linux/defects/index.js';
import { familyOf, type KernelFamily, KERNELS } from '../../models/linux/kernels.js';
import { type GuestMachine, KEYS, type MachineKey, machineWords } from '../../models/linux/machine.js';
import { changesOf, type Strategy, STRATEGIES } from '../../models/linux/strategies.js';
import { boot, type Guest, type Outcome } from '../boot/boot.js';
import { type GuestFind, machineOfRun, shrinkFind } from '../boot/find.js';
import { ModelFailure, Session } from '../boot/session.js';
import { startOf, stepsText } from '../boot/story.js';
import type { Arch } from '../program/machine.js';
import { candidateText } from '../shrink/text.js';
import { CliCommand, wholeNumber } from './command.js';
import { ARCHES } from './court-options.js';
import { requireNew, writeNew } from './output.js';
import { inSlices, Progress } from './progress.js';

export interface BootOptions {
  readonly arch?: Arch;
  readonly strategy?: Strategy;
  readonly defect?: GuestDefect;
  readonly machine?: readonly (readonly [MachineKey, number])[];
  readonly seed?: string;
  readonly runs?: number;
  readonly trace?: string;
  readonly list?: true;
}

const EXIT_FOUND = 1;
const EXIT_INTERRUPTED = 130;
const RUNS_MAX = 1_000_000_000;

export const bootCommand = new CliCommand('boot')
  .description(
    'boot a Linux guest on both models, from its domain builder to its last process; show what ends one, as small as it gets',
  )
  .argument(
    '[kernel]',
    'a version such as 2.6.38 or 6.1 (default: that of the defect, else 6.1)',
    kernelNamed,
  )
  .addOption(new Option('--arch <arch>', 'x86_64 unless the kernel is 32-bit only').choices(ARCHES))
  .option('--strategy <id>', 'another way to have pagetable pages read-only in time', strategyNamed)
  .option('--defect <id>', 'a mistake that Linux once had', defectNamed)
  .option('--machine <numbers...>', 'numbers of the machine as key=value; the others are drawn', addNumbers)
  .option('--seed <seed>', 'name of the random stream (default: a new one, printed)')
  .option(
    '--runs <count>',
    'boot so many machines, up to the first that fails',
    wholeNumber('runs', RUNS_MAX),
  )
  .addOption(new Option('--trace <file>', 'new file for the run as program text').conflicts('runs'))
  .option('--list', 'list kernels, strategies, mistakes and the numbers of a machine')
  .example('the bug behind the question of 2011', 'boot 2.6.39 --defect pgt-buf-end-moves --runs 1000')
  .example('keep one boot and replay it', 'boot 6.1 --seed 7 --trace boot.pvmmu')
  .action(bootGuests);

/**
 * `pvmmu boot`: exit status 0 if every boot was clean, 1 if one was not, 130 after Ctrl-C.
 *
 * @throws InvalidArgumentError if kernel, architecture and defect do not go together; TextError if the trace
 * cannot be written.
 */
export async function bootGuests(named: KernelFamily | undefined, options: BootOptions): Promise<void> {
  if (options.list) return list();
  const { defect, strategy, trace } = options;
  if (trace !== undefined) requireNew(trace);
  const family = named ?? familyOf(defect?.kernel ?? '6.1')!;
  const arch = archOf(family, options);
  const guest: Guest = {
    family,
    defects: new Set(defect ? [defect.id] : []),
    changes: { ...(strategy && changesOf(strategy, arch)), ...defect?.changes },
  };
  const run = new BootRun(guest, arch, options);
  await run.boots();
  run.summarize();
}

class BootRun {
  private readonly session = new Session();
  private readonly seed: string;
  private runs = 0;
  private failing = 0;
  private interrupted = false;

  constructor(
    private readonly guest: Guest,
    private readonly arch: Arch,
    private readonly options: BootOptions,
  ) {
    this.seed = options.seed ?? randomBytes(4).toString('hex');
  }

  async boots(): Promise<void> {
    if (this.options.runs === undefined) return this.one();
    const total = this.options.runs;
    const interruption = new AbortController();
    const interrupt = () => interruption.abort();
    process.once('SIGINT', interrupt);
    const progress = new Progress(total, '{runs} machines  {operations} operations');
    let operations = 0;
    const step = () => {
      const machine = this.machine(this.runs);
      const outcome = boot(this.session, this.guest, machine);
      this.runs++;
      operations += this.session.operations;
      if (outcome) {
        progress.stop();
        this.report(machine, outcome);
      }
      return outcome !== undefined || this.runs === total;
    };
    await inSlices(interruption.signal, step, () =>
      progress.update(this.runs, {
        runs: this.runs.toLocaleString('en'),
        operations: operations.toLocaleString('en'),
      }),
    );
    progress.stop();
    process.off('SIGINT', interrupt);
    this.interrupted = interruption.signal.aborted;
  }

  /** One boot, with a line for each phase. */
  private one(): void {
    const machine = this.machine(0);
    console.log(`${this.guest.family.versions}, ${this.arch}: ${machineWords(machine)}`);
    let phase: string | undefined;
    let from = 0;
    const ended = () => {
      const { operations } = this.session;
      if (phase !== undefined)
        console.log(`  ${phase.padEnd(20)}${String(operations - from).padStart(6)} operations`);
      from = operations;
    };
    const outcome = boot(this.session, this.guest, machine, (next) => {
      ended();
      phase = next;
    });
    ended();
    this.runs++;
    if (this.options.trace !== undefined) this.write(this.options.trace, machine);
    if (outcome) this.report(machine, outcome);
  }

  private machine(run: number): GuestMachine {
    return { ...machineOfRun(this.seed, run, this.arch), ...Object.fromEntries(this.options.machine ?? []) };
  }

  private report(machine: GuestMachine, outcome: NonNullable<Outcome>): void {
    this.failing++;
    if (outcome instanceof ModelFailure) {
      console.log(`The models: ${outcome.message}\nMachine: ${machineWords(machine)}`);
      return;
    }
    const find = shrinkFind(this.session, this.guest, machine, outcome);
    console.log(this.findText(find));
  }

  private findText(find: GuestFind): string {
    const { crash, words, operations, machine } = find;
    return [
      '',
      `${sentence(crash.message)} in ${crash.path.at(-1) ?? 'start'}`,
      `  ${crash.path.join(' > ')}`,
      '',
      ...words,
      ...find.holders.map(({ mfn, slot }) => `Writable through: 0x${mfn.toString(16)}[${slot}]`),
      '',
      `Smallest machine: ${machineWords(machine) || 'the least of all'}`,
      `It ends after ${operations} operations.${this.stepsText(find)}`,
      `Repeat: ${this.repeat(machine)}`,
    ].join('\n');
  }

  private stepsText(find: GuestFind): string {
    const lines = stepsText(this.guest, find);
    if (lines.length === 0) return '';
    return ` From the domain builder's tables it takes ${find.steps!.length}:\n\n${lines.join('\n')}\n`;
  }

  private repeat(machine: GuestMachine): string {
    const { strategy, defect } = this.options;
    return [
      `npx pvmmu boot ${this.guest.family.id} --arch ${this.arch}`,
      ...(strategy ? [`--strategy ${strategy.id}`] : []),
      ...(defect ? [`--defect ${defect.id}`] : []),
      `--machine ${Object.keys(KEYS)
        .map((key) => `${key}=${machine[key as MachineKey]}`)
        .join(' ')}`,
    ].join(' ');
  }

  private write(path: string, machine: GuestMachine): void {
    const { code, results } = this.session;
    const name = `linux-${this.guest.family.id}-${this.arch}`;
    writeNew(path, candidateText({ machine: startOf(this.guest, machine), code }, name, results));
  }

  summarize(): void {
    if (this.failing === 0 && this.options.seed === undefined) console.log(`Seed: ${this.seed}`);
    console.log(`boot: ${this.runs} runs, ${this.failing} failing`);
    if (this.interrupted) process.exitCode = EXIT_INTERRUPTED;
    else process.exitCode = this.failing === 0 ? 0 : EXIT_FOUND;
  }
}

function list(): void {
  const rows = (title: string, lines: readonly (readonly [string, string])[]) =>
    [title, ...lines.map(([id, what]) => `  ${id.padEnd(34)}${what}`), ''].join('\n');
  console.log(
    [
      rows(
        'Kernels',
        KERNELS.map(({ id, versions, title, arches }) => [
          id,
          `${versions} (${arches.join(', ')}): ${title}`,
        ]),
      ),
      rows(
        'Strategies',
        STRATEGIES.map(({ id, title }) => [id, title]),
      ),
      rows(
        'Mistakes',
        GUEST_DEFECTS.map(({ id, title, kernel, arches }) => [
          id,
          `${title} (${kernel}, ${arches.join(', ')})`,
        ]),
      ),
      rows(
        'Numbers of a machine',
        Object.entries(KEYS).map(([key, [least, most, what]]) => [`${key}=${least}..${most}`, what]),
      ).trimEnd(),
    ].join('\n'),
  );
}

function archOf(family: KernelFamily, { arch, defect }: BootOptions): Arch {
  const possible = family.arches.filter((one) => defect === undefined || defect.arches.includes(one));
  const chosen = arch ?? possible[0];
  if (chosen !== undefined && possible.includes(chosen)) return chosen;
  const what = defect === undefined ? `kernel ${family.id}` : `defect ${defect.id} in kernel ${family.id}`;
  const expected = possible.length === 0 ? `kernel ${defect?.kernel}` : `--arch ${possible.join(' or ')}`;
  throw new InvalidArgumentError(
    `${what} is not to be had on ${chosen ?? arch ?? 'any architecture'}, expected ${expected}`,
  );
}

function kernelNamed(word: string): KernelFamily {
  const family = familyOf(word);
  if (family) return family;
  throw new InvalidArgumentError(`No kernel has this version, expected one from ${KERNELS[0]!.id} on.`);
}

function strategyNamed(word: string): Strategy {
  const found = STRATEGIES.find(({ id }) => id === word);
  if (found) return found;
  throw new InvalidArgumentError(`Expected one of ${STRATEGIES.map(({ id }) => id).join(', ')}.`);
}

function defectNamed(word: string): GuestDefect {
  const found = guestDefect(word);
  if (found) return found;
  throw new InvalidArgumentError('Expected an id that `pvmmu boot --list` has.');
}

function addNumbers(word: string, before: BootOptions['machine'] = []): NonNullable<BootOptions['machine']> {
  const [key = '', text = ''] = word.split('=', 2);
  if (!Object.hasOwn(KEYS, key))
    throw new InvalidArgumentError(`Expected one of ${Object.keys(KEYS).join(', ')}.`);
  const [least, most] = KEYS[key as MachineKey];
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new InvalidArgumentError(`Expected ${key} from ${least} to ${most}.`);
  return [...before, [key as MachineKey, number]];
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
