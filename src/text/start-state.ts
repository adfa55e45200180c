import { entryOf, type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { FRAME_LIMIT_MAX, XEN_MFN, type Arch, type Range, type StartState } from '../program/machine.js';
import { readSlotEntry, SlotSet, printEntry } from './entry.js';
import { FRAME_MAX, frameName, readFrame, type Naming } from './naming.js';
import { readLevel } from './operands.js';
import type { LineScanner } from './scanner.js';

const PLUS = 0x2b;

/** Where something stands in the text, for errors found when the start state is complete. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type RangeKind = 'ram' | 'io' | 'io_ro' | 'shared';

export interface PlacedRange extends Range, Place {
  readonly kind: RangeKind;
}

export interface PlacedEntry extends Place {
  readonly slot: number;
  readonly entry: Entry;
}

export interface PlacedTable extends Place {
  readonly level: Level;
  readonly mfn: number;
  readonly pinned: boolean;
  readonly entries: readonly PlacedEntry[];
}

/** The lines of a start state as they were read. */
export class StartLines {
  readonly ranges: PlacedRange[] = [];
  readonly tables: PlacedTable[] = [];
  base: ({ readonly mfn: number } & Place) | undefined;
  private readonly slots = new SlotSet();
  private readonly naming: Naming;

  constructor(private readonly arch: Arch) {
    this.naming = { arch, frames: 0 };
  }

  get topLevel(): Level {
    return this.arch === 'x86_64' ? 4 : 3;
  }

  /** `ram 0xS+0xN` and its like, after the word. */
  readRange(s: LineScanner, kind: RangeKind): void {
    s.field('frames as 0x1a2b+0x10');
    const at = s.pos;
    const column = s.columnOf(at);
    const mfn = readFrame(s, this.naming);
    if (!s.take(PLUS)) s.fail(s.pos, `${s.found()}, expected + and a number of frames`);
    const count = s.number('a number of frames', FRAME_MAX, 1);
    const limit = kind === 'ram' || kind === 'shared' ? FRAME_LIMIT_MAX : FRAME_MAX + 1;
    if (mfn + count > limit)
      s.fail(at, `${s.quoted(at)} goes too far, expected frames below 0x${limit.toString(16)}`);
    if (mfn <= XEN_MFN && mfn + count > XEN_MFN) {
      s.fail(
        at,
        `${s.quoted(at)} holds frame 0x${XEN_MFN.toString(16)}, which stands for Xen's own, expected frames without it`,
      );
    }
    s.finish();
    this.ranges.push({ kind, mfn, count, line: s.line, column });
  }

  /** `table Ln 0xM [pinned] [i]=ENTRY…`, after the word. */
  readTable(s: LineScanner): void {
    s.field(`L1 to L${this.topLevel}`);
    const level = readLevel(s, this.topLevel) as Level;
    s.field('a frame');
    const column = s.columnOf(s.pos);
    const mfn = readFrame(s, this.naming);
    const pinned = s.another() && s.word('pinned');
    const entries: PlacedEntry[] = [];
    this.slots.clear();
    while (s.another()) {
      const place = { line: s.line, column: s.columnOf(s.pos) };
      const slot = readSlotEntry(s, this.naming, this.slots);
      entries.push({ slot, entry: entryOf(s.low, s.high), ...place });
    }
    this.tables.push({ level, mfn, pinned, entries, line: s.line, column });
  }

  /** `base 0xM`, after the word. */
  readBase(s: LineScanner, start: number): void {
    if (this.base) s.fail(start, `base given twice, expected it once (line ${this.base.line} has it)`);
    s.field('a frame');
    const column = s.columnOf(s.pos);
    const mfn = readFrame(s, this.naming);
    s.finish();
    this.base = { mfn, line: s.line, column };
  }

  /** The start state that the lines give; they must have passed `checkStart`. */
  state(): StartState {
    const ranges = (kind: RangeKind) =>
      this.ranges.filter((range) => range.kind === kind).map(({ mfn, count }) => ({ mfn, count }));
    return {
      ram: ranges('ram'),
      io: ranges('io'),
      ioReadOnly: ranges('io_ro'),
      shared: ranges('shared'),
      tables: this.tables.map(({ level, mfn, pinned, entries }) => ({
        level,
        mfn,
        pinned,
        entries: entries.map(({ slot, entry }) => ({ slot, entry })),
      })),
      base: this.base!.mfn,
    };
  }
}

/** The lines of a start state: RAM first, other ranges by address, then tables and base. */
export function printStartState(start: StartState, arch: Arch): string[] {
  const naming = { arch, frames: 0 };
  const lines = start.ram.map((range) => rangeLine('ram', range));
  const rest: { kind: RangeKind; ranges: Range[] }[] = [
    { kind: 'io', ranges: [...start.io] },
    { kind: 'io_ro', ranges: [...start.ioReadOnly] },
    { kind: 'shared', ranges: [...start.shared] },
  ];
  // A merge, not a sort, so that reading the text again gives each list in its own order.
  for (;;) {
    const left = rest.filter(({ ranges }) => ranges.length > 0);
    if (left.length === 0) break;
    const next = left.reduce((a, b) => (b.ranges[0]!.mfn < a.ranges[0]!.mfn ? b : a));
    lines.push(rangeLine(next.kind, next.ranges.shift()!));
  }
  for (const { level, mfn, pinned, entries } of start.tables) {
    const fields = entries.map(({ slot, entry }) => ` [${slot}]=${printEntry(entry, naming)}`);
    lines.push(`table L${level} ${frameName(mfn, naming)}${pinned ? ' pinned' : ''}${fields.join('')}`);
  }
  lines.push(`base ${frameName(start.base, naming)}`);
  return lines;
}

function rangeLine(kind: RangeKind, { mfn, count }: Range): string {
  return `${kind} 0x${mfn.toString(16)}+0x${count.toString(16)}`;
}
