/**
 * A 64-bit digest of all that `agreement.ts` compares, kept up to date at the cost of what an operation has changed,
 * whatever the size of the machine. Equal states have equal digests; two different ones have the same digest by
 * chance once in 2^64.
 *
 * The digest is a sum (modulo 2^32, twice) with one term for each frame and one for each entry of a frame of the
 * guest's that is not zero, so a term can be taken out and another put in. A change that a model does not name is
 * not followed: its digest then differs from the other model's although the states are equal.
 */
import type { Model, ModelState } from '../../models/model.js';
import { WHOLE_FRAME } from '../../models/x86/changes.js';
import { SLOTS } from '../../models/x86/entry.js';
import { isGuests } from '../frames.js';
import { FrameSet } from './frame-set.js';

/** Terms of frames and terms of entries are numbered apart. */
const FRAME_TERM = -1;

export class StateDigest {
  /** Of each frame and its entries, in both sums. */
  private terms = new Terms(0);
  private low = 0;
  private high = 0;
  private machineLow = 0;
  private machineHigh = 0;
  /** Frames whose terms are not the start's. */
  private dirty = new FrameSet(0);
  private changed = new FrameSet(0);

  constructor(private readonly model: Model) {}

  /** Takes the model's state as it is, all of it. */
  read(): void {
    const { frameLimit } = this.model;
    this.terms = new Terms(frameLimit);
    this.dirty = new FrameSet(frameLimit);
    this.changed = new FrameSet(frameLimit);
    this.low = 0;
    this.high = 0;
    for (let mfn = 0; mfn < frameLimit; mfn++) this.readFrame(mfn, true);
    this.readMachine();
  }

  /** Goes back to the start state, to which the model has just been reset. */
  reset(): void {
    const { list, size } = this.dirty;
    for (let i = 0; i < size; i++) this.readFrame(list[i]!, true);
    this.dirty.clear();
    this.readMachine();
  }

  /** Follows the model's last operation. */
  follow(): void {
    const { changes, frameLimit } = this.model;
    for (let i = 0; i < changes.frameCount; i++) {
      if (changes.frames[i]! >>> 0 < frameLimit) this.changed.add(changes.frames[i]!);
    }
    for (let i = 0; i < changes.slotCount; i++)
      this.followSlot(changes.slots[2 * i]!, changes.slots[2 * i + 1]!);
    const { list, size } = this.changed;
    for (let i = 0; i < size; i++) this.readFrame(list[i]!, false);
    this.changed.clear();
    this.readMachine();
  }

  equals(other: StateDigest): boolean {
    return (
      ((this.low + this.machineLow) | 0) === ((other.low + other.machineLow) | 0) &&
      ((this.high + this.machineHigh) | 0) === ((other.high + other.machineHigh) | 0)
    );
  }

  toString(): string {
    const words = [this.high + this.machineHigh, this.low + this.machineLow];
    return words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private followSlot(mfn: number, slot: number): void {
    if (mfn >>> 0 >= this.model.frameLimit) return;
    this.changed.add(mfn);
    if (slot === WHOLE_FRAME) this.readEntries(mfn);
    else this.terms.put(mfn, slot, this.model.low(mfn, slot), this.model.high(mfn, slot));
  }

  private readEntries(mfn: number): void {
    const { model, terms } = this;
    terms.forget(mfn);
    for (let slot = model.nextUsed(mfn, 0); slot < SLOTS; slot = model.nextUsed(mfn, slot + 1))
      terms.put(mfn, slot, model.low(mfn, slot), model.high(mfn, slot));
  }

  /** Puts the frame's present term into the sums, in the place of its last one. */
  private readFrame(mfn: number, entries: boolean): void {
    const { model, terms } = this;
    const info = model.info(mfn);
    const guests = isGuests(info);
    if (entries || (guests && terms.owned[mfn] === 0)) this.readEntries(mfn);
    terms.owned[mfn] = guests ? 1 : 0;
    this.dirty.add(mfn);
    readFrameTerm(model, mfn, info);
    const low = (termLow + (guests ? terms.contentLow[mfn]! : 0)) | 0;
    const high = (termHigh + (guests ? terms.contentHigh[mfn]! : 0)) | 0;
    this.low = (this.low + low - terms.low[mfn]!) | 0;
    this.high = (this.high + high - terms.high[mfn]!) | 0;
    terms.low[mfn] = low;
    terms.high[mfn] = high;
  }

  private readMachine(): void {
    readMachineTerm(this.model);
    this.machineLow = termLow;
    this.machineHigh = termHigh;
  }
}

/** What stands in the sums now, by frame; and of each entry, to be taken out of its frame's content. */
class Terms {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly contentLow: Int32Array;
  readonly contentHigh: Int32Array;
  /** 1 where the content counted last. */
  readonly owned: Uint8Array;
  private readonly page: Int32Array;
  private pages = 1;
  /** Two words an entry; page 0 stands for frames of which no entry was ever read. */
  private entries = new Int32Array(2 * SLOTS);

  constructor(frames: number) {
    this.low = new Int32Array(frames);
    this.high = new Int32Array(frames);
    this.contentLow = new Int32Array(frames);
    this.contentHigh = new Int32Array(frames);
    this.owned = new Uint8Array(frames);
    this.page = new Int32Array(frames);
  }

  put(mfn: number, slot: number, low: number, high: number): void {
    if (this.page[mfn] === 0) this.newPage(mfn);
    const at = (this.page[mfn]! * SLOTS + slot) * 2;
    readEntryTerm(mfn, slot, low, high);
    this.contentLow[mfn] = this.contentLow[mfn]! + termLow - this.entries[at]!;
    this.contentHigh[mfn] = this.contentHigh[mfn]! + termHigh - this.entries[at + 1]!;
    this.entries[at] = termLow;
    this.entries[at + 1] = termHigh;
  }

  /** Of a frame whose entries are all to be read anew. */
  forget(mfn: number): void {
    const page = this.page[mfn]!;
    if (page !== 0) this.entries.fill(0, page * SLOTS * 2, (page + 1) * SLOTS * 2);
    this.contentLow[mfn] = 0;
    this.contentHigh[mfn] = 0;
  }

  private newPage(mfn: number): void {
    this.page[mfn] = this.pages++;
    if (this.pages * SLOTS * 2 <= this.entries.length) return;
    const larger = new Int32Array(this.entries.length * 2);
    larger.set(this.entries);
    this.entries = larger;
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

/** None for an entry that is all zero. */
function readEntryTerm(mfn: number, slot: number, low: number, high: number): void {
  termLow = 0;
  termHigh = 0;
  if ((low | high) === 0) return;
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
