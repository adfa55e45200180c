/** Whether two models are in the same state: all of it, or what either says it has just changed. */
import type { Model, ModelState } from '../models/model.js';
import { SLOTS } from '../models/x86/entry.js';
import { WHOLE_FRAME, type Changes } from '../models/x86/changes.js';
import { isGuests } from './frames.js';
import { LDT_PAGES } from './recount.js';
import { entryName, frameName } from './wording.js';

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

type MachineValue = readonly [what: string, of: (state: ModelState) => number];

const MACHINE_VALUES: readonly MachineValue[] = [
  ['number of frames', (state) => state.frameLimit],
  ['kernel base pointer', (state) => state.kernelBase()],
  ['user base pointer', (state) => state.userBase()],
  ['GDT frames', (state) => state.gdtFrames()],
  ['LDT entries', (state) => state.ldtEntries()],
  ['LDT address low word', (state) => state.ldtLow()],
  ['LDT address high word', (state) => state.ldtHigh()],
  ['deferred table', (state) => state.deferred()],
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
  for (const [what, of] of MACHINE_VALUES) {
    const a = of(reference);
    const b = of(optimized);
    if (a !== b) return { what, reference: a, optimized: b, message: differ(what, a, b) };
  }
  for (let i = 0; i < reference.gdtFrames(); i++) {
    const a = reference.gdtFrame(i);
    const b = optimized.gdtFrame(i);
    if (a !== b)
      return { what: `GDT frame ${i}`, reference: a, optimized: b, message: differ(`GDT frame ${i}`, a, b) };
  }
  for (let page = 0; page < LDT_PAGES; page++) {
    const a = reference.ldtFrame(page);
    const b = optimized.ldtFrame(page);
    if (a !== b)
      return {
        what: `LDT frame ${page}`,
        reference: a,
        optimized: b,
        message: differ(`LDT frame ${page}`, a, b),
      };
  }
  return undefined;
}

/** The same values as compareMachine looks at, spelled out: this runs once per operation. */
function sameMachine(a: ModelState, b: ModelState): boolean {
  if (a.kernelBase() !== b.kernelBase() || a.userBase() !== b.userBase() || a.deferred() !== b.deferred())
    return false;
  if (a.frameLimit !== b.frameLimit || a.gdtFrames() !== b.gdtFrames() || a.ldtEntries() !== b.ldtEntries())
    return false;
  if (a.ldtLow() !== b.ldtLow() || a.ldtHigh() !== b.ldtHigh()) return false;
  for (let i = 0; i < a.gdtFrames(); i++) if (a.gdtFrame(i) !== b.gdtFrame(i)) return false;
  for (let page = 0; page * LDT_PAGE_ENTRIES < a.ldtEntries(); page++) {
    if (a.ldtFrame(page) !== b.ldtFrame(page)) return false;
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
