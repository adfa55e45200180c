/** Whether two models are in the same state: all of it, or what either says it has just changed. */
import type { Model, ModelState } from '../models/model.js';
import { SLOTS } from '../models/x86/entry.js';
import { WHOLE_FRAME, type Changes } from '../models/x86/changes.js';
import { isGuests } from './frames.js';
import { LDT_PAGES } from './recount.js';
import { entryName, frameName, ofCpu } from './wording.js';

/** Something of which the two models report different values. */
export interface Difference {
  /** What of the frame or of the machine, such as `type count`. */
  readonly what: string;
  readonly frame?: number;
  readonly slot?: number;
  readonly reference: number;
  readonly optimized: number;
  readonly message: string;
}

/** Descriptors of a page of the LDT. */
const LDT_PAGE_ENTRIES = 512;

type FrameValue = readonly [what: string, of: (state: ModelState, mfn: number) => number];

const FRAME_VALUES: readonly FrameValue[] = [
  ['information word', (state, mfn) => state.info(mfn)],
  ['type count', (state, mfn) => state.typeCount(mfn)],
  ['general count', (state, mfn) => state.generalCount(mfn)],
  ['linear count', (state, mfn) => state.linearCount(mfn)],
  ['slot where validation stopped', (state, mfn) => state.partialFrom(mfn)],
  ['lost type references', (state, mfn) => state.lostTypeReferences(mfn)],
  ['lost general references', (state, mfn) => state.lostGeneralReferences(mfn)],
  ['M2P low word', (state, mfn) => state.m2pLow(mfn)],
  ['M2P high word', (state, mfn) => state.m2pHigh(mfn)],
];

type CpuValue = readonly [what: string, of: (state: ModelState, cpu: number) => number];

const CPU_VALUES: readonly CpuValue[] = [
  ['kernel base pointer', (state, cpu) => state.kernelBase(cpu)],
  ['user base pointer', (state, cpu) => state.userBase(cpu)],
  ['loaded base pointer', (state, cpu) => state.loadedBase(cpu)],
  ['GDT frames', (state, cpu) => state.gdtFrames(cpu)],
  ['LDT entries', (state, cpu) => state.ldtEntries(cpu)],
  ['LDT address low word', (state, cpu) => state.ldtLow(cpu)],
  ['LDT address high word', (state, cpu) => state.ldtHigh(cpu)],
  ['deferred table', (state, cpu) => state.deferred(cpu)],
  [
    'whether the deferred table is whole',
    (state, cpu) => whileDeferred(state, cpu, state.deferredWhole(cpu)),
  ],
  ['parent of the deferred table', (state, cpu) => whileDeferred(state, cpu, state.deferredParent(cpu))],
  ['whether a call is interrupted', (state, cpu) => state.interrupted(cpu)],
  ['number of TLB entries', (state, cpu) => state.tlbSize(cpu)],
];

/** Kind and parent mean something as long as a table waits. */
function whileDeferred(state: ModelState, cpu: number, value: number): number {
  return state.deferred(cpu) === 0 ? 0 : value;
}

type TlbValue = readonly [what: string, of: (state: ModelState, index: number, cpu: number) => number];

const TLB_VALUES: readonly TlbValue[] = [
  ['address low word', (state, index, cpu) => state.tlbLow(index, cpu)],
  ['address high word', (state, index, cpu) => state.tlbHigh(index, cpu)],
  ['frame', (state, index, cpu) => state.tlbFrame(index, cpu)],
  ['write permission', (state, index, cpu) => state.tlbWritable(index, cpu)],
];

/** Compares the whole states. */
export function compareStates(reference: ModelState, optimized: ModelState): Difference | undefined {
  const difference = compareMachine(reference, optimized);
  if (difference) return difference;
  for (let mfn = 0; mfn < reference.frameLimit; mfn++) {
    const found = compareFrame(reference, optimized, mfn) ?? compareSlots(reference, optimized, mfn);
    if (found) return found;
  }
  return undefined;
}

/** A model names a frame as often as it touches it, and the other names it too: when each was last compared. */
let compared = new Int32Array(0);
let comparedWhole = new Int32Array(0);
let comparison = 0;
/** The slot last compared: mostly both models name the same one. */
let lastFrame = -1;
let lastSlot = -1;

/** Compares what the last operation may have changed, by either model's account. */
export function compareChanges(reference: Model, optimized: Model): Difference | undefined {
  if (compared.length < reference.frameLimit) {
    compared = new Int32Array(reference.frameLimit);
    comparedWhole = new Int32Array(reference.frameLimit);
  }
  comparison = (comparison + 1) | 0;
  lastFrame = -1;
  return (
    compareMachine(reference, optimized) ??
    compareNamed(reference, optimized, reference.changes) ??
    compareNamed(reference, optimized, optimized.changes)
  );
}

function compareNamed(
  reference: ModelState,
  optimized: ModelState,
  changes: Changes,
): Difference | undefined {
  for (let i = 0; i < changes.frameCount; i++) {
    const mfn = changes.frames[i];
    if (compared[mfn] === comparison) continue;
    compared[mfn] = comparison;
    const difference = compareFrame(reference, optimized, mfn);
    if (difference) return difference;
  }
  for (let i = 0; i < changes.slotCount; i++) {
    const mfn = changes.slots[2 * i];
    const slot = changes.slots[2 * i + 1];
    if (slot !== WHOLE_FRAME) {
      if (mfn === lastFrame && slot === lastSlot) continue;
      lastFrame = mfn;
      lastSlot = slot;
      const difference = compareSlot(reference, optimized, mfn, slot);
      if (difference) return difference;
    } else if (comparedWhole[mfn] !== comparison) {
      comparedWhole[mfn] = comparison;
      const difference = compareSlots(reference, optimized, mfn);
      if (difference) return difference;
    }
  }
  return undefined;
}

function compareMachine(reference: ModelState, optimized: ModelState): Difference | undefined {
  if (sameMachine(reference, optimized)) return undefined;
  const number = compareValue('number of frames', reference.frameLimit, optimized.frameLimit);
  const difference =
    number ?? compareValue('whether the domain is dying', reference.dying(), optimized.dying());
  if (difference) return difference;
  for (let cpu = 0; cpu < reference.machine.vcpus; cpu++) {
    const found = compareCpu(reference, optimized, cpu);
    if (found) return found;
  }
  return undefined;
}

function compareCpu(reference: ModelState, optimized: ModelState, cpu: number): Difference | undefined {
  const compare = (what: string, of: (state: ModelState) => number) =>
    compareValue(`${what}${ofCpu(reference, cpu)}`, of(reference), of(optimized));
  for (const [what, of] of CPU_VALUES) {
    const difference = compare(what, (state) => of(state, cpu));
    if (difference) return difference;
  }
  for (let i = 0; i < reference.gdtFrames(cpu); i++) {
    const difference = compare(`GDT frame ${i}`, (state) => state.gdtFrame(i, cpu));
    if (difference) return difference;
  }
  for (let page = 0; page < LDT_PAGES; page++) {
    const difference = compare(`LDT frame ${page}`, (state) => state.ldtFrame(page, cpu));
    if (difference) return difference;
  }
  for (let i = 0; i < reference.tlbSize(cpu); i++) {
    for (const [what, of] of TLB_VALUES) {
      const difference = compare(`${what} of TLB entry ${i}`, (state) => of(state, i, cpu));
      if (difference) return difference;
    }
  }
  return undefined;
}

function compareValue(what: string, a: number, b: number): Difference | undefined {
  return a === b ? undefined : { what, reference: a, optimized: b, message: differ(what, a, b) };
}

/** The same values as compareMachine looks at, spelled out: this runs once per operation. */
function sameMachine(a: ModelState, b: ModelState): boolean {
  if (a.frameLimit !== b.frameLimit || a.dying() !== b.dying()) return false;
  const { vcpus } = a.machine;
  for (let cpu = 0; cpu < vcpus; cpu++) if (!sameCpu(a, b, cpu)) return false;
  return true;
}

function sameCpu(a: ModelState, b: ModelState, cpu: number): boolean {
  if (a.kernelBase(cpu) !== b.kernelBase(cpu) || a.userBase(cpu) !== b.userBase(cpu)) return false;
  if (a.loadedBase(cpu) !== b.loadedBase(cpu) || a.interrupted(cpu) !== b.interrupted(cpu)) return false;
  const deferred = a.deferred(cpu);
  if (deferred !== b.deferred(cpu)) return false;
  if (deferred !== 0) {
    if (a.deferredWhole(cpu) !== b.deferredWhole(cpu)) return false;
    if (a.deferredParent(cpu) !== b.deferredParent(cpu)) return false;
  }
  if (a.gdtFrames(cpu) !== b.gdtFrames(cpu) || a.ldtEntries(cpu) !== b.ldtEntries(cpu)) return false;
  if (a.ldtLow(cpu) !== b.ldtLow(cpu) || a.ldtHigh(cpu) !== b.ldtHigh(cpu)) return false;
  for (let i = 0; i < a.gdtFrames(cpu); i++) if (a.gdtFrame(i, cpu) !== b.gdtFrame(i, cpu)) return false;
  for (let page = 0; page * LDT_PAGE_ENTRIES < a.ldtEntries(cpu); page++) {
    if (a.ldtFrame(page, cpu) !== b.ldtFrame(page, cpu)) return false;
  }
  return sameTlb(a, b, cpu);
}

function sameTlb(a: ModelState, b: ModelState, cpu: number): boolean {
  const size = a.tlbSize(cpu);
  if (size !== b.tlbSize(cpu)) return false;
  for (let i = 0; i < size; i++) {
    if (a.tlbFrame(i, cpu) !== b.tlbFrame(i, cpu) || a.tlbWritable(i, cpu) !== b.tlbWritable(i, cpu))
      return false;
    if (a.tlbLow(i, cpu) !== b.tlbLow(i, cpu) || a.tlbHigh(i, cpu) !== b.tlbHigh(i, cpu)) return false;
  }
  return true;
}

function compareFrame(reference: ModelState, optimized: ModelState, frame: number): Difference | undefined {
  if (sameFrame(reference, optimized, frame)) return undefined;
  for (const [what, of] of FRAME_VALUES) {
    const a = of(reference, frame);
    const b = of(optimized, frame);
    if (a !== b) {
      const message = `${frameName(frame, reference.machine)}: ${differ(what, a, b)}`;
      return { what, frame, reference: a, optimized: b, message };
    }
  }
  return undefined;
}

/** The same values as in FRAME_VALUES, spelled out: this runs several times per operation. */
function sameFrame(a: ModelState, b: ModelState, mfn: number): boolean {
  return (
    a.info(mfn) === b.info(mfn) &&
    a.typeCount(mfn) === b.typeCount(mfn) &&
    a.generalCount(mfn) === b.generalCount(mfn) &&
    a.linearCount(mfn) === b.linearCount(mfn) &&
    a.partialFrom(mfn) === b.partialFrom(mfn) &&
    a.lostTypeReferences(mfn) === b.lostTypeReferences(mfn) &&
    a.lostGeneralReferences(mfn) === b.lostGeneralReferences(mfn) &&
    a.m2pLow(mfn) === b.m2pLow(mfn) &&
    a.m2pHigh(mfn) === b.m2pHigh(mfn)
  );
}

/** Contents count for frames of the guest's only. */
function compareSlots(reference: ModelState, optimized: ModelState, mfn: number): Difference | undefined {
  if (!isGuests(reference.info(mfn))) return undefined;
  let slot = -1;
  do {
    slot = Math.min(reference.nextUsed(mfn, slot + 1), optimized.nextUsed(mfn, slot + 1));
    const difference = slot < SLOTS ? compareSlot(reference, optimized, mfn, slot) : undefined;
    if (difference) return difference;
  } while (slot < SLOTS);
  return undefined;
}

function compareSlot(
  reference: ModelState,
  optimized: ModelState,
  frame: number,
  slot: number,
): Difference | undefined {
  if (!isGuests(optimized.info(frame))) return undefined;
  const low = reference.low(frame, slot) !== optimized.low(frame, slot);
  if (!low && reference.high(frame, slot) === optimized.high(frame, slot)) return undefined;
  const what = low ? 'entry low word' : 'entry high word';
  const a = low ? reference.low(frame, slot) : reference.high(frame, slot);
  const b = low ? optimized.low(frame, slot) : optimized.high(frame, slot);
  const message = `${entryName(frame, slot, reference.machine)}: ${differ(what, a, b)}`;
  return { what, frame, slot, reference: a, optimized: b, message };
}

function differ(what: string, reference: number, optimized: number): string {
  return `${what} is ${shown(reference)} in the reference model, ${shown(optimized)} in the optimized one.`;
}

function shown(value: number): string {
  return value >= 0 && value < 10 ? String(value) : `${value} (0x${(value >>> 0).toString(16)})`;
}
