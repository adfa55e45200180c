/** ftrace text of a Linux guest to a program: what the events show, the state that they begin in, and what does not hold. */
import { TextError, quote } from '../text/error.js';
import { readLines } from '../text/read.js';
import { HEADER, printProgramHead } from '../text/print.js';
import { Session } from '../boot/session.js';
import { MAX_VCPUS } from '../program/machine.js';
import { Addresses, addressesOf } from './addresses.js';
import type { XenEvent } from './event.js';
import { isXenEvent, readXenEvent } from './events.js';
import { Frames } from './frames.js';
import { readTraceLine } from './line.js';
import { Run } from './run.js';
import { KernelHalf, startMachine, startTables } from './start.js';
import { Steps } from './steps.js';

export interface Remark {
  /** Of the trace; 0 for all of it. */
  readonly line: number;
  readonly text: string;
}

export interface Imported {
  /** The program, complete. */
  readonly text: string;
  /** What the trace does not show or is not as it should be, in the order of the lines. */
  readonly missing: readonly Remark[];
  /** What was assumed so that the models can follow. */
  readonly assumed: readonly Remark[];
  /** What contradicts Xen's rules, or Linux's own bookkeeping. */
  readonly findings: readonly Remark[];
  readonly events: number;
  readonly operations: number;
}

interface Placed {
  readonly line: number;
  readonly cpu: number;
  /** Undefined for a gap in the CPU's events. */
  readonly event: XenEvent | undefined;
}

/** Events of kernels from 4.12 on only, where a level is one more (P4D). */
const LATE_EVENTS = new Set(['xen_mmu_set_p4d', 'xen_mmu_flush_tlb_one_user', 'xen_mmu_flush_tlb_multi']);
const LATE_PTE_LEVEL = 4;
const UTF_8 = new TextDecoder();

class Trace {
  readonly events: Placed[] = [];
  readonly missing: Remark[] = [];
  readonly cpus: number[] = [];
  isLate = false;
  hasBuffer = false;
  lines = 0;
  private time = 0;
  private disordered = false;

  constructor(private readonly file: string) {}

  line(text: string, line: number): void {
    this.lines = line;
    const read = readTraceLine(text);
    if (read === 'blank') return;
    if (read === 'unknown') {
      this.note(
        line,
        `${quote(text.trim())} is no line of a trace, expected TASK-PID [CPU] TIME: EVENT: FIELDS; skipped`,
      );
      return;
    }
    if ('lost' in read) {
      this.note(line, `events of CPU ${read.lost} are lost here`);
      this.events.push({ line, cpu: read.lost, event: undefined });
      return;
    }
    if (!isXenEvent(read.event)) return;
    this.judgeTime(line, read.time);
    const event = readXenEvent(read.event, read.text);
    if (typeof event === 'string')
      this.note(line, `${read.event}: ${quote(read.text)}, expected ${event}; skipped`);
    if (!this.cpus.includes(read.cpu)) this.cpus.push(read.cpu);
    this.isLate ||= LATE_EVENTS.has(read.event);
    this.hasBuffer ||= read.event === 'xen_mc_flush';
    if (typeof event !== 'string' && (event.kind === 'alloc' || event.kind === 'release'))
      this.isLate ||= event.level >= LATE_PTE_LEVEL;
    this.events.push({ line, cpu: read.cpu, event: typeof event === 'string' ? undefined : event });
  }

  /** @throws TextError if nothing can be made of the trace. */
  check(): void {
    const refuse = (reason: string): never => {
      throw new TextError(this.file, 0, 0, reason);
    };
    const first = this.missing[0];
    if (this.cpus.length === 0)
      refuse(
        `no event xen_mmu_* or xen_mc_*, expected the text of ftrace${first ? ` (line ${first.line}: ${first.text})` : ''}`,
      );
    if (!this.hasBuffer)
      refuse('no event xen_mc_flush, expected the xen_mc_* events besides xen_mmu_* (record all of xen:*)');
  }

  note(line: number, text: string): void {
    this.missing.push({ line, text });
  }

  private judgeTime(line: number, time: number): void {
    if (time < this.time && !this.disordered) {
      this.disordered = true;
      this.note(line, 'the time goes back, expected the events of all CPUs in one order');
    }
    this.time = time;
  }
}

/**
 * Imports a trace, plain or gzipped, or standard input (`-`).
 *
 * @throws TextError if the file cannot be read or holds no such events; ModelFailure if the models disagree.
 */
export async function importFtrace(path: string): Promise<Imported> {
  const trace = new Trace(path === '-' ? 'standard input' : path);
  await readLines(path, 'the text of ftrace', (bytes, start, end, line) =>
    trace.line(UTF_8.decode(bytes.subarray(start, end)), line),
  );
  trace.check();
  return program(trace);
}

function program(trace: Trace): Imported {
  const addresses = new Addresses(trace.events.flatMap(({ event }) => (event ? addressesOf(event) : [])));
  const note = trace.note.bind(trace);
  const frames = new Frames(addresses, note);
  const steps = new Steps(addresses, trace.isLate ? LATE_PTE_LEVEL : LATE_PTE_LEVEL - 1, note);
  for (const { line, cpu, event } of trace.events) {
    if (event === undefined) {
      steps.lost(cpu);
      continue;
    }
    frames.learn(line, event);
    steps.take(line, cpu, event);
  }
  steps.finish(trace.lines);
  const vcpus = vcpusOf(trace);
  const tables = startTables(steps.all, addresses.arch === 'x86_64' ? 4 : 3);
  const kernel = new KernelHalf(addresses, frames);
  const machine = startMachine(steps.all, tables, frames, kernel, addresses, vcpus.size);
  const session = new Session();
  session.begin(machine);
  const [findings, assumed, body]: [Remark[], Remark[], string[]] = [[], [], []];
  const run = new Run(
    session,
    machine,
    frames,
    addresses,
    kernel,
    tables,
    vcpus,
    (line, text) => body.push(`# line ${line}`, text),
    (line, text) => findings.push({ line, text }),
    (line, text) => assumed.push({ line, text }),
  );
  for (const step of steps.all) run.step(step);
  session.end();
  if (tables.size > 0)
    assumed.unshift({
      line: 0,
      text: `${tables.size} pages are tables when the trace begins; what they hold and who names them is not in it`,
    });
  const comments = frames.renamed.map((words) => `# ${words}\n`).join('');
  return {
    text: [HEADER, comments, printProgramHead('ftrace', machine), ...body.map((one) => `${one}\n`)].join(''),
    missing: trace.missing.sort((a, b) => a.line - b.line),
    assumed,
    findings,
    events: trace.events.length,
    operations: session.operations,
  };
}

/** The first CPUs become vCPUs; those beyond what a program has run on vCPU 0 and load no base pointers. */
function vcpusOf(trace: Trace): Map<number, number> {
  const [kept, left] = [trace.cpus.slice(0, MAX_VCPUS), trace.cpus.slice(MAX_VCPUS)];
  if (left.length > 0)
    trace.note(
      0,
      `a program has ${MAX_VCPUS} CPUs at most: base pointers of CPUs ${left.join(', ')} are left out, their other requests run on the first`,
    );
  return new Map(kept.map((cpu, i) => [cpu, i]));
}
