import { entry, P, PCD, RW, US } from '../../models/x86/entry.js';
import {
  DEFAULT_PAE_XEN_SLOT,
  MAX_FRAMES,
  MAX_VCPUS,
  standardMachine,
  XEN_MFN,
  type Arch,
  type Machine,
  type MachineOptions,
  type Range,
  type StartTable,
} from '../program/machine.js';
import { fc } from './index.js';

/** Every combination of a machine's options; `paeXenSlot` keeps its default on x86_64. */
export function machineOptions(): fc.Arbitrary<MachineOptions> {
  return fc
    .record({
      arch: fc.constantFrom<Arch>('x86_64', 'x86_32'),
      hardwareDomain: fc.boolean(),
      writablePagetables: fc.boolean(),
      paeXenSlot: fc.oneof(fc.constant(DEFAULT_PAE_XEN_SLOT), fc.integer({ min: 4, max: 511 })),
      debugBuild: fc.boolean(),
      quirks: fc.constantFrom('shipped', 'intended'),
      vcpus: fc.integer({ min: 1, max: MAX_VCPUS }),
      linear: fc.boolean(),
    })
    .map((options) =>
      options.arch === 'x86_64' ? { ...options, paeXenSlot: DEFAULT_PAE_XEN_SLOT } : options,
    );
}

/** Machines in the standard layout. */
export function standardMachines(): fc.Arbitrary<Machine> {
  return fc
    .tuple(
      machineOptions(),
      fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: MAX_FRAMES })),
    )
    .map(([options, frames]) => standardMachine(options, frames));
}

/** Machines whose start state is spelled out: one branch of tables, and ranges of every kind. */
export function spelledOutMachines(): fc.Arbitrary<Machine> {
  const ranges = fc.array(
    fc.record({
      kind: fc.constantFrom('ram', 'io', 'ioReadOnly', 'shared'),
      gap: fc.integer({ min: 0, max: 9 }),
      count: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 8 },
  );
  const slots = fc.uniqueArray(fc.integer({ min: 0, max: 511 }), { maxLength: 5 });
  return fc
    .tuple(machineOptions(), fc.integer({ min: XEN_MFN + 1, max: 2 ** 20 }), ranges, slots)
    .map(([options, first, more, leafSlots]): Machine => ({
      ...options,
      frames: 0,
      start: {
        ...placed(first, more),
        tables: options.arch === 'x86_64' ? tables64(first, leafSlots) : tables32(first, leafSlots),
        base: first,
      },
    }));
}

const TABLES = 16;
type Kind = 'ram' | 'io' | 'ioReadOnly' | 'shared';

/** RAM for the tables at `first`, then the ranges one after the other. */
function placed(first: number, ranges: readonly { kind: Kind; gap: number; count: number }[]) {
  const lists: Record<Kind, Range[]> = {
    ram: [{ mfn: first, count: TABLES }],
    io: [],
    ioReadOnly: [],
    shared: [],
  };
  let mfn = first + TABLES;
  for (const { kind, gap, count } of ranges) {
    mfn += gap;
    lists[kind].push({ mfn, count });
    mfn += count;
  }
  return lists;
}

function leaf(mfn: number, child: number, slots: readonly number[]): StartTable {
  const flags = [P | US, P, P | RW | PCD];
  // A writable entry maps a frame beyond the tables.
  const entries = slots.map((slot, i) => ({
    slot,
    entry: entry(i % 3 === 2 ? child + TABLES : child, flags[i % 3]!),
  }));
  return { level: 1, mfn, pinned: slots.length % 2 === 0, entries };
}

const UPPER = P | RW | US;

function tables64(first: number, slots: readonly number[]): StartTable[] {
  return [
    { level: 4, mfn: first, pinned: true, entries: [{ slot: 511, entry: entry(first + 1, UPPER) }] },
    { level: 3, mfn: first + 1, pinned: false, entries: [{ slot: 510, entry: entry(first + 2, UPPER) }] },
    { level: 2, mfn: first + 2, pinned: false, entries: [{ slot: 1, entry: entry(first + 3, UPPER) }] },
    leaf(first + 3, first, slots),
  ];
}

function tables32(first: number, slots: readonly number[]): StartTable[] {
  return [
    { level: 3, mfn: first, pinned: true, entries: [{ slot: 3, entry: entry(first + 1, UPPER) }] },
    { level: 2, mfn: first + 1, pinned: false, entries: [{ slot: 1, entry: entry(first + 2, UPPER) }] },
    leaf(first + 2, first, slots),
  ];
}
