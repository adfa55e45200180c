import { SingleBar } from 'cli-progress';
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type Find, Fuzzer } from '../fuzz/fuzzer.js';
import type { Failure } from '../lockstep/lockstep.js';
import type { Arch } from '../program/machine.js';
import { candidateText } from '../shrink/text.js';

export interface FuzzOptions {
  readonly arch?: Arch;
  readonly seed?: string;
  /** Seconds. */
  readonly time?: number;
  readonly ops?: number;
}

const SECONDS_DEFAULT = 30;
/** Between looks at the clock, the terminal and the keyboard. */
const SLICE_MS = 100;
const EXIT_FOUND = 1;
const EXIT_INTERRUPTED = 130;

/** `pvmmu fuzz`: exit status 0 if nothing was found, 1 if something was, 130 after Ctrl-C. */
export async function fuzz(options: FuzzOptions): Promise<void> {
  const arches: Arch[] = options.arch ? [options.arch] : ['x86_64', 'x86_32'];
  const seed = options.seed ?? randomBytes(4).toString('hex');
  const seconds = options.time ?? (options.ops === undefined ? SECONDS_DEFAULT : Infinity);
  const operations = options.ops ?? Infinity;
  let interrupted = false;
  const interrupt = () => (interrupted = true);
  process.once('SIGINT', interrupt);

  console.log(`Fuzzing ${arches.join(' and ')}, both models in lockstep. Seed ${seed}`);
  const fuzzer = new Fuzzer(arches, seed);
  const progress = new Progress(seconds);
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  let find: Find | undefined;
  while (!interrupted && !find && elapsed() < seconds && fuzzer.operations < operations) {
    const sliceEnd = performance.now() + SLICE_MS;
    while (!find && performance.now() < sliceEnd && fuzzer.operations < operations) find = fuzzer.next();
    progress.update(fuzzer, elapsed());
    await setImmediate();
  }
  progress.stop();
  process.off('SIGINT', interrupt);

  summarize(fuzzer);
  if (find) console.log(findText(find));
  else
    console.log(
      `Repeat: npx pvmmu fuzz${options.arch ? ` --arch ${options.arch}` : ''} --seed ${seed} --ops ${fuzzer.operations}`,
    );
  const finds = find ? 1 : 0;
  console.log(
    `fuzz: ${fuzzer.operations} operations, ${fuzzer.programs} programs, ${finds} finds, ${elapsed().toFixed(1)} s`,
  );
  process.exitCode = find ? EXIT_FOUND : interrupted ? EXIT_INTERRUPTED : 0;
}

/** A line on standard error that shows how the run goes; nothing where that is no terminal. */
class Progress {
  private readonly bar: SingleBar | undefined;

  constructor(seconds: number) {
    if (!process.stderr.isTTY) return;
    const total = Number.isFinite(seconds) ? seconds : 0;
    const format = `${total > 0 ? '{bar} ' : ''}{rate} operations/s  {programs} programs  {outcomes}`;
    this.bar = new SingleBar({ format, barsize: 20, hideCursor: true, stream: process.stderr });
    this.bar.start(total, 0, { rate: '…', programs: 0, outcomes: '' });
  }

  update(fuzzer: Fuzzer, seconds: number): void {
    const rate = Math.round(fuzzer.operations / seconds).toLocaleString('en');
    const programs = fuzzer.programs.toLocaleString('en');
    this.bar?.update(Math.round(seconds), { rate, programs, outcomes: fuzzer.outcomes.shares(5) });
  }

  stop(): void {
    this.bar?.stop();
  }
}

function summarize(fuzzer: Fuzzer): void {
  console.log(`Answers: ${fuzzer.outcomes.shares()}`);
  console.log(fuzzer.outcomes.table());
  if (fuzzer.losing > 0) {
    console.log(
      `${fuzzer.losing} programs end with references lost, as in Xen 4.17 itself (docs/xen-mmu-rules.md, 14).`,
    );
  }
}

function findText({ arch, seed, program, failure, answers, operationsDrawn }: Find): string {
  return [
    '',
    `Found: ${whatFailed(failure)}`,
    failure.message,
    `Shrunk from ${operationsDrawn} operations:`,
    '',
    candidateText(program, 'counterexample', answers).trimEnd(),
    '',
    `Repeat: npx pvmmu fuzz --arch ${arch} --seed ${seed} --ops 1`,
  ].join('\n');
}

function whatFailed({ kind, violation }: Failure): string {
  if (kind === 'assertion') return 'a model gave up';
  return kind === 'invariant'
    ? `invariant ${violation!.invariant} is violated`
    : `the models differ (${kind})`;
}
