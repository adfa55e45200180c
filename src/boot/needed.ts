/** Of a guest's operations, those that its end needs: the shortest program from the same start state that ends the same way. */
import { startMachine } from '../../models/linux/builder.js';
import type { Crash } from '../../models/linux/crash.js';
import { type Layout, slotsOf } from '../../models/linux/layout.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { entryOf, P, RW } from '../../models/x86/entry.js';
import { isTable, type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { codeOf, OK } from '../../models/x86/result.js';
import type { Hypercall, Operation, Word64 } from '../program/operation.js';
import { recordsOf } from '../shrink/draft.js';
import { conflictOf, keepersOf, l1Conflict, typeOf, writableHolders } from './refusal.js';
import type { Step } from './steps.js';

/**
 * Leaves out what the last step does not need: what is left answers as it did, and the last step fails for the
 * same reason. Undefined where the end is no operation's answer.
 */
export function neededSteps(
  layout: Layout,
  steps: readonly Step[],
  crash: Crash,
): readonly Step[] | undefined {
  const { why } = crash;
  const failing = why.kind === 'refused' ? steps.findIndex(({ answer }) => answer !== OK) : steps.length - 1;
  const isStore = why.kind === 'fault' && why.access === 'write';
  if ((why.kind !== 'refused' && !isStore) || steps[failing]?.answer === OK) return undefined;
  return new Needed(layout, isStore && why.present).of(steps.slice(0, failing + 1));
}

const LOADS: ReadonlySet<Operation['kind']> = new Set(['new_baseptr', 'new_user_baseptr', 'unpin']);

/** An entry of a table on the way to an address. */
interface Place {
  readonly mfn: number;
  readonly slot: number;
}

class Needed {
  private readonly model = new OptimizedModel();
  private readonly results = new Int32Array(1024);
  private wanted: string | undefined;

  constructor(
    private readonly layout: Layout,
    /** The last step is a store to a page that is mapped read-only. */
    private readonly mapped: boolean,
  ) {
    this.model.start(startMachine(layout));
  }

  /** What was asked by address stays so, unless it takes fewer steps by frame: then no table is needed for the way to the address. */
  of(steps: readonly Step[]): readonly Step[] | undefined {
    const found = [false, true].flatMap((all) => {
      const start = this.byFrame(steps, all);
      this.wanted = this.reason(start);
      return this.wanted === undefined ? [] : [this.shrunk(start, false), this.shrunk(start, true)];
    });
    return found.toSorted((a, b) => a.length - b.length)[0];
  }

  private isAsGood(candidate: readonly Step[]): boolean {
    return this.reason(candidate) === this.wanted;
  }

  /** Fewer steps, simpler ones, and again, as one may make the other possible. */
  private shrunk(steps: Step[], fromEnd: boolean): Step[] {
    let best = steps;
    for (let before = Infinity; best.length < before;) {
      before = best.length;
      best = this.fewer(best, fromEnd);
      for (let i = 0; i < best.length - 1; i++) best = this.simpler(best, i);
    }
    return best;
  }

  /** First all loads and unpins, if it goes without: then the domain builder's tables stay in use and map what they map. */
  private fewer(steps: Step[], fromEnd: boolean): Step[] {
    const last = steps.length - 1;
    const loaded = steps.filter(({ operation: { kind } }, i) => i === last || !LOADS.has(kind));
    let best = this.isAsGood(loaded) ? loaded : steps;
    for (let size = best.length >> 1; size >= 1; size >>= 1) {
      // Small groups at any place: a pin and the unpin after it.
      const stride = size > 3 ? size : 1;
      for (let at = 0; at < best.length - 1;) {
        const count = Math.min(size, best.length - 1 - at);
        const from = fromEnd ? best.length - 1 - at - count : at;
        const candidate = best.toSpliced(from, count);
        if (this.isAsGood(candidate)) best = candidate;
        else at += stride;
      }
    }
    return best;
  }

  /** A fill of fewer entries; a table pinned instead of hooked or loaded, so that none is needed above it. */
  private simpler(steps: Step[], i: number): Step[] {
    let best = steps;
    const { operation } = steps[i]!;
    if (operation.kind === 'fill') {
      let { entries } = operation;
      for (let at = entries.length - 1; at >= 0; at--) {
        const fewer = entries.toSpliced(at, 1);
        const candidate = best.with(i, { operation: { ...operation, entries: fewer }, answer: OK });
        if (this.isAsGood(candidate)) [best, entries] = [candidate, fewer];
      }
      return best;
    }
    for (const mfn of tablesOf(operation)) {
      const level = this.levelBeforeEnd(steps, mfn);
      if (level === undefined) continue;
      const candidate = best.with(i, { operation: { kind: 'pin', level, mfn }, answer: OK });
      if (this.isAsGood(candidate)) return candidate;
    }
    return best;
  }

  /** The level of table that the frame is before the last step, if it is one. */
  private levelBeforeEnd(steps: readonly Step[], mfn: number): Level | undefined {
    this.model.reset();
    for (const { operation } of steps.slice(0, -1)) this.perform(operation);
    if (mfn >= this.model.frameLimit || this.model.typeCount(mfn) === 0) return undefined;
    const type = typeOf(this.model, mfn);
    return isTable(type) ? (type as Level) : undefined;
  }

  /**
   * Stores by the frame that they reach, so that no step is needed for the way there: what was stored plainly is a fill of
   * the frame, what Xen has emulated a store to it. With `all` set, update_va is an update of the L1 that it reaches, and a store
   * that faults goes through the domain builder's mapping of the page, if there is one.
   */
  private byFrame(steps: readonly Step[], all: boolean): Step[] {
    const { model } = this;
    model.reset();
    return steps.map((step, i): Step => {
      const { operation, answer } = step;
      const { cpu = 0 } = operation;
      if (operation.kind === 'update_va' && all) {
        const place = this.place(operation.va, cpu);
        this.perform(operation);
        if (!place) return step;
        const { entry } = operation;
        return { operation: { kind: 'mmu_update', command: 'normal', ...place, entry, cpu }, answer };
      }
      const target = operation.kind === 'store' ? this.target(operation.va, cpu) : undefined;
      const isL1 = target && typeOf(model, target.mfn) === TYPE_L1 && model.typeCount(target.mfn) > 0;
      this.perform(operation);
      if (operation.kind !== 'store' || target === undefined) return step;
      const { mfn, writable } = target;
      const { part, entry, va } = operation;
      const slot = (va.low >>> 3) & 511;
      if (isL1 && !writable) return { operation: { kind: 'store_frame', mfn, slot, part, entry }, answer };
      const other = all ? this.builders(mfn) : undefined;
      const offset = va.low & 0xfff;
      if (i === steps.length - 1 && other)
        return { operation: { ...operation, va: { ...other, low: other.low | offset } }, answer };
      if (i === steps.length - 1 || !writable) return step;
      const entries = [];
      for (let at = model.nextUsed(mfn, 0); at < 512; at = model.nextUsed(mfn, at + 1))
        entries.push({ slot: at, entry: entryOf(model.low(mfn, at), model.high(mfn, at)) });
      return { operation: { kind: 'fill', mfn, entries }, answer: OK };
    });
  }

  /** The address at which the domain builder has mapped the frame, if it has. */
  private builders(mfn: number): Word64 | undefined {
    const pfn = this.layout.pfn(mfn);
    return pfn !== undefined && pfn < this.layout.initialEnd ? this.layout.kernel(pfn) : undefined;
  }

  /** The L1 entry of an address, wherever the levels above lead; undefined if one is empty. */
  private place(va: Word64, cpu: number): Place | undefined {
    const { model } = this;
    const path = slotsOf(va, model.machine.arch === 'x86_64');
    let mfn = model.kernelBase(cpu);
    for (const slot of path.slice(0, -1)) {
      if ((model.low(mfn, slot) & P) === 0) return undefined;
      ({ mfn } = entryOf(model.low(mfn, slot), model.high(mfn, slot)));
    }
    return { mfn, slot: path.at(-1)! };
  }

  private target(va: Word64, cpu: number): { readonly mfn: number; readonly writable: boolean } | undefined {
    const place = this.place(va, cpu);
    if (!place) return undefined;
    const { mfn, flags } = entryOf(
      this.model.low(place.mfn, place.slot),
      this.model.high(place.mfn, place.slot),
    );
    if ((flags & P) === 0 || mfn >= this.model.frameLimit) return undefined;
    return { mfn, writable: (flags & RW) !== 0 };
  }

  private perform(operation: Operation): number {
    this.model.run(recordsOf(operation), 0, this.results);
    return codeOf(this.results[0]!);
  }

  /** Why the last step fails, undefined if another step answers otherwise than it did. */
  private reason(steps: readonly Step[]): string | undefined {
    const { model } = this;
    model.reset();
    const last = steps.at(-1)!.operation;
    for (const { operation, answer } of steps) if (this.perform(operation) !== answer) return undefined;
    if (last.kind === 'store')
      return (this.target(last.va, last.cpu ?? 0) !== undefined) === this.mapped ? 'fault' : undefined;
    const conflict =
      last.kind === 'store_frame'
        ? l1Conflict(model, last.entry)
        : conflictOf(model, last as Hypercall, () => 0);
    if (conflict?.kind !== 'type') return JSON.stringify([conflict]);
    return JSON.stringify([conflict, writableHolders(model, conflict.mfn), keepersOf(model, conflict.mfn)]);
  }
}

/** Frames of which the operation makes tables in use, if they are any. */
function tablesOf(operation: Operation): number[] {
  if (operation.kind === 'mmu_update') return operation.entry.flags & P ? [operation.entry.mfn] : [];
  if (operation.kind === 'new_baseptr' || operation.kind === 'new_user_baseptr') return [operation.mfn];
  return operation.kind === 'mmu_update_list' ? operation.items.flatMap(tablesOf) : [];
}
