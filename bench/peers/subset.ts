/** The subset of the rules that all peers have (README.md), as a machine and its operations. */
import type { Search } from '../../src/exhaustive/expander.js';
import { alphabetOf, scopeMachine } from '../../src/exhaustive/scope.js';
import { type Machine, standardMachine } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';

/** Operations of a program, after which the next begins at the start state. */
export const PROGRAM = 200;
export const SEED = 12345;

/** An ordinary guest of a Xen without linear pagetables. */
export function subsetMachine(frames: number): Machine {
  const { start: _start, ...options } = scopeMachine(scope(frames, 1));
  return standardMachine({ ...options, linear: false }, frames);
}

/** Entries of the frames and windows written, L1 and L2 tables pinned and unpinned; in the order of subset.c. */
export function subsetOperations(frames: number, slots: number): Operation[] {
  return alphabetOf(scope(frames, slots)).filter(
    (one) =>
      one.kind === 'mmu_update' ||
      one.kind === 'update_va' ||
      one.kind === 'unpin' ||
      (one.kind === 'pin' && one.level <= 2),
  );
}

export function subsetSearch(frames: number, slots: number, symmetry: boolean): Search {
  const court = { defects: new Set<never>(), alone: true, quirks: 'intended' } as const;
  return {
    machine: subsetMachine(frames),
    operations: subsetOperations(frames, slots),
    court,
    symmetry,
    leftOut: 0,
  };
}

/** Draws as subset.c does, and runs what it draws; the digest of the answers. */
export function runRandom(
  { starts, code }: { readonly starts: readonly number[]; readonly code: Int32Array },
  count: number,
  begin: () => void,
  run: (code: Int32Array, at: number) => number,
): number {
  let x = SEED;
  let digest = 2166136261;
  for (let i = 0, left = 0; i < count; i++, left--) {
    if (left === 0) {
      begin();
      left = PROGRAM;
    }
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const drawn = ((x >>> 0) % starts.length) | 0; // which says that it is no NaN, so that V8 divides integers
    digest = Math.imul(digest ^ run(code, starts[drawn]!), 16777619);
  }
  return digest >>> 0;
}

function scope(frames: number, slots: number) {
  return { arch: 'x86_64', quirks: 'intended', frames, slots, bootTables: false } as const;
}
