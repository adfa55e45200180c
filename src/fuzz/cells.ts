/**
 * What a run has met, finer than `outcomes.ts`: a cell is an operation, the level that it asks for or that the
 * table it writes to has, what the frame that it names was before, and its answer.
 *
 * Lists, multicalls and what names no frame have one row. Elements of lists are not counted: the state that each
 * of them meets is inside the hypercall. Held against the cells that long runs have met (`docs/cells.json`): most of what
 * operands and answers allow together no program can meet, so what is missing of it says little (`docs/cells.md`).
 */
import known from '../../docs/cells.json' with { type: 'json' };
import type { ModelState } from '../../models/model.js';
import type { OptimizedModel } from '../../models/optimized/model.js';
import { mfnOf, P } from '../../models/x86/entry.js';
import {
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PARTIAL,
  INFO_TYPE,
  isTable,
  OWNER_GUEST,
  TYPE_NAMES,
} from '../../models/x86/page-type.js';
import { codeOf, OK, RESULT_NAMES } from '../../models/x86/result.js';
import { takeStart } from '../program/alike.js';
import { type Arch, BOOT_MFN } from '../program/machine.js';
import * as op from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { windowOf } from '../shrink/names.js';

/** What the named frame was: none named, no frame of the guest's, partial, or its type. */
const MET = ['-', 'foreign', 'partial', 'none', 'L1', 'L2', 'L3', 'L4', 'seg_desc', 'writable'] as const;
export type Met = (typeof MET)[number];

/** What an operation's level is, and which frame it names. */
type Shape = readonly [level: 'none' | 'asked' | 'table' | 'L1', frame: 'none' | 'own' | 'entry'];

const SHAPES = new Map<number, Shape>([
  [op.OP_STORE, ['table', 'entry']],
  [op.OP_STORE_CACHED, ['table', 'entry']],
  [op.OP_STORE_FRAME, ['table', 'entry']],
  [op.OP_MMU_UPDATE, ['table', 'entry']],
  [op.OP_UPDATE_VA, ['L1', 'entry']],
  [op.OP_PIN, ['asked', 'own']],
  [op.OP_FILL, ['none', 'own']],
  [op.OP_MACHPHYS, ['none', 'own']],
  [op.OP_UNPIN, ['none', 'own']],
  [op.OP_NEW_BASEPTR, ['none', 'own']],
  [op.OP_NEW_USER_BASEPTR, ['none', 'own']],
  [op.OP_CLEAR_PAGE, ['none', 'own']],
  [op.OP_COPY_PAGE, ['none', 'own']],
  [op.OP_UPDATE_DESCRIPTOR, ['none', 'own']],
  [op.OP_WRITE_CR3, ['none', 'own']],
  [op.OP_RELEASE, ['none', 'own']],
  [op.OP_RECEIVE, ['none', 'own']],
  [op.OP_DECREASE_RESERVATION, ['none', 'own']],
  [op.OP_INITIALISE, ['none', 'own']],
]);
const NOTHING: Shape = ['none', 'none'];
const ADDRESSED = new Set([op.OP_STORE, op.OP_STORE_CACHED]);

const LEGEND =
  'Rows: the level asked for or written to (none for a frame that is no table); what the frame named was before.';
const LEVELS = 5;
const CODES = 256;

/** One row of the table: how often it was tried, and the answers. */
export interface Row {
  readonly operation: string;
  /** 0 for none. */
  readonly level: number;
  readonly met: Met;
  readonly tried: number;
  readonly accepted: number;
  /** Answers other than ok, by name. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface Coverage {
  readonly operation: string;
  /** Of the cells known. */
  readonly hit: number;
  /** How many are known. */
  readonly all: number;
  /** Known ones that were not hit: rows with answers. */
  readonly missing: readonly string[];
  /** Hit, but not known. */
  readonly surplus: readonly string[];
}

/** Answers by row by operation. */
type Known = Readonly<Record<string, Readonly<Record<string, string>>>>;

export class Cells {
  private readonly counts = new Float64Array(op.OPCODE_NAMES.length * LEVELS * MET.length * CODES);

  /** Programs are run once more on `model`. */
  constructor(
    private readonly model: OptimizedModel,
    private readonly arches: readonly Arch[],
  ) {}

  /** Counts the first `most` operations of the program; `see` is told the cell of each, by its index. */
  add({ machine, code }: Candidate, most = Infinity, see?: (cell: number, operation: number) => void): void {
    const { model } = this;
    takeStart(model, machine);
    const results = new Int32Array(code.length / op.RECORD);
    let operation = 0;
    try {
      for (let at = 0; at < code.length && operation < most; at += op.span(code, at) * op.RECORD) {
        const row = rowOf(model, code, at);
        model.run(code, at, results);
        const cell = this.cellOf(row, codeOf(results[at / op.RECORD]!));
        this.counts[cell]!++;
        see?.(cell, operation);
        operation++;
      }
    } catch {
      // A model with a defect may give up, which has been found and said; whatever state it is in, begin anew.
      model.start(machine);
    }
  }

  /** The row that the operation at `at` has in the model's present state. */
  rowAt(code: Int32Array, at: number): number {
    return rowOf(this.model, code, at);
  }

  /** The number of a cell, by its row and answer, for `count`. */
  cellOf(row: number, answer: number): number {
    return row * CODES + answer;
  }

  /** Counts a cell by its number. */
  count(cell: number): void {
    this.counts[cell]!++;
  }

  /** All counts that are not zero, each with its cell, for `merge`. */
  entries(): [cell: number, count: number][] {
    const entries: [number, number][] = [];
    this.counts.forEach((count, cell) => {
      if (count > 0) entries.push([cell, count]);
    });
    return entries;
  }

  /** Adds what another one has counted. */
  merge(entries: readonly (readonly [cell: number, count: number])[]): void {
    for (const [cell, count] of entries) this.counts[cell]! += count;
  }

  /** All rows that were tried. */
  rows(): Row[] {
    return op.OPCODE_NAMES.flatMap((_, opcode) => this.rowsOf(opcode));
  }

  /** The table in text, with what was never met. */
  table(): string {
    return op.OPCODE_NAMES.map((name, opcode) => (name === '' ? '' : this.section(name, opcode)))
      .filter((section) => section !== '')
      .toSpliced(0, 0, LEGEND)
      .join('\n');
  }

  /** Of all rows that were tried: the answers that the operation gave in another row but never in this one. */
  unreached(): string[] {
    return op.OPCODE_NAMES.flatMap((name, opcode) => {
      const rows = this.rowsOf(opcode);
      const answers = [...new Set(rows.flatMap(answersIn))];
      return rows.flatMap((row) => {
        const missing = answers.filter((answer) => !answersIn(row).includes(answer));
        return missing.length === 0 ? [] : [`${name} ${labelOf(row)}: ${missing.join(', ')}`];
      });
    });
  }

  /** Of each operation: cells that were hit, of those known. */
  coverage(): Coverage[] {
    return op.OPCODE_NAMES.flatMap((name, opcode) => (name === '' ? [] : [this.coverageOf(name, opcode)]));
  }

  private coverageOf(operation: string, opcode: number): Coverage {
    const met = new Map(this.rowsOf(opcode).map((row) => [labelOf(row), new Set(answersIn(row))]));
    const knownRows = this.knownOf(operation);
    const missing = lacking(knownRows, met);
    const all = sizeOf(knownRows);
    const hit = all - missing.reduce((sum, [, answers]) => sum + answers.length, 0);
    const texts = (rows: Lacking) => rows.map(([row, answers]) => `${row}: ${answers.join(', ')}`);
    return { operation, hit, all, missing: texts(missing), surplus: texts(lacking(met, knownRows)) };
  }

  /** The answers known, by row, on any of the architectures. */
  private knownOf(operation: string): Map<string, Set<string>> {
    const rows = new Map<string, Set<string>>();
    for (const arch of this.arches)
      for (const [row, answers] of Object.entries((known[arch] as Known)[operation] ?? {}))
        rows.set(row, new Set([...(rows.get(row) ?? []), ...answers.split(' ')]));
    return rows;
  }

  private section(name: string, opcode: number): string {
    const { hit, all, missing, surplus } = this.coverageOf(name, opcode);
    return [
      `${name}: ${hit} of ${all} known cells hit`,
      ...this.rowsOf(opcode).map(rowText),
      ...(hit > 0 && missing.length > 0 ? [`  never hit: ${missing.join('; ')}`] : []),
      ...(surplus.length > 0 ? [`  hit, and not known before: ${surplus.join('; ')}`] : []),
    ].join('\n');
  }

  private rowsOf(opcode: number): Row[] {
    const rows: Row[] = [];
    for (let level = 0; level < LEVELS; level++) {
      for (const [type, met] of MET.entries()) {
        const from = rowNumber(opcode, level, type) * CODES;
        const answers = [...RESULT_NAMES]
          .map(([code, name]) => ({ code, name, count: this.counts[from + code]! }))
          .filter(({ count }) => count > 0);
        if (answers.length === 0) continue;
        const refused = answers.filter(({ code }) => code !== OK).map(({ name, count }) => [name, count]);
        rows.push({
          operation: op.OPCODE_NAMES[opcode]!,
          level,
          met,
          tried: answers.reduce((sum, { count }) => sum + count, 0),
          accepted: this.counts[from + OK]!,
          refused: Object.fromEntries(refused) as Row['refused'],
        });
      }
    }
    return rows;
  }
}

/** Whether a program text can say it: a `fill` has no answer there, which stands for ok (docs/format.md). */
export function isTellable(cell: number): boolean {
  const opcode = Math.floor(cell / CODES / MET.length / LEVELS);
  return opcode !== op.OP_FILL || cell % CODES === OK;
}

/** A cell in words: operation, row, answer. */
export function cellText(cell: number): string {
  const row = Math.floor(cell / CODES);
  const met = MET[row % MET.length]!;
  const level = Math.floor(row / MET.length) % LEVELS;
  const operation = op.OPCODE_NAMES[Math.floor(row / MET.length / LEVELS)]!;
  return `${operation} ${labelOf({ level, met })}: ${RESULT_NAMES.get(cell % CODES)}`;
}

/** A row's name within its operation. */
export function labelOf({ level, met }: { level: number; met: Met }): string {
  return level === 0 ? met : `L${level} ${met}`;
}

type Lacking = [row: string, answers: string[]][];

/** What of the one the other does not have. */
function lacking(one: Map<string, Set<string>>, other: Map<string, Set<string>>): Lacking {
  return [...one]
    .map(([row, answers]): Lacking[number] => [
      row,
      [...answers].filter((answer) => other.get(row)?.has(answer) !== true),
    ])
    .filter(([, answers]) => answers.length > 0);
}

function sizeOf(rows: Map<string, Set<string>>): number {
  return [...rows.values()].reduce((sum, answers) => sum + answers.size, 0);
}

function rowText(row: Row): string {
  const { tried, accepted, refused } = row;
  const reasons = Object.entries(refused).map(([name, count]) => `  ${name} ${count}`);
  return `  ${labelOf(row).padEnd(12)} tried ${tried}  ok ${accepted}${reasons.join('')}`;
}

/** The answers that the row has had. */
export function answersIn({ accepted, refused }: Row): string[] {
  return [...(accepted > 0 ? ['ok'] : []), ...Object.keys(refused)];
}

function rowNumber(opcode: number, level: number, type: number): number {
  return (opcode * LEVELS + level) * MET.length + type;
}

/** The row of the operation at `at`, in the state before it. */
function rowOf(state: ModelState, code: Int32Array, at: number): number {
  const word = code[at + op.W_OPCODE]!;
  const opcode = word & 0xff;
  const [level, frame] = SHAPES.get(opcode) ?? NOTHING;
  return rowNumber(opcode, levelOf(), frame === 'none' ? 0 : frame === 'own' ? metAt(own()) : entryMet());

  function own(): number {
    return code[at + op.W_FRAME]! >>> 0;
  }

  function levelOf(): number {
    if (level === 'none') return 0;
    if (level === 'L1') return 1;
    if (level === 'asked') return (word >> op.VARIANT_SHIFT) & op.VARIANT_MASK;
    const table = ADDRESSED.has(opcode) ? mappedFrame(state, code, at) : own();
    const type = state.typeCount(table) > 0 ? state.info(table) & INFO_TYPE : 0;
    return isTable(type) ? type : 0;
  }

  function entryMet(): number {
    const low = code[at + op.W_LOW]!;
    return low & P ? metAt(mfnOf(low, code[at + op.W_HIGH]!)) : 0;
  }

  function metAt(mfn: number): number {
    return MET.indexOf(metOf(state, mfn));
  }
}

function metOf(state: ModelState, mfn: number): Met {
  const info = mfn < state.frameLimit ? state.info(mfn) : 0;
  if ((info & INFO_OWNER) >> INFO_OWNER_SHIFT !== OWNER_GUEST) return 'foreign';
  if (info & INFO_PARTIAL) return 'partial';
  const type = state.typeCount(mfn) > 0 ? TYPE_NAMES[info & INFO_TYPE]! : 'none';
  return MET.find((met) => met === type) ?? 'none';
}

/** The frame behind the window that a store goes through, as the boot pagetable has it; 0 for other addresses. */
function mappedFrame(state: ModelState, code: Int32Array, at: number): number {
  const va = { low: code[at + op.W_FRAME]!, high: code[at + op.W_SLOT]! };
  const window = windowOf(va, state.machine.arch);
  if (window < 0 || state.machine.frames === 0) return 0;
  const low = state.low(BOOT_MFN.B1, window);
  return low & P ? mfnOf(low, state.high(BOOT_MFN.B1, window)) : 0;
}
