/** Of a guest's operations, those that its end needs: the shortest program from the same start state that ends the same way. */
import type { Crash } from '../../models/linux/crash.js';
import { slotsOf } from '../../models/linux/layout.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { entryOf, P, RW } from '../../models/x86/entry.js';
import { codeOf, OK, UNKNOWN } from '../../models/x86/result.js';
import { decode } from '../program/codec.js';
import type { Machine } from '../program/machine.js';
import type { Hypercall, Operation, Word64 } from '../program/operation.js';
import { itemsAt, operationStarts, RECORD } from '../program/record.js';
import { recordsOf } from '../shrink/draft.js';
import { conflictOf, writableHolders } from './refusal.js';

/** An operation and what it answered. */
export interface Step {
  readonly operation: Operation;
  readonly answer: number;
}

/** All steps up to the last, each call of a multicall a step of its own. */
export function stepsOf(code: Int32Array, results: Int32Array): Step[] {
  return operationStarts(code).flatMap((at): Step[] => {
    const operation = decode(code, at);
    if (operation.kind !== 'multicall') return [{ operation, answer: codeOf(results[at / RECORD]!) }];
    const cpu = operation.cpu === undefined ? {} : { cpu: operation.cpu };
    return itemsAt(code, at).map((item, i) => ({
      operation: { ...operation.items[i]!, ...cpu } as Operation,
      answer: codeOf(results[item / RECORD]!),
    }));
  });
}

/**
 * Leaves out what the last step does not need: what is left answers as it did, and the last step fails for the
 * same reason. Undefined where the end is no operation's answer.
 */
export function neededSteps(
  machine: Machine,
  steps: readonly Step[],
  crash: Crash,
): readonly Step[] | undefined {
  const { why } = crash;
  const failing = why.kind === 'refused' ? steps.findIndex(({ answer }) => answer !== OK) : steps.length - 1;
  const isStore = why.kind === 'fault' && why.access === 'write';
  if ((why.kind !== 'refused' && !isStore) || steps[failing]?.answer === OK) return undefined;
  return new Needed(machine, isStore && why.present).of(steps.slice(0, failing + 1));
}

class Needed {
  private readonly model = new OptimizedModel();
  private readonly results = new Int32Array(1024);

  constructor(
    private readonly machine: Machine,
    /** The last step is a store to a page that is mapped read-only. */
    private readonly mapped: boolean,
  ) {
    this.model.start(machine);
  }

  of(steps: readonly Step[]): readonly Step[] | undefined {
    let best = this.byFrame(steps);
    const wanted = this.reason(best);
    if (wanted === undefined) return undefined;
    const isAsGood = (candidate: readonly Step[]) => this.reason(candidate) === wanted;
    for (let size = best.length >> 1; size >= 1;) {
      const before = best.length;
      for (let from = best.length - 1 - size; from >= 0; from -= size) {
        const candidate = best.toSpliced(from, size);
        if (isAsGood(candidate)) best = candidate;
      }
      if (size > 1 || best.length === before) size >>= 1;
    }
    for (let i = 0; i < best.length; i++) best = this.fewerEntries(best, i, isAsGood);
    return best;
  }

  /** Leaves entries out of a fill. */
  private fewerEntries(
    steps: readonly Step[],
    i: number,
    isAsGood: (steps: readonly Step[]) => boolean,
  ): Step[] {
    let best = [...steps];
    const { operation } = steps[i]!;
    if (operation.kind !== 'fill') return best;
    let { entries } = operation;
    for (let at = entries.length - 1; at >= 0; at--) {
      const fewer = entries.toSpliced(at, 1);
      const candidate = best.with(i, { operation: { ...operation, entries: fewer }, answer: OK });
      if (isAsGood(candidate)) [best, entries] = [candidate, fewer];
    }
    return best;
  }

  /**
   * Stores by the frame that they reach, so that no step is needed for the way there: what was stored plainly is a fill of
   * the frame, what Xen has emulated a store to it.
   */
  private byFrame(steps: readonly Step[]): Step[] {
    const { model } = this;
    model.reset();
    return steps.map((step, i): Step => {
      const { operation, answer } = step;
      const target = operation.kind === 'store' ? this.target(operation.va, operation.cpu ?? 0) : undefined;
      const isTable =
        target !== undefined && (model.info(target.mfn) & 0x1f) === 0x11 && model.typeCount(target.mfn) > 0;
      this.perform(operation);
      if (operation.kind !== 'store' || target === undefined) return step;
      const { mfn } = target;
      const slot = (operation.va.low >>> 3) & 511;
      if (isTable && !target.writable)
        return {
          operation: { kind: 'store_frame', mfn, slot, part: operation.part, entry: operation.entry },
          answer,
        };
      if (i === steps.length - 1 || !target.writable) return step;
      const entries = [];
      for (let at = model.nextUsed(mfn, 0); at < 512; at = model.nextUsed(mfn, at + 1))
        entries.push({ slot: at, entry: entryOf(model.low(mfn, at), model.high(mfn, at)) });
      return { operation: { kind: 'fill', mfn, entries }, answer: OK };
    });
  }

  private target(va: Word64, cpu: number): { readonly mfn: number; readonly writable: boolean } | undefined {
    const { model } = this;
    let mfn = model.kernelBase(cpu);
    let writable = true;
    for (const slot of slotsOf(va, this.machine.arch === 'x86_64')) {
      const low = model.low(mfn, slot);
      if ((low & P) === 0) return undefined;
      writable &&= (low & RW) !== 0;
      mfn = entryOf(low, model.high(mfn, slot)).mfn;
      if (mfn >= model.frameLimit) return undefined;
    }
    return { mfn, writable };
  }

  private perform(operation: Operation): number {
    this.model.run(recordsOf(operation), 0, this.results);
    return codeOf(this.results[0]!);
  }

  /** Why the last step fails, undefined if another step answers otherwise than it did. */
  private reason(steps: readonly Step[]): string | undefined {
    this.model.reset();
    const last = steps.at(-1)!.operation;
    for (const { operation, answer } of steps) if (this.perform(operation) !== answer) return undefined;
    if (last.kind === 'store') return `${(this.target(last.va, 0) !== undefined) === this.mapped}`;
    const conflict = conflictOf(this.model, last as Hypercall, () => 0);
    const holders = conflict?.kind === 'type' ? writableHolders(this.model, conflict.mfn) : [];
    return JSON.stringify([conflict, holders]);
  }
}

/** The steps as records, with their answers. */
export function programOf(steps: readonly Step[]): {
  readonly code: Int32Array;
  readonly expected: Int32Array;
} {
  const code = Int32Array.from(steps.flatMap(({ operation }) => [...recordsOf(operation)]));
  const expected = new Int32Array(code.length / RECORD).fill(UNKNOWN);
  const starts = operationStarts(code);
  for (const [i, { operation, answer }] of steps.entries())
    if (operation.kind !== 'fill' && !('items' in operation)) expected[starts[i]! / RECORD] = answer;
  return { code, expected };
}
