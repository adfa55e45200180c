/**
 * The canonical digest of a state: the same for all states that differ in the names of the machine's frames only.
 *
 * The alphabet names every frame in the same way, and so do both models, with window i as the name of frame i; so a
 * renamed state has the renamed successors. Slots are not alike: a validation that fails has adjusted the entries
 * before the one that it fails at, so what is left depends on their order (rules 2.2, 2.6).
 *
 * Of frames that are no table the contents may be left out, and with them what nobody can tell from that (`left-out.ts`).
 *
 * Of the renamings only those are tried that put the frames in the order of their colours: what a frame is by itself,
 * whatever the frames are called. Mostly that is one.
 */
import type { ModelState } from '../../models/model.js';
import type { Changes } from '../../models/x86/changes.js';
import { A, D, G, mfnOf, P, SLOTS, US } from '../../models/x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED } from '../../models/x86/page-type.js';
import { holdsData } from './left-out.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine, type Range } from '../program/machine.js';

const { B1, B4, K3 } = BOOT_MFN;
/** After the entries of a frame; no slot and flags. */
const END = -1;
const FLAGS_LOW = 0xfff;
const FLAGS_HIGH = ~0xfffff;
/** Renamed frames are numbered from here on; no frame number of the standard layout is. */
const RENAMED = 1 << 18;
/** In a colour, of an entry: it names the frame that it is in, or another one of the machine's. */
const ITSELF = RENAMED - 1;
const ANOTHER = RENAMED - 2;
/** Of the type of a frame that has no type reference nothing is left that decides anything but a flush (rules 1.4). */
const LEFTOVER = ~(INFO_TYPE | INFO_VALIDATED);

export class Canonical {
  /** The digest read last. */
  low = 0;
  high = 0;
  private readonly frames: number;
  /** Each a frame for every place in the order of colours. */
  private readonly orders: readonly Int32Array[];
  private readonly colours: Int32Array;
  /** Those of the state entered. */
  private readonly entered: Int32Array;
  private readonly names: Int32Array;
  private bootLow = 0;
  private bootHigh = 0;
  private hashLow = 0;
  private hashHigh = 0;

  private readonly lastBoot: number;
  /** Of a window that maps its frame read-only, as Xen stores it. */
  private readonly readOnly: number;
  /** Flags that an entry may have kept from what its frame was before, and that no operation looks at. */
  private readonly kept: number;

  /**
   * Of this machine; `boot` says whether the alphabet has operations on the contents of boot tables besides windows.
   * `leftOut` is the number of slots of each frame that are left out while the frame is no table.
   */
  constructor(
    private readonly state: ModelState,
    { arch, frames, start }: Machine,
    private readonly symmetry: boolean,
    private readonly boot: boolean,
    private readonly leftOut: number,
  ) {
    this.frames = frames;
    const [{ mfn, count }] = start.ram as [Range]; // those without a name follow
    this.lastBoot = boot ? mfn + count - 1 : arch === 'x86_64' ? B4 : K3;
    this.readOnly = arch === 'x86_64' ? P | US | G : P | US;
    this.kept = leftOut === 0 ? 0 : arch === 'x86_64' ? A | D : A | D | US;
    const own = Array.from({ length: frames }, (_, i) => i);
    this.orders = (symmetry ? permutations(own) : [own]).map((one) => Int32Array.from(one));
    this.colours = new Int32Array(frames);
    this.entered = new Int32Array(frames);
    this.names = new Int32Array(frames);
  }

  /** Reads the state, in which operations are to be tried. */
  enter(): void {
    if (this.symmetry) for (let i = 0; i < this.frames; i++) this.entered[i] = this.colourOf(i);
    this.colours.set(this.entered);
    this.readBootInfo();
    this.readDigest();
  }

  /** Reads a state that is the one entered but for these changes. */
  read(changes: Changes): void {
    if (this.symmetry) this.recolour(changes);
    const { bootLow, bootHigh } = this;
    if (this.concernsBoot(changes)) this.readBootInfo();
    this.readDigest();
    this.bootLow = bootLow;
    this.bootHigh = bootHigh;
  }

  /** Something changed that no digest tells: what is known of a frame that no operation names. */
  missesSome({ frames, frameCount }: Changes): boolean {
    for (let i = 0; i < frameCount; i++) {
      const mfn = frames[i]!;
      if (this.frameBit(mfn) === 0 && (mfn < B1 || mfn > this.lastBoot)) return true;
    }
    return false;
  }

  private concernsBoot({ frames, frameCount }: Changes): boolean {
    for (let i = 0; i < frameCount; i++) if (frames[i]! <= this.lastBoot) return true;
    return false;
  }

  /** What is known of the boot tables, which few operations change. */
  private readBootInfo(): void {
    this.begin();
    for (let mfn: number = B1; mfn <= this.lastBoot; mfn++) this.addInfo(mfn);
    this.bootLow = this.hashLow;
    this.bootHigh = this.hashHigh;
  }

  private recolour(changes: Changes): void {
    let changed = 0;
    for (let i = 0; i < changes.frameCount; i++) changed |= this.frameBit(changes.frames[i]!);
    for (let i = 0; i < changes.slotCount; i++) {
      const mfn = changes.slots[2 * i]!;
      changed |= this.frameBit(mfn === B1 ? FIRST_FRAME_MFN + changes.slots[2 * i + 1]! : mfn);
    }
    for (let i = 0; i < this.frames; i++)
      this.colours[i] = (changed >> i) & 1 ? this.colourOf(i) : this.entered[i]!;
  }

  private frameBit(mfn: number): number {
    const i = mfn - FIRST_FRAME_MFN;
    return i >= 0 && i < this.frames ? 1 << i : 0;
  }

  private readDigest(): void {
    const { orders } = this;
    let first = true;
    for (let i = 0; i < orders.length; i++) {
      const order = orders[i]!;
      if (!this.isByColour(order)) continue;
      this.readInOrder(order);
      const low = spread(this.hashLow);
      const high = spread(this.hashHigh ^ this.hashLow);
      if (first || high < this.high || (high === this.high && low < this.low)) {
        this.low = low;
        this.high = high;
      }
      first = false;
    }
  }

  private isByColour(order: Int32Array): boolean {
    const { colours } = this;
    for (let i = 1; i < order.length; i++) if (colours[order[i - 1]!]! > colours[order[i]!]!) return false;
    return true;
  }

  private colourOf(i: number): number {
    const { state } = this;
    const mfn = FIRST_FRAME_MFN + i;
    let colour = mixed(0, this.infoOf(mfn));
    const idle = this.isIdle(i);
    colour = mixed(colour, state.typeCount(mfn) ^ ((state.generalCount(mfn) - (idle ? 1 : 0)) << 16));
    colour = mixed(colour, idle ? 0 : this.flags(0, state.low(B1, i))); // its window
    for (
      let slot = state.nextUsed(mfn, this.firstSlot(mfn));
      slot < SLOTS;
      slot = state.nextUsed(mfn, slot + 1)
    ) {
      const low = state.low(mfn, slot);
      const high = state.high(mfn, slot);
      const named = mfnOf(low, high);
      const other = named - FIRST_FRAME_MFN;
      const what = named === mfn ? ITSELF : other >= 0 && other < this.frames ? ANOTHER : named;
      colour = mixed(colour, slot | (this.flags(slot, low) << 16));
      colour = mixed(colour, (high & FLAGS_HIGH) ^ what);
    }
    return colour;
  }

  private readInOrder(order: Int32Array): void {
    const { names, frames } = this;
    for (let place = 0; place < frames; place++) names[order[place]!] = RENAMED + place;
    this.begin();
    for (let place = 0; place < frames; place++) {
      const i = order[place]!;
      const idle = this.isIdle(i);
      this.addInfo(FIRST_FRAME_MFN + i, idle ? 1 : 0);
      this.addEntries(FIRST_FRAME_MFN + i);
      if (idle) this.addNothing(place);
      else this.addEntry(place, B1, i); // its window
    }
    this.word(this.bootLow);
    this.word(this.bootHigh);
    if (this.boot) this.addBootEntries();
    this.addVcpu();
  }

  private addBootEntries(): void {
    const { state } = this;
    for (let slot = state.nextUsed(B1, this.frames); slot < SLOTS; slot = state.nextUsed(B1, slot + 1))
      this.addEntry(slot, B1, slot);
    for (let mfn: number = B1 + 1; mfn <= this.lastBoot; mfn++) this.addEntries(mfn);
  }

  private addVcpu(): void {
    const { state } = this;
    this.word(this.name(state.kernelBase()));
    this.word(this.name(state.userBase()));
    this.word(this.name(state.loadedBase()));
    this.word(state.gdtFrames());
    for (let i = 0; i < state.gdtFrames(); i++) this.word(this.name(state.gdtFrame(i)));
    if (state.deferred() === 0) return;
    this.word(this.name(state.deferred()));
    this.word(state.deferredWhole());
    this.word(this.name(state.deferredParent()));
  }

  /** Counts of so small a machine and so few operations have less than eight bits. */
  private addInfo(mfn: number, idle = 0): void {
    const { state } = this;
    this.word(this.infoOf(mfn));
    this.word(state.typeCount(mfn) ^ ((state.generalCount(mfn) - idle) << 16));
    const lost = state.lostTypeReferences(mfn) ^ (state.lostGeneralReferences(mfn) << 8);
    this.word((state.linearCount(mfn) << 16) ^ lost);
  }

  private infoOf(mfn: number): number {
    const info = this.state.info(mfn);
    return (this.state.typeCount(mfn) === 0 ? info & LEFTOVER : info) | (this.state.partialFrom(mfn) << 16);
  }

  /** The window maps its frame read-only, which is as good as not mapping it: one general reference more. */
  private isIdle(i: number): boolean {
    if (this.leftOut === 0) return false;
    const low = this.state.low(B1, i);
    return (low & FLAGS_LOW) === this.readOnly && mfnOf(low, this.state.high(B1, i)) === FIRST_FRAME_MFN + i;
  }

  /** The first slot of the frame that is not left out. */
  private firstSlot(mfn: number): number {
    const own = mfn >= FIRST_FRAME_MFN && mfn < FIRST_FRAME_MFN + this.frames;
    return this.leftOut > 0 && own && holdsData(this.state, mfn) ? this.leftOut : 0;
  }

  private flags(slot: number, low: number): number {
    return low & FLAGS_LOW & (slot < this.leftOut ? ~this.kept : -1);
  }

  private addEntries(mfn: number): void {
    const { state } = this;
    for (
      let slot = state.nextUsed(mfn, this.firstSlot(mfn));
      slot < SLOTS;
      slot = state.nextUsed(mfn, slot + 1)
    )
      this.addEntry(slot, mfn, slot);
    this.word(END);
  }

  private addEntry(slotName: number, mfn: number, slot: number): void {
    const low = this.state.low(mfn, slot);
    const high = this.state.high(mfn, slot);
    this.word(slotName | (this.flags(mfn === B1 ? 0 : slot, low) << 16));
    this.word(this.name(mfnOf(low, high)) ^ (high & FLAGS_HIGH));
  }

  /** For an entry that is zero. */
  private addNothing(slotName: number): void {
    this.word(slotName);
    this.word(0);
  }

  private name(mfn: number): number {
    const i = mfn - FIRST_FRAME_MFN;
    return i >= 0 && i < this.frames ? this.names[i]! : mfn;
  }

  private begin(): void {
    this.hashLow = 0x243f6a88;
    this.hashHigh = 0x13198a2e;
  }

  private word(word: number): void {
    const high = Math.imul(this.hashHigh ^ word, 0x85ebca77);
    this.hashLow = mixed(this.hashLow, word);
    this.hashHigh = ((high ^ (high >>> 13)) + 0x165667b1) | 0;
  }
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return ((product ^ (product >>> 15)) + 0x7ed55d16) | 0;
}

function spread(hash: number): number {
  const a = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return b ^ (b >>> 16);
}

function permutations(list: readonly number[]): number[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}
