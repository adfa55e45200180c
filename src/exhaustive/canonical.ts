/**
 * The canonical digest of a state: the same for all states that differ in the names of the scope's frames only.
 *
 * The alphabet names every frame in the same way, and so do both models, with window i as the name of frame i; so a
 * renamed state has the renamed successors. Slots are not alike: a validation that fails has adjusted the entries
 * before the one that it fails at, so what is left depends on their order (rules 2.2, 2.6).
 */
import type { ModelState } from '../../models/model.js';
import { mfnOf, SLOTS } from '../../models/x86/entry.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import type { Scope } from './scope.js';

const { B1, B2, B3, B4, K3 } = BOOT_MFN;
const FLAGS_LOW = 0xfff;
const FLAGS_HIGH = ~0xff;
/** Renamed frames are numbered from here on; no frame number of the standard layout is. */
const RENAMED = 1 << 20;

export class Canonical {
  /** The digest read last. */
  low = 0;
  high = 0;
  /** The digest of the state under its own names: equal for a state that an operation left as it was. */
  ownLow = 0;
  ownHigh = 0;
  private readonly renamings: readonly Int32Array[];
  private readonly renamingsMade: number;
  private hashLow = 0;
  private hashHigh = 0;
  private sumLow = 0;
  private sumHigh = 0;

  constructor(
    private readonly state: ModelState,
    private readonly scope: Scope,
    symmetry = true,
  ) {
    const own = Int32Array.from({ length: scope.frames }, (_, i) => i);
    this.renamings = symmetry ? permutations([...own]).map((one) => Int32Array.from(one)) : [own];
    this.renamingsMade = this.renamings.length;
  }

  read(): void {
    for (let i = 0; i < this.renamingsMade; i++) {
      this.readAs(this.renamings[i]!);
      if (i === 0) {
        this.ownLow = this.sumLow;
        this.ownHigh = this.sumHigh;
      }
      const smaller =
        this.sumHigh >>> 0 < this.high >>> 0 ||
        (this.sumHigh === this.high && this.sumLow >>> 0 < this.low >>> 0);
      if (i > 0 && !smaller) continue;
      this.low = this.sumLow;
      this.high = this.sumHigh;
    }
  }

  private readAs(names: Int32Array): void {
    const { state } = this;
    this.sumLow = 0;
    this.sumHigh = 0;
    for (let i = 0; i < this.scope.frames; i++) this.addFrame(FIRST_FRAME_MFN + i, names);
    for (let mfn: number = B1; mfn <= K3; mfn++) this.addFrame(mfn, names);
    this.begin(-1);
    this.word(this.name(state.kernelBase(), names));
    this.word(this.name(state.userBase(), names));
    this.word(this.name(state.loadedBase(), names));
    this.word(this.name(state.deferred(), names));
    this.word(state.deferred() === 0 ? 0 : state.deferredWhole());
    this.word(state.deferred() === 0 ? 0 : this.name(state.deferredParent(), names));
    this.word(state.gdtFrames());
    for (let i = 0; i < state.gdtFrames(); i++) this.word(this.name(state.gdtFrame(i), names));
    this.end();
  }

  private addFrame(mfn: number, names: Int32Array): void {
    const { state } = this;
    const name = this.name(mfn, names);
    this.begin(name);
    this.word(state.info(mfn));
    this.word(state.typeCount(mfn));
    this.word(state.generalCount(mfn));
    this.word(state.linearCount(mfn));
    this.word(state.partialFrom(mfn));
    this.word(state.lostTypeReferences(mfn));
    this.word(state.lostGeneralReferences(mfn));
    this.end();
    if (mfn === B2 || mfn === B3 || mfn === B4) return; // no operation of the scope names them
    for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1)) {
      const low = state.low(mfn, slot);
      const high = state.high(mfn, slot);
      this.begin(name);
      this.word(this.slotName(mfn, slot, names));
      this.word(this.name(mfnOf(low, high), names));
      this.word(low & FLAGS_LOW);
      this.word(high & FLAGS_HIGH);
      this.end();
    }
  }

  private name(mfn: number, names: Int32Array): number {
    const i = mfn - FIRST_FRAME_MFN;
    return i >= 0 && i < names.length ? RENAMED + names[i]! : mfn;
  }

  private slotName(mfn: number, slot: number, names: Int32Array): number {
    return mfn === B1 && slot < names.length ? names[slot]! : slot;
  }

  private begin(word: number): void {
    this.hashLow = 0x243f6a88;
    this.hashHigh = 0x13198a2e;
    this.word(word);
  }

  private word(word: number): void {
    const low = Math.imul(this.hashLow ^ word, 0x9e3779b1);
    const high = Math.imul(this.hashHigh ^ word, 0x85ebca77);
    this.hashLow = ((low ^ (low >>> 15)) + 0x7ed55d16) | 0;
    this.hashHigh = ((high ^ (high >>> 13)) + 0x165667b1) | 0;
  }

  /** Terms are summed, so the order in which frames and entries are read does not matter. */
  private end(): void {
    this.sumLow = (this.sumLow + spread(this.hashLow)) | 0;
    this.sumHigh = (this.sumHigh + spread(this.hashHigh ^ this.hashLow)) | 0;
  }
}

function spread(hash: number): number {
  const a = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return b ^ (b >>> 16);
}

/** The identity first. */
function permutations(list: readonly number[]): number[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}
