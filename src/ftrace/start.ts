/**
 * The start state of an imported program. A trace begins in the middle of a guest's life, so that the tables before it are inferred:
 * what is used as a table before the trace shows that it became one, was one. Who named it is not known; a pin stands for that.
 */
import { A, D, GUEST_KERNEL, P, RW, US, entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { DEFAULT_PAE_XEN_SLOT, type Machine, type Range, type StartTable } from '../program/machine.js';
import { FRAME_MAX } from '../text/naming.js';
import type { Addresses } from './addresses.js';
import type { Frames } from './frames.js';
import { entryOfRaw } from './frames.js';
import type { GuestRequest, Step } from './steps.js';

const TABLE = P | RW | US | A | D;

/** Pages that are tables when the trace begins, with their levels. */
export function startTables(steps: readonly Step[], rootLevel: Level): Map<number, Level> {
  const tables = new Map<number, Level>();
  /** Pages that are known to be something else when they are first seen. */
  const plain = new Set<number>();
  /** Pages whose entries are set, which in an L1 is a hypercall whether or not it is in use. */
  const written = new Set<number>();
  const isTable = (pfn: number, level: Level) => {
    if (!plain.has(pfn) && !tables.has(pfn)) tables.set(pfn, level);
  };
  const isPlain = (pfn: number) => {
    if (!tables.has(pfn)) plain.add(pfn);
  };
  const levels = levelsOf(steps);
  const request = (one: GuestRequest) => {
    switch (one.kind) {
      case 'update_va':
        if (one.raw & BigInt(RW)) isTable(one.pfn, one.level || levels.get(one.pfn) || 1);
        else isPlain(one.pfn);
        break;
      case 'mmu_update':
        if (one.level === 1) written.add(one.pfn);
        else isTable(one.pfn, one.level);
        break;
      case 'pin':
        isPlain(one.pfn);
        break;
      case 'unpin':
        if (one.pfn >= 0) isTable(one.pfn, one.level);
        break;
      case 'new_baseptr':
      case 'new_user_baseptr':
        if (one.pfn !== 0) isTable(one.pfn, rootLevel);
        break;
    }
  };
  for (const { what } of steps) {
    if (what.kind === 'calls') for (const call of what.calls) for (const one of call) request(one);
    else if (what.kind === 'store') isPlain(what.pfn);
    else if (what.kind !== 'root' && !what.pinned) isPlain(what.pfn);
  }
  for (const pfn of written) isTable(pfn, 1);
  return tables;
}

/** Levels by what is written to a table or said of it, which is surer than its place in a walk. */
function levelsOf(steps: readonly Step[]): Map<number, Level> {
  const levels = new Map<number, Level>();
  const add = (pfn: number, level: Level) => {
    if (!levels.has(pfn)) levels.set(pfn, level);
  };
  for (const { what } of steps) {
    if (what.kind === 'calls') {
      for (const call of what.calls)
        for (const one of call) if (one.kind === 'mmu_update') add(one.pfn, one.level);
    } else if (what.kind !== 'root') add(what.pfn, what.level);
  }
  return levels;
}

/** The kernel's half of every address space, as far as the trace needs it: the direct map of pages that become tables. */
export class KernelHalf {
  /** By 2 MiB of the direct map: the L1 and its entries, by slot. */
  private readonly l1 = new Map<bigint, { mfn: number; pages: Map<number, number> }>();
  private readonly l2 = new Map<bigint, { mfn: number; slots: Map<number, number> }>();
  private readonly l3 = new Map<bigint, { mfn: number; slots: Map<number, number> }>();

  constructor(
    private readonly addresses: Addresses,
    private readonly frames: Frames,
  ) {}

  /** Maps the page where the direct map has it. */
  add(pfn: number): void {
    const va = this.addresses.of(pfn);
    const mfn = this.frames.of(pfn);
    const l1 = this.below(this.l1, va >> 21n, () => ({ mfn: this.frames.fresh(), pages: new Map() }));
    l1.pages.set(slot(va, 12n), mfn);
    const table = () => ({ mfn: this.frames.fresh(), slots: new Map<number, number>() });
    if (this.addresses.arch === 'x86_32') {
      this.below(this.l2, 0n, () => ({ mfn: 0, slots: new Map() })).slots.set(slot(va, 21n), l1.mfn);
      return;
    }
    const l2 = this.below(this.l2, va >> 30n, table);
    l2.slots.set(slot(va, 21n), l1.mfn);
    const l3 = this.below(this.l3, va >> 39n, table);
    l3.slots.set(slot(va, 30n), l2.mfn);
  }

  private below<T>(map: Map<bigint, T>, key: bigint, make: () => T): T {
    let found = map.get(key);
    if (found === undefined) map.set(key, (found = make()));
    return found;
  }

  /** Entries of the kernel's part in a root; on 32-bit, in the L2 that entry 3 of a root names. */
  links(): StartTable['entries'] {
    if (this.addresses.arch === 'x86_32') return entries(this.l2.get(0n)?.slots ?? new Map());
    return entries(new Map([...this.l3].map(([key, { mfn }]) => [Number(key & 511n), mfn])));
  }

  tables(isTable: (mfn: number) => boolean): StartTable[] {
    const user = this.addresses.arch === 'x86_64' ? US | GUEST_KERNEL : 0;
    const leaf = (mfn: number) => entry(mfn, P | A | D | user | (isTable(mfn) ? 0 : RW));
    const table = (level: Level, mfn: number, found: StartTable['entries']): StartTable => ({
      level,
      mfn,
      // Nobody takes the kernel's tables away.
      pinned: true,
      entries: found,
    });
    const upper = (level: Level, map: KernelHalf['l2']) =>
      [...map.values()].map(({ mfn, slots }) => table(level, mfn, entries(slots)));
    return [
      ...[...this.l1.values()].map(({ mfn, pages }) =>
        table(
          1,
          mfn,
          [...pages].sort(([a], [b]) => a - b).map(([at, page]) => ({ slot: at, entry: leaf(page) })),
        ),
      ),
      ...(this.addresses.arch === 'x86_64' ? [...upper(2, this.l2), ...upper(3, this.l3)] : []),
    ];
  }
}

function slot(va: bigint, shift: bigint): number {
  return Number((va >> shift) & 511n);
}

function entries(slots: ReadonlyMap<number, number>): StartTable['entries'] {
  return [...slots].sort(([a], [b]) => a - b).map(([at, mfn]) => ({ slot: at, entry: entry(mfn, TABLE) }));
}

/** The machine on which the steps run, and the kernel's half that its roots have. */
export function startMachine(
  steps: readonly Step[],
  tables: ReadonlyMap<number, Level>,
  frames: Frames,
  kernel: KernelHalf,
  { arch }: Addresses,
  vcpus: number,
): Machine {
  for (const { what } of steps) {
    if (what.kind === 'calls') for (const one of what.calls.flat()) declare(one, frames, kernel);
    else if (what.kind === 'store') {
      frames.of(what.pfn);
      frames.entry(what.raw);
    } else frames.of(what.pfn);
  }
  const root = frames.fresh();
  const own = [...tables].map(([pfn, level]) => [frames.of(pfn), level] as const);
  const levels = new Map(own);
  // The L2 in entry 3 of a 32-bit root is that root's alone.
  const start: StartTable[] = kernel.tables((mfn) => levels.has(mfn));
  const links = kernel.links();
  const rootTable = (mfn: number) => {
    let found = links;
    if (arch === 'x86_32') {
      const l2 = frames.fresh();
      start.push({ level: 2, mfn: l2, pinned: false, entries: links });
      found = [{ slot: 3, entry: entry(l2, TABLE) }];
    }
    start.push({ level: arch === 'x86_64' ? 4 : 3, mfn, pinned: true, entries: found });
  };
  for (const [mfn, level] of own) {
    if (level === (arch === 'x86_64' ? 4 : 3)) rootTable(mfn);
    else start.push({ level, mfn, pinned: true, entries: [] });
  }
  rootTable(root);
  // Numbers beyond what a range can hold are I/O without being declared.
  const io = frames.io.filter((mfn) => mfn <= FRAME_MAX);
  return {
    arch,
    hardwareDomain: io.length > 0,
    writablePagetables: true,
    paeXenSlot: DEFAULT_PAE_XEN_SLOT,
    debugBuild: false,
    quirks: 'intended',
    vcpus,
    linear: true,
    frames: 0,
    start: {
      ram: ranges(frames.ram),
      io: ranges(io),
      ioReadOnly: [],
      shared: [],
      tables: start,
      base: root,
    },
  };
}

/** Names the frames of a request. */
function declare(one: GuestRequest, frames: Frames, kernel: KernelHalf): void {
  if (one.kind === 'mmuext') return;
  if (one.pfn >= 0 && !(one.kind.startsWith('new_') && one.pfn === 0)) frames.of(one.pfn);
  if (one.kind === 'update_va') kernel.add(one.pfn);
  if ((one.kind === 'update_va' || one.kind === 'mmu_update') && entryOfRaw(one.raw).flags & P)
    frames.entry(one.raw);
}

function ranges(numbers: Iterable<number>): Range[] {
  const found: { mfn: number; count: number }[] = [];
  for (const mfn of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && last.mfn + last.count === mfn) last.count++;
    else found.push({ mfn, count: 1 });
  }
  return found;
}
