/**
 * One QEMU in which Xen runs the lab's kernel as dom0. Its memory is a file without a name that this side reads
 * and writes while it runs; the process ends with this one, however this one ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arch } from '../program/machine.js';
import { XenConsole } from './console.js';
import { Debugger } from './debugger.js';
import type { Exchanges } from './exchanges.js';
import { showFrameTable } from './frame-table.js';
import type { BootFiles } from './installation.js';
import {
  ANSWER_BYTES,
  decodeBatch,
  encodeBatch,
  HEAD_ANSWERED,
  HEAD_BYTES,
  HEAD_CONTENDED,
  HEAD_EVENT,
  HEAD_FRAME_TABLE,
  HEAD_OPERATION,
  HEAD_PROGRAM,
  HEAD_RACE,
  HEAD_REQUEST,
  HEAD_WORDS,
  type LabAnswer,
  type LabProgram,
  REQUEST_BYTES,
  SLOT_BYTES,
  SLOTS,
  XEN_VCPUS,
} from './mailbox.js';
import { loseRaces } from './races.js';
import type { XenBuild } from './build.js';

/** Why a lab answers no more: it was killed or ended by itself, Xen crashed, or nothing has happened for long. */
export type EndKind = 'gone' | 'crashed' | 'stuck';

export class LabEnded extends Error {
  constructor(
    readonly kind: EndKind,
    /** What Xen's console said last. */
    readonly lines: readonly string[],
    /** Program of the batch that ran, and its operation. */
    readonly program: number,
    readonly operation: number,
    /** Answers to the programs of the batch before that one. */
    readonly answers: readonly LabAnswer[],
  ) {
    super(`the lab is ${kind}`);
  }
}

const MEMORY_MIB = 256;
const DOM0_MIB = 160;
const BOOT_SECONDS = 120;
/** No program takes a second; a busy host may take the processor away for longer. */
const STUCK_SECONDS = 30;
/** Xen's last words after a crash: registers, stack, call trace; and the very last ones, where it says them. */
const LAST_WORDS_MS = 500;
const LAST_WORD = /Manual reset required/;
const POLL_MS = 1;
/** Every timer of Xen's may stop a call early (rules 16.4), which shifts what comes after; this scheduler asks for one a second. */
const SCHEDULER = 'sched=credit sched_credit_tslice_ms=1000';
/** The debugger stub speaks through a pipe that QEMU inherits. */
const DEBUGGER = ['-chardev', 'socket,id=debugger,fd=3', '-gdb', 'chardev:debugger'];
/** xen.h: EVENT_PENDING, the two bytes of evtchn_upcall_pending and evtchn_upcall_mask. */
const EVENT_PENDING = Uint8Array.of(1, 0);
const READY = /^lab: ready, module at ([0-9a-f]+) slot ([0-9a-f]+) root ([0-9a-f]+)/;
const BANNER = /\(XEN\) Xen version (\S+ \([^)]*\)|\S+).* debug=([yn])/;

export class Lab {
  readonly console = new XenConsole((line) => this.hear(line));
  build!: XenBuild;
  private memory = -1;
  private module = 0;
  private version = '';
  private debug = false;
  private slot = 0;
  private root = 0;
  private sent = 0;
  private dead = false;
  private failure: unknown;
  private readonly exited: Promise<void>;

  private constructor(private readonly process: ChildProcess) {
    process.stdout!.setEncoding('utf8').on('data', (text: string) => this.console.push(text));
    process.stderr!.setEncoding('utf8').on('data', (text: string) => this.console.push(text));
    this.exited = new Promise((resolve) => {
      const end = () => {
        this.dead = true;
        resolve();
      };
      process.once('exit', end).once('error', end);
    });
  }

  /**
   * Boots a lab, which takes a second or two. With `messages` Xen says on the console what it thinks of the guest's
   * requests: a release build little, a debug build much.
   *
   * @throws LabEnded if it does not come up.
   */
  static async boot(files: BootFiles, arch: Arch, messages: boolean): Promise<Lab> {
    const { exchanges } = files;
    const words = [...qemuArguments(files, messages), ...(exchanges ? DEBUGGER : [])];
    const child = spawn('setpriv', ['--pdeathsig', 'SIGKILL', files.qemu, ...words], {
      stdio: ['ignore', 'pipe', 'pipe', ...(exchanges ? (['pipe'] as const) : [])],
    });
    const lab = new Lab(child);
    const end = performance.now() + BOOT_SECONDS * 1000;
    while (lab.module === 0) {
      if (lab.dead || lab.console.ended || performance.now() > end) throw await lab.ending();
      await sleep(POLL_MS * 10);
    }
    lab.memory = openSync(memoryFile(child.pid!), 'r+');
    lab.build = {
      arch,
      version: lab.version,
      debug: lab.debug,
      paeXenSlot: lab.slot,
      showsCounts: arch === 'x86_64' && lab.showsFrameTable(),
      races: exchanges !== undefined,
    };
    if (exchanges) lab.loseRaces(new Debugger(child.stdio[3] as Duplex), exchanges);
    return lab;
  }

  /** How many batches may be sent before an answer is read. */
  static readonly inFlight = SLOTS;

  /** Sends a batch; its programs must fit (`requestWords`). */
  send(programs: readonly LabProgram[]): void {
    const words = encodeBatch(programs);
    const number = this.sent + 1;
    this.write(this.slotAddress(number), words);
    this.write(this.module + HEAD_REQUEST * 4, Int32Array.of(number));
    this.sent = number;
  }

  /**
   * The answers of batch `number`, counted from 1, once they are there: to its first programs, as many as the lab
   * had room for.
   *
   * @throws LabEnded if the lab comes to its end before.
   */
  async answers(number: number, programs: readonly LabProgram[]): Promise<LabAnswer[]> {
    let last = '';
    let since = performance.now();
    for (;;) {
      const head = this.head();
      if (head[HEAD_ANSWERED]! >= number) return this.read(number, programs);
      if (this.dead || this.console.ended) throw await this.ending(undefined, number, programs);
      const now = head.join();
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > STUCK_SECONDS * 1000)
        throw await this.ending('stuck', number, programs);
      await sleep(POLL_MS);
    }
  }

  /** Number of the newest batch that was sent. */
  get newest(): number {
    return this.sent;
  }

  /** Ends the process; it is gone when this is done. */
  async close(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
    if (this.memory >= 0) closeSync(this.memory);
    this.memory = -1;
  }

  private async ending(kind?: EndKind, number = 0, programs: readonly LabProgram[] = []): Promise<LabEnded> {
    if (this.failure !== undefined) throw this.failure;
    const silence = performance.now() + LAST_WORDS_MS;
    const spoken = () => LAST_WORD.test(this.console.lines.at(-1)?.text ?? '');
    while (this.console.ended && !spoken() && performance.now() < silence) await sleep(POLL_MS);
    const head = this.memory < 0 ? new Int32Array(HEAD_WORDS) : this.head();
    const begun = head[HEAD_ANSWERED] === number - 1 && head[HEAD_PROGRAM]! > 0;
    const answers = begun ? this.read(number, programs) : [];
    await this.close();
    const said = this.console.lines.map(({ text }) => text);
    const lines = said.slice(said.findIndex((line) => READY.test(line)) + 1);
    const what = kind ?? (this.console.ended ? 'crashed' : 'gone');
    return new LabEnded(what, lines, head[HEAD_PROGRAM]!, head[HEAD_OPERATION]!, answers);
  }

  /** Where programs say so. What goes wrong there ends the lab. */
  private loseRaces(machine: Debugger, exchanges: Exchanges): void {
    const race = BigInt(this.head()[HEAD_RACE]!);
    loseRaces(machine, exchanges, {
      race: BigInt.asUintN(this.build.arch === 'x86_64' ? 64 : 32, race),
      contended: () => this.head()[HEAD_CONTENDED]! - 1,
      sendEvent: () => this.write(this.head()[HEAD_EVENT]!, EVENT_PENDING),
    }).catch((error: unknown) => {
      this.failure = error;
      this.process.kill('SIGKILL');
    });
  }

  private read(number: number, programs: readonly LabProgram[]): LabAnswer[] {
    const at = this.slotAddress(number) + REQUEST_BYTES;
    const [, used] = this.words(at, 2);
    if (used! > ANSWER_BYTES / 4) throw new Error('the lab has overrun its answers');
    return decodeBatch(this.words(at, used!), programs, this.build.showsCounts);
  }

  private showsFrameTable(): boolean {
    const word = (address: bigint): bigint => {
      const bytes = new BigUint64Array(1);
      readSync(this.memory, bytes, 0, 8, address);
      return bytes[0]!;
    };
    const write = (address: bigint, value: bigint): void => {
      writeSync(this.memory, BigUint64Array.of(value), 0, 8, Number(address));
    };
    const isShown = showFrameTable({ word, write }, this.root);
    if (isShown) this.write(this.module + HEAD_FRAME_TABLE * 4, Int32Array.of(1));
    return isShown;
  }

  private slotAddress(number: number): number {
    return this.module + HEAD_BYTES + (number % SLOTS) * SLOT_BYTES;
  }

  private head(): Int32Array {
    return this.words(this.module, HEAD_WORDS);
  }

  private words(address: number, count: number): Int32Array {
    const words = new Int32Array(count);
    readSync(this.memory, words, 0, count * 4, address);
    return words;
  }

  private write(address: number, words: Int32Array | Uint8Array): void {
    writeSync(this.memory, words, 0, words.byteLength, address);
  }

  private hear(line: string): void {
    const banner = BANNER.exec(line);
    if (banner) {
      this.version = banner[1]!;
      this.debug = banner[2] === 'y';
    }
    const ready = READY.exec(line);
    if (!ready) return;
    this.slot = Number.parseInt(ready[2]!, 16);
    this.root = Number.parseInt(ready[3]!, 16);
    this.module = Number.parseInt(ready[1]!, 16);
  }
}

function qemuArguments({ xen, kernel, module }: BootFiles, messages: boolean): string[] {
  const level = messages ? 'all' : 'none';
  return [
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-nic', 'none'],
    ...['-machine', 'q35,accel=tcg,memory-backend=ram', '-m', `${MEMORY_MIB}M`],
    ...['-object', `memory-backend-memfd,id=ram,size=${MEMORY_MIB}M,share=on`],
    ...['-kernel', xen, '-initrd', `${kernel},${module}`],
    '-append',
    [
      `com1=115200,8n1 console=com1 noreboot dom0_mem=${DOM0_MIB}M dom0_max_vcpus=${XEN_VCPUS}`,
      `guest_loglvl=${level} ${SCHEDULER}`,
    ].join(' '),
  ];
}

/** The memory of the guest among the open files of its process. */
function memoryFile(pid: number): string {
  const folder = `/proc/${pid}/fd`;
  const name = readdirSync(folder).find((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('/memfd:memory-backend-memfd');
    } catch {
      return false; // closed in the meantime
    }
  });
  if (name === undefined) throw new Error(`no guest memory among the files of process ${pid}`);
  return `${folder}/${name}`;
}
