/** What the domain builder leaves behind: an initial mapping, its tables, and which of them is loaded. */
import { A, D, GUEST_KERNEL, P, RW, US, entry } from '../x86/entry.js';
import type { Level } from '../x86/page-type.js';
import { DEFAULT_PAE_XEN_SLOT, type Machine, type StartTable } from '../../src/program/machine.js';
import {
  contains,
  L3_KERNEL,
  L4_KERNEL,
  L4_P2M,
  PAE_KERNEL,
  ISA_MFN,
  SHARED_MFN,
  type Layout,
} from './layout.js';

/** The builder's tables by level, as pfns. */
export interface BuilderTables {
  readonly root: number;
  /** 64-bit: the L3; of a list outside the kernel map, its L3, L2 and L1. */
  readonly l3: number;
  readonly l2: number;
  readonly l1: readonly number[];
  readonly p2m: readonly number[];
}

const TABLE = P | RW | US | A | D;

/**
 * Their places: the toolstack has them in the order root, L3, L2, L1…; Xen, for dom0, has the first L1 before
 * the L3 and L2 (the comment at xen_setup_kernel_pagetable's end).
 */
export function builderTables(layout: Layout): BuilderTables {
  const { machine, ptBase, ptCount, p2mTables, initialEnd } = layout;
  const count = initialEnd / machine.ptes;
  const pfns = Array.from({ length: ptCount }, (_, i) => ptBase + i);
  const p2m = Array.from({ length: p2mTables.count }, (_, i) => p2mTables.mfn + i);
  if (machine.arch === 'x86_32')
    return { root: pfns[0]!, l3: pfns[0]!, l2: pfns[1]!, l1: pfns.slice(2, 2 + count), p2m };
  const first = machine.dom0 ? [3, 2] : [1, 2];
  const l1 = machine.dom0 ? [pfns[1]!, ...pfns.slice(4, 3 + count)] : pfns.slice(3, 3 + count);
  return { root: pfns[0]!, l3: pfns[first[0]!]!, l2: pfns[first[1]!]!, l1, p2m };
}

export function startMachine(layout: Layout): Machine {
  const { machine, memory } = layout;
  return {
    arch: machine.arch,
    hardwareDomain: machine.dom0 === 1,
    writablePagetables: true,
    paeXenSlot: DEFAULT_PAE_XEN_SLOT,
    debugBuild: false,
    quirks: 'intended',
    vcpus: machine.cpus,
    linear: true,
    frames: 0,
    start: {
      ram: [memory],
      io: [{ mfn: ISA_MFN, count: 0x60 }],
      ioReadOnly: [],
      shared: [{ mfn: SHARED_MFN, count: 1 }],
      tables: startTables(layout),
      base: layout.mfn(layout.ptBase),
    },
  };
}

function startTables(layout: Layout): StartTable[] {
  const { machine, ptBase, ptCount, p2mTables } = layout;
  const { root, l3, l2, l1, p2m } = builderTables(layout);
  const isTable = (pfn: number) => contains({ mfn: ptBase, count: ptCount }, pfn) || contains(p2mTables, pfn);
  // As Xen has adjusted them (rules 2.2).
  const user = machine.arch === 'x86_64' ? US | GUEST_KERNEL : 0;
  const leaf = (pfn: number) => entry(layout.mfn(pfn), P | A | D | user | (isTable(pfn) ? 0 : RW));
  const named = (pfn: number) => entry(layout.mfn(pfn), TABLE);
  const table = (level: Level, pfn: number, entries: StartTable['entries']): StartTable => ({
    level,
    mfn: layout.mfn(pfn),
    pinned: pfn === root,
    entries,
  });
  const leaves = l1.map((pfn, i) =>
    table(
      1,
      pfn,
      Array.from({ length: machine.ptes }, (_, slot) => ({ slot, entry: leaf(i * machine.ptes + slot) })),
    ),
  );
  const kernel = table(
    2,
    l2,
    l1.map((pfn, slot) => ({ slot, entry: named(pfn) })),
  );
  if (machine.arch === 'x86_32')
    return [...leaves, kernel, table(3, root, [{ slot: PAE_KERNEL, entry: named(l2) }])];
  const [p3, p2, p1] = p2m;
  const list =
    p1 === undefined
      ? []
      : [
          table(
            1,
            p1,
            Array.from({ length: layout.p2m.count }, (_, slot) => ({
              slot,
              entry: leaf(layout.p2m.mfn + slot),
            })),
          ),
          table(2, p2!, [{ slot: 0, entry: named(p1) }]),
          table(3, p3!, [{ slot: 0, entry: named(p2!) }]),
        ];
  return [
    ...leaves,
    kernel,
    table(3, l3, [{ slot: L3_KERNEL, entry: named(l2) }]),
    ...list,
    table(4, root, [
      ...(p3 === undefined ? [] : [{ slot: L4_P2M, entry: named(p3) }]),
      { slot: L4_KERNEL, entry: named(l3) },
    ]),
  ];
}
