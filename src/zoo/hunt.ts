/** One defect, one seed: how much it takes to find it, and what the find comes down to. */
import type { Defect } from '../../models/defects/index.js';
import { type Find, Fuzzer } from '../fuzz/fuzzer.js';
import type { MachineOptions } from '../program/machine.js';

export interface Hunt {
  readonly find: Find | undefined;
  /** Operations that were run until something was caught, or all of them. */
  readonly operations: number;
  /** Milliseconds until something was caught, and to shrink it. */
  readonly findMs: number;
  readonly shrinkMs: number;
  /** Programs that failed without the defect too: finds about the models, not about it. */
  readonly strays: number;
}

/** When a hunt is given up. */
export interface Limit {
  readonly operations: number;
  readonly milliseconds?: number;
}

export interface HuntOptions {
  readonly seed: string;
  /** Without the reference model: the invariants alone judge. */
  readonly alone: boolean;
  readonly limit: Limit;
  /** Options of every machine that is drawn. */
  readonly machine?: Partial<MachineOptions>;
}

/** Draws programs until one shows the defect, and shrinks it. */
export function hunt(defect: Defect, { seed, alone, limit, machine = {} }: HuntOptions): Hunt {
  const { id, arches } = defect;
  const fuzzer = new Fuzzer({ arches, seed, quirks: 'intended', defects: new Set([id]), alone, machine });
  const { operations: mostOperations, milliseconds: mostMs = Infinity } = limit;
  const begin = performance.now();
  let strays = 0;
  while (fuzzer.operations < mostOperations && performance.now() - begin < mostMs) {
    const caught = fuzzer.next();
    if (!caught) continue;
    const findMs = performance.now() - begin;
    const find = fuzzer.shrink(caught);
    const shrinkMs = performance.now() - begin - findMs;
    if (!find.withoutDefects) return { find, operations: fuzzer.operations, findMs, shrinkMs, strays };
    strays++;
  }
  const findMs = performance.now() - begin;
  return { find: undefined, operations: fuzzer.operations, findMs, shrinkMs: 0, strays };
}
