/**
 * The steps of an exploration: an operation, and before it those that put into memory what it reads of it. Where
 * states are told apart by everything, a step is an operation (docs/adr/0013-contents-of-data-frames-are-left-out.md).
 */
import type { Operation } from '../program/operation.js';
import { FIRST_FRAME_MFN, type Machine } from '../program/machine.js';
import { windowOf } from '../shrink/names.js';
import { P, RW } from '../../models/x86/entry.js';

/** A step is one word of the file of states. */
const STEPS_MAX = 2 ** 32;

/** Values that a slot can be given, besides zero: any frame of the scope, read-only or writable. */
export const valuesOf = (frames: number): number => 2 * frames;
/** The frame that a value names. */
export const frameOfValue = (value: number): number => (value - 1) >> 1;

/** What a window can be, as a value: while it is not writable, it is read-only before every step, or made empty first. */
export const READ_ONLY = 0;
export const EMPTY = 1;
const WRITABLE = 2;

/** Whether every step of the scope has a number. */
export function areNumbered(operations: number, frames: number, slots: number): boolean {
  return (valuesOf(frames) + 1) ** (frames * slots) * operations <= STEPS_MAX;
}

/**
 * Places whose contents a step can give: slot `s` of frame `f` is place `f * slots + s`; the window of frame `f` is
 * place `frames * slots + f`. A slot is zero or has a value of `valuesOf`.
 */
export class Steps {
  readonly windows: number;
  /** By operation: the window that it writes to or stores through, as a place. */
  readonly windowOf: readonly (number | undefined)[];
  /** The operation that gives a place a value. */
  private readonly puts: readonly number[][];
  /** What a step's number counts for each place. */
  private readonly weights: readonly number[];

  constructor(
    private readonly operations: readonly Operation[],
    { frames, arch }: Machine,
    private readonly slots: number,
  ) {
    this.windows = frames * slots;
    this.windowOf = operations.map((one) =>
      slots > 0 && (one.kind === 'update_va' || one.kind === 'store')
        ? this.windows + windowOf(one.va, arch)
        : undefined,
    );
    const puts: number[][] = Array.from({ length: this.windows + frames }, () => []);
    operations.forEach((one, number) => {
      if (slots === 0) return;
      if (one.kind === 'mmu_update') {
        const { mfn, flags } = one.entry;
        const value = (flags & P) === 0 ? 0 : 2 * (mfn - FIRST_FRAME_MFN) + ((flags & RW) === 0 ? 1 : 2);
        puts[(one.mfn - FIRST_FRAME_MFN) * slots + one.slot]![value] = number;
      } else if (one.kind === 'update_va') {
        const { flags } = one.entry;
        const value = (flags & P) === 0 ? EMPTY : (flags & RW) === 0 ? READ_ONLY : WRITABLE;
        puts[this.windowOf[number]!]![value] = number;
      }
    });
    this.puts = puts;
    this.weights = puts.map((_, place) =>
      place < this.windows ? operations.length * (valuesOf(frames) + 1) ** place : operations.length,
    );
  }

  operationOf(step: number): number {
    return step % this.operations.length;
  }

  /** The step of this operation with these contents: a value for each place. */
  stepOf(operation: number, values: Uint8Array): number {
    let step = operation;
    for (let place = 0; place < values.length; place++) step += values[place]! * this.weights[place]!;
    return step;
  }

  put(place: number, value: number): number {
    return this.puts[place]![value]!;
  }

  /** The operations that come before the step's own. */
  *before(step: number): Generator<number> {
    const rest = Math.floor(step / this.operations.length);
    if (rest === 0) return;
    const window = this.windowOf[this.operationOf(step)];
    if (window !== undefined) yield this.put(window, rest);
    else
      for (let place = 0, left = rest; left > 0; place++) {
        const radix = valuesOf(this.windows / this.slots) + 1;
        if (left % radix > 0) yield this.put(place, left % radix);
        left = Math.floor(left / radix);
      }
  }
}
