/** One defect, one seed: how much it takes to find it, and what the find comes down to. */
import type { Defect } from '../../models/defects/index.js';
import { type Find, Fuzzer } from '../fuzz/fuzzer.js';
import { Siblings } from '../fuzz/siblings.js';
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
  /** Those of an earlier hunt for the same defect. */
  readonly siblings?: Siblings;
}

/** Draws programs until one shows the defect, and shrinks it. */
export function hunt(defect: Defect, options: HuntOptions): Hunt {
  const { seed, limit, siblings } = options;
  const fuzzer = new Fuzzer({ ...settingsOf(defect, options), seed }, 0, siblings);
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

/** What hunts for one defect share. */
export function siblingsFor(defect: Defect, options: Pick<HuntOptions, 'alone' | 'machine'>): Siblings {
  return new Siblings(settingsOf(defect, options));
}

function settingsOf({ id, arches }: Defect, { alone, machine = {} }: Pick<HuntOptions, 'alone' | 'machine'>) {
  return { arches, quirks: 'intended' as const, defects: new Set([id]), alone, machine };
}
