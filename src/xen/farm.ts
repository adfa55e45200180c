/** Several labs side by side that share one queue of programs. A lab that ends is replaced; no program is lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arch } from '../program/machine.js';
import { TextError } from '../text/error.js';
import type { BootFiles } from './installation.js';
import { type EndKind, Lab, LabEnded } from './lab.js';
import { type LabAnswer, type LabProgram, requestWords, REQUEST_WORDS_MAX } from './mailbox.js';
import type { XenBuild } from './build.js';

/** What came of a program on real Xen. */
export type Outcome =
  | { readonly kind: 'answered'; readonly answer: LabAnswer }
  | {
      /** Xen came to its end, or did not come back, each time that the program was run. */
      readonly kind: Exclude<EndKind, 'gone'>;
      /** Xen's last words. */
      readonly lines: readonly string[];
      /** The operation that ran. */
      readonly operation: number;
    };

export interface FarmOptions {
  /** Most labs. */
  readonly labs: number;
  /** Xen says what it thinks of requests. */
  readonly messages: boolean;
}

interface Job {
  readonly program: LabProgram;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  /** Labs that ended while they ran it. */
  ends: number;
  /** Of a candidate of a shrinking: aborted when nobody waits for it any more. */
  readonly unwanted: AbortSignal | undefined;
}

/** Programs at once, so that both labs have work and answers do not wait for long. */
const BATCH_MAX = 200;
/** Candidates at once: the first of them mostly decides what the next ones are. */
const CANDIDATES_MAX = 32;
/** With fewer programs waiting than this for each lab, no further lab is booted. */
const WORTH_A_LAB = 600;
/** Labs that end one after the other without an answer: something is wrong with the machine. */
const ENDS_MAX = 5;
/** What Xen has said during a program may come after the program's answer. */
const CONSOLE_MS = 100;

export class Farm {
  private readonly queue: Job[] = [];
  private readonly keepers = new Set<Promise<void>>();
  private readonly labs = new Set<Lab>();
  private wake: (() => void)[] = [];
  private closed = false;
  private failure: unknown;
  private endsInARow = 0;
  private first: Lab | undefined;

  private constructor(
    private readonly files: BootFiles,
    private readonly arch: Arch,
    private readonly options: FarmOptions,
    readonly build: XenBuild,
  ) {}

  /**
   * Boots a first lab; further ones, up to `labs`, when there is work for them.
   *
   * @throws TextError if it does not come up.
   */
  static async start(files: BootFiles, arch: Arch, options: FarmOptions): Promise<Farm> {
    const lab = await bootLab(files, arch, options.messages);
    const farm = new Farm(files, arch, options, lab.build);
    farm.labs.add(lab);
    farm.first = lab;
    return farm;
  }

  /**
   * Runs a program; programs are begun in the order in which they come. A candidate of a shrinking comes with `unwanted`: once
   * that is aborted it need not run. It is taken at its word where it ends Xen, and all labs are kept at hand, as the next
   * one may end Xen again.
   */
  run(program: LabProgram, unwanted?: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      this.queue.push({ program, resolve, reject, ends: 0, unwanted });
      const worth = unwanted ? 0 : this.keepers.size * WORTH_A_LAB;
      if (this.keepers.size < this.options.labs && this.queue.length > worth) this.hire();
      this.wakeAll();
    });
  }

  /** Programs that have not been begun. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Ends all labs. */
  async close(): Promise<void> {
    this.closed = true;
    this.wakeAll();
    await Promise.all([...this.labs].map((lab) => lab.close()));
    await Promise.allSettled(this.keepers);
  }

  private hire(): void {
    const keeper = this.keep().catch((error: unknown) => {
      this.failure ??= error;
      for (const { reject } of this.queue.splice(0)) reject(error);
    });
    this.keepers.add(keeper);
  }

  private wakeAll(): void {
    for (const wake of this.wake.splice(0)) wake();
  }

  /** Keeps one lab at work. */
  private async keep(): Promise<void> {
    let lab: Lab | undefined;
    while (!this.closed) {
      if (lab === undefined) {
        lab = this.first ?? (await bootLab(this.files, this.arch, this.options.messages));
        this.first = undefined;
        this.labs.add(lab);
        if (this.closed) return lab.close();
      }
      if (this.queue.length === 0) {
        await new Promise<void>((resolve) => this.wake.push(resolve));
        continue;
      }
      if (await this.work(lab)) continue;
      this.labs.delete(lab);
      await lab.close();
      lab = undefined;
    }
  }

  /** Batch after batch, the next one sent before the last is answered; whether the lab can go on. */
  private async work(lab: Lab): Promise<boolean> {
    const flying: { number: number; jobs: Job[] }[] = [];
    try {
      for (;;) {
        while (flying.length < Lab.inFlight) {
          const jobs = this.take(flying.length > 0);
          if (jobs.length === 0) break;
          lab.send(jobs.map(({ program }) => program));
          flying.push({ number: lab.newest, jobs });
        }
        const oldest = flying[0];
        if (!oldest) return true;
        const heard = lab.console.lines.length;
        const programs = oldest.jobs.map(({ program }) => program);
        let answers = await lab.answers(oldest.number, programs);
        if (programs[0]!.marked) answers = [{ ...answers[0]!, messages: await messagesSince(lab, heard) }];
        this.endsInARow = 0;
        flying.shift();
        const exhausted = this.settle(oldest.jobs, answers);
        if (!exhausted) continue;
        for (const { jobs } of flying) this.queue.unshift(...jobs);
        return false;
      }
    } catch (error) {
      if (this.closed || !(error instanceof LabEnded)) throw error;
      this.bury(
        error,
        flying.map(({ jobs }) => jobs),
      );
      return false;
    }
  }

  /** The next batch. A program that ended a lab, or is marked, is run by itself. */
  private take(others: boolean): Job[] {
    const jobs: Job[] = [];
    let words = 0;
    for (let next = this.queue[0]; next && jobs.length < BATCH_MAX; next = this.queue[0]) {
      if (next.unwanted?.aborted) {
        this.queue.shift()!.reject(next.unwanted.reason);
        continue;
      }
      if (next.unwanted && jobs.length >= CANDIDATES_MAX) break;
      const alone = next.ends > 0 || next.program.marked === true;
      if (alone && (jobs.length > 0 || others)) break;
      words += requestWords(next.program);
      if (words > REQUEST_WORDS_MAX) break;
      jobs.push(this.queue.shift()!);
      if (alone) break;
    }
    return jobs;
  }

  /** Hands out answers; what the lab had no room or no frames for waits again. Whether it has no frames left. */
  private settle(jobs: readonly Job[], answers: readonly LabAnswer[]): boolean {
    const again: Job[] = [];
    for (const [i, job] of jobs.entries()) {
      const answer = answers[i];
      if (answer === undefined || answer.stopped === 'exhausted') again.push(job);
      else job.resolve({ kind: 'answered', answer });
    }
    this.queue.unshift(...again);
    return answers.some(({ stopped }) => stopped === 'exhausted');
  }

  /** A lab has ended: its programs wait again, but for one that has ended a lab by itself, nothing else being there. */
  private bury(end: LabEnded, batches: readonly Job[][]): void {
    const [first = [], ...later] = batches;
    for (const [i, answer] of end.answers.entries()) first[i]!.resolve({ kind: 'answered', answer });
    const left = [...first.slice(end.answers.length), ...later.flat()];
    const culprit = end.kind === 'gone' ? undefined : left[0];
    const again = left.filter((job) => job !== culprit);
    if (culprit && (++culprit.ends > 1 || first.length === 1 || culprit.unwanted)) {
      this.endsInARow = 0;
      const { kind, lines, operation } = end;
      culprit.resolve({ kind: kind as Exclude<EndKind, 'gone'>, lines, operation });
    } else if (culprit) again.unshift(culprit);
    this.queue.unshift(...again);
    if (++this.endsInARow > ENDS_MAX) throw doesNotStay(end);
  }
}

async function messagesSince(lab: Lab, heard: number): Promise<NonNullable<LabAnswer['messages']>> {
  await sleep(CONSOLE_MS);
  return lab.console.lines
    .slice(heard)
    .filter(({ operation, text }) => operation >= 0 && text.startsWith('(XEN)'));
}

/** A QEMU that goes while it boots is replaced, too. */
async function bootLab(files: BootFiles, arch: Arch, messages: boolean): Promise<Lab> {
  for (let tries = 1; ; tries++) {
    try {
      return await Lab.boot(files, arch, messages);
    } catch (error) {
      if (!(error instanceof LabEnded)) throw error;
      if (error.kind !== 'gone' || tries > ENDS_MAX) throw doesNotStay(error);
    }
  }
}

function doesNotStay({ kind, lines }: LabEnded): TextError {
  const last = lines.at(-1) ?? 'nothing';
  return new TextError('xen', 0, 0, `the lab does not stay up (${kind}); its console said last: ${last}`);
}
