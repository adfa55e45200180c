/** Bugs that are plain conditions on a program's operations, and long random programs that hold one somewhere. */
import { P, PSE, RW, entry, type Entry } from '../../models/x86/entry.js';
import type { Failure } from '../../src/lockstep/lockstep.js';
import { FIRST_FRAME_MFN, WINDOW_0, type Machine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode } from '../../src/program/codec.js';
import { operationStarts } from '../../src/program/record.js';
import { stream } from '../../src/generate/streams.js';
import type { Draw } from '../../src/generate/draw.js';
import { pick } from '../../src/generate/draw.js';
import type { Candidate } from '../../src/program/candidate.js';
import { candidateOf } from '../../src/shrink/draft.js';
import { machineOf } from '../properties/fake-state.js';
import { RandomOperations } from '../properties/random-operations.js';

export interface Bug {
  readonly name: string;
  /** Index of the operation at which the program fails, -1 if it does not. */
  fails(operations: readonly Operation[]): number;
  /** Operations that fail, on frames and slots of the draw's choice. */
  example(draw: Draw): Operation[];
  /** What every program with this bug shrinks to. */
  readonly smallest: readonly Operation[];
}

export const F = (index: number) => FIRST_FRAME_MFN + index;

export function updateVa(window: number, e: Entry): Operation {
  const { low, high } = WINDOW_0.x86_64;
  const va = { low: low + (window << 12), high };
  return { kind: 'update_va', va, entry: e, flush: 'none', badBitmap: false, fd: 'self' };
}

export function update(mfn: number, slot: number, e: Entry): Operation {
  return { kind: 'mmu_update', command: 'normal', mfn, slot, entry: e };
}

const PLAIN_LIST = { fd: 'self', badList: false } as const;
const frame = (draw: Draw) => F(draw.below(8));

/** An update of an entry by mmu_update, by itself or in a list. */
function updates(operation: Operation) {
  const items = operation.kind === 'mmu_update_list' ? operation.items : [operation];
  return items.filter((item) => item.kind === 'mmu_update');
}

export const BUGS: readonly Bug[] = [
  {
    name: 'a pinned L1 table is mapped writable',
    fails(operations) {
      const pinned = new Set<number>();
      return operations.findIndex((operation) => {
        if (operation.kind === 'pin' && operation.level === 1) pinned.add(operation.mfn);
        if (operation.kind === 'unpin') pinned.delete(operation.mfn);
        if (operation.kind !== 'update_va') return false;
        return (operation.entry.flags & RW) !== 0 && pinned.has(operation.entry.mfn);
      });
    },
    example(draw) {
      const mfn = frame(draw);
      return [{ kind: 'pin', level: 1, mfn }, updateVa(draw.below(12), entry(mfn, P | RW | PSE))];
    },
    smallest: [{ kind: 'pin', level: 1, mfn: F(0) }, updateVa(0, entry(F(0), RW))],
  },
  {
    name: 'two tables name each other in the same slot',
    fails(operations) {
      const named = new Set<string>();
      return operations.findIndex((operation) =>
        updates(operation).some(({ mfn, slot, entry: { mfn: child, flags } }) => {
          if ((flags & P) === 0 || child === mfn) return false;
          named.add(`${mfn} ${child} ${slot}`);
          return named.has(`${child} ${mfn} ${slot}`);
        }),
      );
    },
    example(draw) {
      const mfn = frame(draw);
      const other = F((mfn - F(0) + 1 + draw.below(7)) % 8);
      const slot = pick(draw, [0, 1, 5, 256, 511]);
      return [update(mfn, slot, entry(other, P | RW)), update(other, slot, entry(mfn, P))];
    },
    smallest: [update(F(0), 0, entry(F(1), P)), update(F(1), 0, entry(F(0), P))],
  },
  {
    name: 'an interrupted unpin goes on',
    fails(operations) {
      const pinned = new Set<number>();
      const interrupted = new Set<number>();
      return operations.findIndex((operation) => {
        const cpu = operation.cpu ?? 0;
        if (operation.kind === 'pin') pinned.add(operation.mfn);
        if (operation.kind === 'unpin' && pinned.has(operation.mfn) && (operation.preempt ?? 0) >= 2)
          interrupted.add(cpu);
        return operation.kind === 'resume' && interrupted.has(cpu);
      });
    },
    example(draw) {
      const mfn = frame(draw);
      const cpu = draw.below(3);
      return [
        { kind: 'pin', level: 3, mfn },
        { kind: 'unpin', mfn, cpu, preempt: 2 + draw.below(60), contend: draw.below(9) },
        { kind: 'resume', cpu },
      ];
    },
    smallest: [
      { kind: 'pin', level: 1, mfn: F(0) },
      { kind: 'unpin', mfn: F(0), preempt: 2 },
      { kind: 'resume' },
    ],
  },
  {
    name: 'one list unpins a table and pins it again',
    fails(operations) {
      return operations.findIndex((operation) => {
        if (operation.kind !== 'mmuext_op_list') return false;
        const unpinned = new Set<number>();
        return operation.items.some((item) => {
          if (item.kind === 'unpin') unpinned.add(item.mfn);
          return item.kind === 'pin' && unpinned.has(item.mfn);
        });
      });
    },
    example(draw) {
      const mfn = frame(draw);
      const items = [
        { kind: 'clear_page', mfn: frame(draw) },
        { kind: 'unpin', mfn },
        { kind: 'new_baseptr', mfn: frame(draw) },
        { kind: 'pin', level: 4, mfn },
      ] as const;
      return [{ kind: 'mmuext_op_list', options: { ...PLAIN_LIST, continued: 3 }, items }];
    },
    smallest: [
      {
        kind: 'mmuext_op_list',
        options: PLAIN_LIST,
        items: [
          { kind: 'unpin', mfn: F(0) },
          { kind: 'pin', level: 1, mfn: F(0) },
        ],
      },
    ],
  },
  {
    name: 'a table updated from slot 256 on is copied',
    fails(operations) {
      const high = new Set<number>();
      return operations.findIndex((operation) => {
        for (const { mfn, slot } of updates(operation)) if (slot >= 256) high.add(mfn);
        return operation.kind === 'copy_page' && high.has(operation.source);
      });
    },
    example(draw) {
      const source = frame(draw);
      return [
        update(source, 300 + draw.below(200), entry(frame(draw), P | RW)),
        { kind: 'copy_page', mfn: frame(draw), source },
      ];
    },
    smallest: [update(F(0), 256, entry(0, 0)), { kind: 'copy_page', mfn: F(0), source: F(0) }],
  },
];

/** Runs a candidate of a bug, as a fuzzer would. */
export function runOf(bug: Bug): (candidate: Candidate) => Failure | undefined {
  return ({ code }) => {
    const operation = bug.fails(operationStarts(code).map((at) => decode(code, at)));
    return operation < 0 ? undefined : failureOf(bug.name, operation);
  };
}

export function failureOf(invariant: string, operation: number): Failure {
  const message = `${invariant} at operation ${operation}`;
  return { kind: 'invariant', operation, message, violation: { invariant, message, frame: 0 } };
}

/** Some hundred random operations, with an example of the bug scattered among them, on any machine. */
export function embedding(bug: Bug, seed: string): Candidate {
  const draw = stream(`${bug.name} ${seed}`);
  const machine: Machine = {
    ...machineOf('x86_64', 8),
    debugBuild: draw.below(2) === 0,
    writablePagetables: draw.below(2) === 0,
    vcpus: 3 + draw.below(2),
  };
  const random = new RandomOperations(`${bug.name} ${seed} noise`, machine);
  for (;;) {
    const operations: Operation[] = Array.from({ length: 200 + draw.below(200) }, () => random.next());
    let at = 0;
    for (const operation of bug.example(draw)) {
      at += draw.below(operations.length - at + 1);
      operations.splice(at++, 0, operation);
    }
    // What stands between may prevent it.
    if (bug.fails(operations) >= 0) return candidateOf({ machine, operations });
  }
}
