/**
 * A 64-bit digest of all that `agreement.ts` compares, kept up to date at the cost of what operations have changed,
 * whatever the size of the machine. Equal states have equal digests; two different ones have the same digest by
 * chance once in 2^64.
 *
 * The digest is a sum (modulo 2^32, twice) with one term for each frame and one for each entry of a frame of the
 * guest's that is not zero, so a term can be taken out and another put in. That is done when the digest is asked for,
 * once for all operations since it was last. A change that a model does not name is not followed: its digest then
 * differs from the other model's although the states are equal.
 */
import type { Model, ModelState } from '../../models/model.js';
import { SLOTS } from '../../models/x86/entry.js';
import { isGuests } from '../frames.js';
import { FrameSet } from './frame-set.js';

/** Terms of frames and terms of entries are numbered apart. */
const FRAME_TERM = -1;

export class StateDigest {
  private low = 0;
  private high = 0;
  private machineLow = 0;
  private machineHigh = 0;
  /** What stands in the sums for each frame: its own term and those of its entries. */
  private frames = new Sums(0);
  /** Those of its entries alone, as they were when they were read; `known` says whose were. */
  private contents = new Sums(0);
  private known = new Uint8Array(0);
  /** Frames that have changed since the digest was last asked for, and those of them of which an entry may have. */
  private changed = new FrameSet(0);
  private rewritten = new FrameSet(0);
  /** Frames that have changed since the start state. */
  private dirty = new FrameSet(0);

  constructor(private readonly model: Model) {}

  /** Takes the model's state as it is, all of it. */
  read(): void {
    const { frameLimit } = this.model;
    this.frames = new Sums(frameLimit);
    this.contents = new Sums(frameLimit);
    this.known = new Uint8Array(frameLimit);
    this.changed = new FrameSet(frameLimit);
    this.rewritten = new FrameSet(frameLimit);
    this.dirty = new FrameSet(frameLimit);
    this.low = 0;
    this.high = 0;
    for (let mfn = 0; mfn < frameLimit; mfn++) this.readFrame(mfn);
  }

  /** Goes back to the start state, to which the model has just been reset. */
  reset(): void {
    const { list, size } = this.dirty;
    for (let i = 0; i < size; i++) {
      this.known[list[i]!] = 0;
      this.readFrame(list[i]!);
    }
    this.dirty.clear();
    this.changed.clear();
    this.rewritten.clear();
  }

  /** Follows the model's last operation. */
  follow(): void {
    const { changes, frameLimit } = this.model;
    for (let i = 0; i < changes.frameCount; i++) {
      const mfn = changes.frames[i]!;
      if (mfn >>> 0 >= frameLimit >>> 0) continue;
      this.changed.add(mfn);
      // What is in a frame of nobody's is not named when it changes.
      if (!isGuests(this.model.info(mfn))) this.rewritten.add(mfn);
    }
    for (let i = 0; i < changes.slotCount; i++) {
      const mfn = changes.slots[2 * i]!;
      if (mfn >>> 0 >= frameLimit >>> 0) continue;
      this.changed.add(mfn);
      this.rewritten.add(mfn);
    }
  }

  equals(other: StateDigest): boolean {
    this.settle();
    other.settle();
    return (
      ((this.low + this.machineLow) | 0) === ((other.low + other.machineLow) | 0) &&
      ((this.high + this.machineHigh) | 0) === ((other.high + other.machineHigh) | 0)
    );
  }

  toString(): string {
    this.settle();
    const words = [this.high + this.machineHigh, this.low + this.machineLow];
    return words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Puts the present terms into the sums, of all that has changed. */
  private settle(): void {
    const { changed, rewritten } = this;
    for (let i = 0; i < rewritten.size; i++) this.known[rewritten.list[i]!] = 0;
    for (let i = 0; i < changed.size; i++) {
      this.readFrame(changed.list[i]!);
      this.dirty.add(changed.list[i]!);
    }
    changed.clear();
    rewritten.clear();
    readMachineTerm(this.model);
    this.machineLow = termLow;
    this.machineHigh = termHigh;
  }

  /** Puts the frame's present terms into the sums, in the place of its last ones. */
  private readFrame(mfn: number): void {
    const { model, frames, contents } = this;
    const info = model.info(mfn);
    const guests = isGuests(info);
    if (guests && this.known[mfn] === 0) this.readEntries(mfn);
    readFrameTerm(model, mfn, info);
    const low = (termLow + (guests ? contents.low[mfn]! : 0)) | 0;
    const high = (termHigh + (guests ? contents.high[mfn]! : 0)) | 0;
    this.low = (this.low + low - frames.low[mfn]!) | 0;
    this.high = (this.high + high - frames.high[mfn]!) | 0;
    frames.low[mfn] = low;
    frames.high[mfn] = high;
    this.known[mfn] = guests ? 1 : 0;
  }

  private readEntries(mfn: number): void {
    const { model, contents } = this;
    contents.low[mfn] = 0;
    contents.high[mfn] = 0;
    for (let slot = model.nextUsed(mfn, 0); slot < SLOTS; slot = model.nextUsed(mfn, slot + 1)) {
      readEntryTerm(mfn, slot, model.low(mfn, slot), model.high(mfn, slot));
      contents.low[mfn] = contents.low[mfn]! + termLow;
      contents.high[mfn] = contents.high[mfn]! + termHigh;
    }
  }
}

/** Both words of a sum for each frame. */
class Sums {
  readonly low: Int32Array;
  readonly high: Int32Array;

  constructor(frames: number) {
    this.low = new Int32Array(frames);
    this.high = new Int32Array(frames);
  }
}

/** The two words of the term that was read last. */
let termLow = 0;
let termHigh = 0;

function begin(): void {
  termLow = 0x243f6a88;
  termHigh = 0x13198a2e;
}

function add(word: number): void {
  const low = Math.imul(termLow ^ word, 0x9e3779b1);
  const high = Math.imul(termHigh ^ word, 0x85ebca77);
  termLow = (low ^ (low >>> 15)) + 0x7ed55d16;
  termHigh = (high ^ (high >>> 13)) + 0x165667b1;
}

function finish(): void {
  termLow = spread(termLow);
  termHigh = spread(termHigh);
}

/** Every bit of the result depends on every bit of the hash. */
function spread(hash: number): number {
  const a = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return b ^ (b >>> 16);
}

/** The same values as `sameFrame` of `agreement.ts` looks at. */
function readFrameTerm(state: ModelState, mfn: number, info: number): void {
  begin();
  add(FRAME_TERM);
  add(mfn);
  add(info);
  add(state.typeCount(mfn));
  add(state.generalCount(mfn));
  add(state.linearCount(mfn));
  add(state.partialFrom(mfn));
  add(state.lostTypeReferences(mfn));
  add(state.lostGeneralReferences(mfn));
  add(state.m2pLow(mfn));
  add(state.m2pHigh(mfn));
  finish();
}

function readEntryTerm(mfn: number, slot: number, low: number, high: number): void {
  begin();
  add(mfn);
  add(slot);
  add(low);
  add(high);
  finish();
}

/** The same values as `sameMachine` of `agreement.ts` looks at. */
function readMachineTerm(state: ModelState): void {
  begin();
  add(state.frameLimit);
  add(state.dying());
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) addCpu(state, cpu);
  finish();
}

function addCpu(state: ModelState, cpu: number): void {
  add(state.kernelBase(cpu));
  add(state.userBase(cpu));
  add(state.loadedBase(cpu));
  add(state.interrupted(cpu));
  const deferred = state.deferred(cpu);
  add(deferred);
  add(deferred === 0 ? 0 : state.deferredWhole(cpu));
  add(deferred === 0 ? 0 : state.deferredParent(cpu));
  add(state.gdtFrames(cpu));
  for (let i = 0; i < state.gdtFrames(cpu); i++) add(state.gdtFrame(i, cpu));
  add(state.ldtEntries(cpu));
  add(state.ldtLow(cpu));
  add(state.ldtHigh(cpu));
  for (let page = 0; page * SLOTS < state.ldtEntries(cpu); page++) add(state.ldtFrame(page, cpu));
  add(state.tlbSize(cpu));
  for (let i = 0; i < state.tlbSize(cpu); i++) {
    add(state.tlbLow(i, cpu));
    add(state.tlbHigh(i, cpu));
    add(state.tlbFrame(i, cpu));
    add(state.tlbWritable(i, cpu));
  }
}
