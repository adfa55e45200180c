import { P, PSE, RW, type Entry } from '../../models/x86/entry.js';
import type { MachineOptions, Range } from '../program/machine.js';
import { TextError } from './error.js';
import type { Place, PlacedEntry, PlacedRange, PlacedTable, StartLines } from './start-state.js';

/** Slots of an L4 that Xen fills. */
const XEN_L4_FIRST = 256;
const XEN_L4_LAST = 271;
/** Entries of a PAE L3; the rest of its page means nothing. */
const PAE_L3_ENTRIES = 4;
/** The entry of a PAE L3 whose L2 holds Xen's own slots. */
const PAE_XEN_ENTRY = 3;

/**
 * Refuses a start state that no guest can be in, as far as models rely on it: every table is in RAM and used,
 * every present entry of an upper table names a table of the level below, and no L1 entry makes a table writable.
 * `machine` is the place of the machine line.
 */
export function checkStart(lines: StartLines, options: MachineOptions, file: string, machine: Place): void {
  new StartCheck(lines, options, file).run(machine);
}

class StartCheck {
  private readonly tables = new Map<number, PlacedTable>();
  /** How often a table is pinned, the base or named by an upper table. */
  private readonly uses = new Map<number, number>();

  constructor(
    private readonly lines: StartLines,
    private readonly options: MachineOptions,
    private readonly file: string,
  ) {}

  run(machine: Place): void {
    const { base } = this.lines;
    this.checkRanges();
    for (const table of this.lines.tables) this.addTable(table);
    if (!base) {
      const none = this.lines.ranges.length + this.lines.tables.length === 0;
      return this.fail(
        machine,
        none
          ? 'no start state, expected frames=N here or lines ram, table and base'
          : 'no base pointer, expected a line base',
      );
    }
    if (this.tables.get(base.mfn)?.level !== this.lines.topLevel) {
      this.fail(
        base,
        `base ${hex(base.mfn)} is no declared table of level ${this.lines.topLevel}, expected one`,
      );
    }
    this.use(base.mfn);
    for (const table of this.lines.tables) for (const entry of table.entries) this.checkEntry(table, entry);
    for (const table of this.lines.tables) {
      if (table.pinned) this.use(table.mfn);
      if (this.uses.has(table.mfn)) continue;
      this.fail(
        table,
        `table ${hex(table.mfn)} is not in use, expected it to be pinned, the base or named by an upper table`,
      );
    }
    if (this.options.arch === 'x86_64') return;
    for (const table of this.lines.tables) if (table.level === 3) this.checkPae(table);
  }

  private use(mfn: number): void {
    this.uses.set(mfn, (this.uses.get(mfn) ?? 0) + 1);
  }

  /** The L2 in slot 3 of a PAE L3 has that one use only, and Xen's slots in it are Xen's. */
  private checkPae(table: PlacedTable): void {
    const placed = table.entries.find(({ slot, entry }) => slot === PAE_XEN_ENTRY && entry.flags & P);
    if (!placed) return this.fail(table, `L3 ${hex(table.mfn)} has no entry [3], expected it to name an L2`);
    const child = this.tables.get(placed.entry.mfn)!;
    if (this.uses.get(child.mfn) !== 1) {
      this.fail(placed, `L2 ${hex(child.mfn)} has other uses too, expected none besides [3] of one L3`);
    }
    const { paeXenSlot } = this.options;
    const xens = child.entries.find(({ slot }) => slot >= paeXenSlot);
    if (xens) {
      this.fail(
        xens,
        `slot ${xens.slot} of the L2 in [3] of an L3 is Xen's, expected slots below ${paeXenSlot}`,
      );
    }
  }

  private fail(place: Place, reason: string): never {
    throw new TextError(this.file, place.line, place.column, reason);
  }

  private checkRanges(): void {
    const sorted = [...this.lines.ranges].sort((a, b) => a.mfn - b.mfn);
    let before: PlacedRange | undefined;
    for (const range of sorted) {
      if (before && before.mfn + before.count > range.mfn) this.overlap(before, range);
      if (!before || before.mfn + before.count < range.mfn + range.count) before = range;
    }
  }

  private overlap(a: PlacedRange, b: PlacedRange): never {
    const [first, second] = a.line < b.line ? [a, b] : [b, a];
    return this.fail(
      second,
      `${run(second)} overlaps ${first.kind} ${run(first)} in line ${first.line}, expected ranges without a common frame`,
    );
  }

  private addTable(table: PlacedTable): void {
    const other = this.tables.get(table.mfn);
    if (other)
      this.fail(table, `table ${hex(table.mfn)} given twice, expected it once (line ${other.line} has it)`);
    const inRam = this.lines.ranges.some(
      ({ kind, mfn, count }) => kind === 'ram' && table.mfn >= mfn && table.mfn < mfn + count,
    );
    if (!inRam)
      this.fail(table, `table ${hex(table.mfn)} is in no ram range, expected a frame that the guest owns`);
    this.tables.set(table.mfn, table);
  }

  private checkEntry(table: PlacedTable, placed: PlacedEntry): void {
    const { slot, entry } = placed;
    if (table.level === 4 && slot >= XEN_L4_FIRST && slot <= XEN_L4_LAST) {
      this.fail(
        placed,
        `slot ${slot} of an L4 is Xen's, expected slots other than ${XEN_L4_FIRST} to ${XEN_L4_LAST}`,
      );
    }
    if ((entry.flags & P) === 0) return;
    if (table.level === 1) this.checkLeaf(placed);
    else if (this.options.arch === 'x86_64' || table.level !== 3 || slot < PAE_L3_ENTRIES)
      this.checkUpper(table, placed);
  }

  private checkLeaf(placed: PlacedEntry): void {
    const { mfn, flags } = placed.entry;
    const mapped = this.tables.get(mfn);
    if (mapped && flags & RW) {
      this.fail(
        placed,
        `the entry makes table ${hex(mfn)} (line ${mapped.line}) writable, expected it without RW`,
      );
    }
  }

  private checkUpper(table: PlacedTable, placed: PlacedEntry): void {
    const { mfn, flags } = placed.entry;
    if (flags & PSE)
      this.fail(
        placed,
        `PSE in an entry of an L${table.level}, expected one that names an L${table.level - 1}`,
      );
    if (mfn === table.mfn && this.isLinear(table, placed.entry)) return;
    if (this.tables.get(mfn)?.level !== table.level - 1) {
      this.fail(
        placed,
        `${hex(mfn)} is no declared L${table.level - 1}, expected an entry of an L${table.level} to name one`,
      );
    }
    this.use(mfn);
  }

  /** Whether the entry, which names its own table, is a linear entry that Xen accepts. */
  private isLinear(table: PlacedTable, entry: Entry): boolean {
    const { arch, linear } = this.options;
    return linear && (entry.flags & RW) === 0 && !(arch === 'x86_32' && table.level === 3);
  }
}

function hex(mfn: number): string {
  return `0x${mfn.toString(16)}`;
}

function run({ mfn, count }: Range): string {
  return `${hex(mfn)}+${hex(count)}`;
}
