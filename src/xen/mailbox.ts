/**
 * Batches of programs for the lab's kernel and its answers, as words of the memory that both sides share
 * (lab/batch.h draws it).
 */
import { type FinalFrame } from '../program/program.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine } from '../program/machine.js';
import { RECORD } from '../program/record.js';
import { COUNT_WORDS, countsIn, countsOfGone } from './frame-table.js';
import { hasName } from '../text/naming.js';
import { A, D, mfnOf } from '../../models/x86/entry.js';
import { type Level, TYPE_L4 } from '../../models/x86/page-type.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../../models/x86/xen-entries.js';

export const MAGIC = 0x756d7670;
export const VERSION = 1;
export const SLOTS = 2;
export const REQUEST_BYTES = 192 * 1024;
export const ANSWER_BYTES = 320 * 1024;
export const HEAD_BYTES = 4096;
export const SLOT_BYTES = REQUEST_BYTES + ANSWER_BYTES;
export const MODULE_BYTES = HEAD_BYTES + SLOTS * SLOT_BYTES;

/** Words of the head. */
export const HEAD_REQUEST = 2;
export const HEAD_ANSWERED = 3;
export const HEAD_PROGRAM = 4;
export const HEAD_OPERATION = 5;
export const HEAD_FRAME_TABLE = 6;
/** Where the kernel comes to before and after a contended operation; the number of its reference plus one; its vCPU's event word. */
export const HEAD_RACE = 7;
export const HEAD_CONTENDED = 8;
export const HEAD_EVENT = 9;
export const HEAD_WORDS = 10;

export const FRAMES_MAX = 31;
const FLAG_ASSIST = 1 << 8;
const FLAG_MARKED = 1 << 9;
const VCPUS_SHIFT = 10;
const FLAG_DOMAIN = 1 << 12;
/** vCPUs of dom0. Xen initialises each once, so each reset of a program takes another one (lab/vcpus.c). */
export const XEN_VCPUS = 2048;
/** Of these, those that programs begin with. */
export const VCPUS_MAX = 4;

const PROGRAM_WORDS = 2;
const GONE = 0xf0000000 | 0;
const PINNED = 0x80000000 | 0;
const TYPE_SHIFT = 28;
const TOLD = ~(A | D);

/** What the lab says of a program that it did not run to its end. */
const STOPPED = ['', 'unsupported', 'not back', 'exhausted'] as const;
export type Stopped = Exclude<(typeof STOPPED)[number], ''>;

export interface LabProgram {
  readonly machine: Machine;
  readonly code: Int32Array;
  /** The console says which operation runs, so that Xen's messages can be told apart. */
  readonly marked?: boolean;
}

/** What real Xen answered. */
export interface LabAnswer {
  /** Why the program was not run to its end, if so. */
  readonly stopped: Stopped | undefined;
  /** Operations that were run. */
  readonly operations: number;
  /** Answers by record. */
  readonly results: Int32Array;
  /** Frames `F0`.. that kept a reference after everything was taken down, one bit each. */
  readonly lost: number;
  /** F0.., then B1; but not a frame that is not the guest's any more. */
  readonly finals: readonly FinalFrame[];
  /** What Xen's frame table says of F0.., where it can be seen (frame-table.ts). */
  readonly counts?: readonly string[];
  /** Of a marked program: what Xen said, and during which operation. */
  readonly messages?: readonly { readonly operation: number; readonly text: string }[];
}

/** Words that a program takes in a request. */
export function requestWords({ code }: LabProgram): number {
  return PROGRAM_WORDS + code.length;
}

/** Most words of a request's programs. */
export const REQUEST_WORDS_MAX = REQUEST_BYTES / 4 - 1;

export function encodeBatch(programs: readonly LabProgram[]): Int32Array {
  const words = new Int32Array(programs.reduce((sum, program) => sum + requestWords(program), 1));
  words[0] = programs.length;
  let at = 1;
  for (const { machine, code, marked } of programs) {
    words[at] = code.length / RECORD;
    words[at + 1] =
      machine.frames |
      ((machine.vcpus - 1) << VCPUS_SHIFT) |
      (machine.writablePagetables ? FLAG_ASSIST : 0) |
      (machine.hardwareDomain ? 0 : FLAG_DOMAIN) |
      (marked ? FLAG_MARKED : 0);
    words.set(code, at + PROGRAM_WORDS);
    at += PROGRAM_WORDS + code.length;
  }
  return words;
}

/** Answers to the first programs of a batch: as many as the lab had room for. */
export function decodeBatch(
  words: Int32Array,
  programs: readonly LabProgram[],
  withCounts: boolean,
): LabAnswer[] {
  const reader = new AnswerReader(words, 2, withCounts);
  return programs.slice(0, words[0]).map(({ machine }) => reader.answer(machine));
}

class AnswerReader {
  constructor(
    private readonly words: Int32Array,
    private at: number,
    private readonly withCounts: boolean,
  ) {}

  answer(machine: Machine): LabAnswer {
    const { words } = this;
    const [status, operations, lost, records] = words.subarray(this.at, this.at + 4) as unknown as number[];
    this.at += 4;
    const results = words.slice(this.at, this.at + records!);
    this.at += records!;
    const stopped = STOPPED[status!] || undefined;
    const answer = { stopped, operations: operations!, results, lost: lost! };
    if (stopped === 'exhausted') return { ...answer, finals: [] };
    const countsAt = this.at;
    if (this.withCounts) this.at += machine.frames * COUNT_WORDS;
    const finals: FinalFrame[] = [];
    const counts: string[] = [];
    for (let i = 0; i <= machine.frames; i++) {
      const final = this.final(machine, i < machine.frames ? FIRST_FRAME_MFN + i : BOOT_MFN.B1);
      if (final) finals.push(final);
      if (this.withCounts && i < machine.frames) {
        const at = countsAt + i * COUNT_WORDS;
        counts.push(final ? countsIn(words, at) : countsOfGone(words[at]!));
      }
    }
    return { ...answer, finals, ...(this.withCounts && { counts }) };
  }

  /** What a `final` line says of the frame (docs/format.md), from its type word and all its entries. */
  private final(machine: Machine, mfn: number): FinalFrame | undefined {
    const { words } = this;
    const type = words[this.at++]!;
    const entries = words[this.at++]!;
    const level = (type >>> TYPE_SHIFT) & 7;
    const told: number[] = [];
    for (let i = 0; i < entries; i++, this.at += 3) {
      const slot = words[this.at]!;
      if (level === TYPE_L4 && slot >= XEN_L4_FIRST && slot <= XEN_L4_LAST) continue;
      if (hasName(mfnOf(words[this.at + 1]!, words[this.at + 2]!), machine)) told.push(this.at);
    }
    if (type === GONE) return undefined;
    return {
      mfn,
      level: level as Level | 0,
      pinned: (type & PINNED) !== 0,
      references: undefined,
      count: told.length,
      slots: Int32Array.from(told, (at) => words[at]!),
      low: Int32Array.from(told, (at) => words[at + 1]! & TOLD),
      high: Int32Array.from(told, (at) => words[at + 2]!),
    };
  }
}
