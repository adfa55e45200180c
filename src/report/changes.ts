/** What one operation changed, as a maintainer reads it: frames with type and counts, entries, vCPUs. */
import { WHOLE_FRAME } from '../../models/x86/changes.js';
import type { Model, ModelState } from '../../models/model.js';
import { P, RW, SLOTS, mfnOf } from '../../models/x86/entry.js';
import {
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_VALIDATED,
  OWNER_GUEST,
  INFO_TYPE,
  isTable,
} from '../../models/x86/page-type.js';
import { typeName } from '../../properties/wording.js';
import { printWords } from '../text/entry.js';
import { frameName } from '../text/naming.js';

/** A frame at one moment. */
export interface FrameFacts {
  readonly type: string;
  readonly typeCount: number;
  /** General references, the allocation's included. */
  readonly references: number;
  readonly pinned: boolean;
  /** Of a table: what its contents are; else empty. */
  readonly contents: '' | 'validated' | 'partial' | 'unvalidated';
  readonly guests: boolean;
  /** Entries to other tables of its level, or minus those to it. */
  readonly linear: number;
}

export interface FrameChange {
  readonly mfn: number;
  readonly name: string;
  readonly before: FrameFacts;
  readonly after: FrameFacts;
}

/** An entry at one moment. */
export interface EntryFacts {
  readonly text: string;
  readonly present: boolean;
  readonly writable: boolean;
  readonly target: number;
}

export interface EntryChange {
  readonly mfn: number;
  readonly slot: number;
  /** `B1[3]` */
  readonly name: string;
  readonly before: EntryFacts;
  readonly after: EntryFacts;
}

/** Something of a vCPU: `base pointer: B4 -> F1`. */
export interface CpuChange {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

export interface StepChanges {
  readonly frames: readonly FrameChange[];
  readonly entries: readonly EntryChange[];
  readonly cpus: readonly CpuChange[];
}

export function frameFacts(state: ModelState, mfn: number): FrameFacts {
  const info = state.info(mfn);
  const contents =
    (info & INFO_PARTIAL) !== 0 ? 'partial' : (info & INFO_VALIDATED) !== 0 ? 'validated' : 'unvalidated';
  return {
    type: typeName(info),
    typeCount: state.typeCount(mfn),
    references: state.generalCount(mfn),
    pinned: (info & INFO_PINNED) !== 0,
    contents: isTable(info & INFO_TYPE) ? contents : '',
    guests: (info & INFO_OWNER) >> INFO_OWNER_SHIFT === OWNER_GUEST,
    linear: state.linearCount(mfn),
  };
}

export function entryFacts(state: ModelState, mfn: number, slot: number): EntryFacts {
  const [low, high] = [state.low(mfn, slot), state.high(mfn, slot)];
  return {
    text: printWords(low, high, state.machine),
    present: (low & P) !== 0,
    writable: (low & (P | RW)) === (P | RW),
    target: mfnOf(low, high),
  };
}

/** What the operation that `after` has just run changed; `before` has run all but that one. */
export function changesBetween(before: ModelState, after: Model): StepChanges {
  const { changes, machine } = after;
  const frames = new Set(changes.frames.subarray(0, changes.frameCount));
  const slots = new Map<number, Set<number>>();
  for (let i = 0; i < changes.slotCount; i++) {
    const [mfn, slot] = [changes.slots[2 * i]!, changes.slots[2 * i + 1]!];
    if (!slots.has(mfn)) slots.set(mfn, new Set());
    for (const one of slot === WHOLE_FRAME ? usedSlots(before, after, mfn) : [slot]) slots.get(mfn)!.add(one);
  }
  return {
    frames: [...frames]
      .sort((a, b) => a - b)
      .map((mfn) => ({
        mfn,
        name: frameName(mfn, machine),
        before: frameFacts(before, mfn),
        after: frameFacts(after, mfn),
      }))
      .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after)),
    entries: [...slots]
      .flatMap(([mfn, some]) => [...some].map((slot) => entryChange(before, after, mfn, slot)))
      .filter(({ before, after }) => before.text !== after.text),
    cpus: cpuChanges(before, after),
  };
}

function usedSlots(before: ModelState, after: ModelState, mfn: number): number[] {
  const slots = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    slot = Math.min(before.nextUsed(mfn, slot), after.nextUsed(mfn, slot));
    if (slot < SLOTS) slots.push(slot);
  }
  return slots;
}

function entryChange(before: ModelState, after: ModelState, mfn: number, slot: number): EntryChange {
  const name = `${frameName(mfn, after.machine)}[${slot}]`;
  return { mfn, slot, name, before: entryFacts(before, mfn, slot), after: entryFacts(after, mfn, slot) };
}

type CpuFact = readonly [what: string, of: (state: ModelState, cpu: number) => string];

const CPU_FACTS: readonly CpuFact[] = [
  ['base pointer', (state, cpu) => frame(state, state.kernelBase(cpu))],
  ['user base pointer', (state, cpu) => frame(state, state.userBase(cpu))],
  ['loaded base pointer', (state, cpu) => frame(state, state.loadedBase(cpu))],
  ['GDT', (state, cpu) => gdt(state, cpu)],
  ['LDT entries', (state, cpu) => String(state.ldtEntries(cpu))],
  ['table waiting for its cleanup', (state, cpu) => frame(state, state.deferred(cpu))],
  ['interrupted call', (state, cpu) => (state.interrupted(cpu) ? 'yes' : 'no')],
  ['TLB', (state, cpu) => tlb(state, cpu)],
];

function frame(state: ModelState, mfn: number): string {
  return mfn === 0 ? 'none' : frameName(mfn, state.machine);
}

function gdt(state: ModelState, cpu: number): string {
  const frames = Array.from({ length: state.gdtFrames(cpu) }, (_, i) => frame(state, state.gdtFrame(i, cpu)));
  return frames.join(' ') || 'none';
}

function tlb(state: ModelState, cpu: number): string {
  const held = Array.from(
    { length: state.tlbSize(cpu) },
    (_, i) => frame(state, state.tlbFrame(i, cpu)) + (state.tlbWritable(i, cpu) ? ' writable' : ''),
  );
  return held.join(', ') || 'empty';
}

function cpuChanges(before: ModelState, after: ModelState): CpuChange[] {
  const changes: CpuChange[] = [];
  for (let cpu = 0; cpu < after.machine.vcpus; cpu++) {
    for (const [what, of] of CPU_FACTS) {
      const [old, now] = [of(before, cpu), of(after, cpu)];
      const isRepeated = what.startsWith('loaded') && after.loadedBase(cpu) === after.kernelBase(cpu);
      if (old === now || isRepeated) continue;
      changes.push({ what: after.machine.vcpus > 1 ? `vCPU ${cpu} ${what}` : what, before: old, after: now });
    }
  }
  if (before.dying() !== after.dying()) changes.push({ what: 'domain', before: 'alive', after: 'dying' });
  return changes;
}
