/**
 * The canonical digest of a state: the same for all states that differ in the names of the machine's frames only.
 *
 * The alphabet names every frame in the same way, and so do both models, with window i as the name of frame i; so a
 * renamed state has the renamed successors. Slots are not alike: a validation that fails has adjusted the entries
 * before the one that it fails at, so what is left depends on their order (rules 2.2, 2.6).
 *
 * Of frames that are no table the contents may be left out, and with them what nobody can tell from that (`left-out.ts`).
 *
 * A digest is a sum over the frames, the boot tables and the vCPU, so a successor's costs what has changed.
 */
import type { ModelState } from '../../models/model.js';
import { type Changes, WHOLE_FRAME } from '../../models/x86/changes.js';
import { A, D, G, mfnOf, P, SLOTS, US } from '../../models/x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED } from '../../models/x86/page-type.js';
import { holdsData } from './left-out.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine, type Range } from '../program/machine.js';
import { Digests, Links, Renaming, spread, WINDOW } from './renaming.js';

const { B1, B4, K3 } = BOOT_MFN;
const FLAGS_LOW = 0xfff;
const FLAGS_HIGH = ~0xfffff;
/** Where names do not count: an entry names the frame that it is in, or another one of the machine's. */
const ITSELF = (1 << 18) - 1;
const ANOTHER = (1 << 18) - 2;
/** Of the type of a frame that has no type reference nothing is left that decides anything but a flush (rules 1.4). */
const LEFTOVER = ~(INFO_TYPE | INFO_VALIDATED);

/** What a vCPU uses a frame as, bit for bit. */
const KERNEL = 1 << 0;
const USER = 1 << 1;
const LOADED = 1 << 2;
const DEFERRED = 1 << 3;
const PARENT = 1 << 4;
const GDT = 1 << 5;

export class Canonical {
  /** The digest read last. */
  low = 0;
  high = 0;
  /** Of the changes read last: some are of what is known of a frame that no operation names, which no digest tells. */
  missesSome = false;
  private readonly frames: number;
  /** Number of the boot tables, which come after the frames. */
  private readonly tables: number;
  /** Digests of the frames and boot tables in the state entered, and after them of those that have changed since. */
  private readonly digests: Digests;
  private readonly links: Links;
  /** For each frame and boot table, which of these is its own. */
  private readonly places: Int32Array;
  /** What the vCPU uses the frames as, and their colours with that. */
  private readonly uses: Int32Array;
  private readonly colours: Digests;
  private readonly renaming: Renaming | undefined;
  /** What the vCPU had when it was read last, and the digest of that. */
  private base = -1;
  private user = 0;
  private loaded = 0;
  private gdt = 0;
  private vcpuLow = 0;
  private vcpuHigh = 0;
  private hashLow = 0;
  private hashHigh = 0;

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
    symmetry: boolean,
    private readonly boot: boolean,
    private readonly leftOut: number,
  ) {
    this.frames = frames;
    const [{ mfn, count }] = start.ram as [Range]; // those without a name follow
    this.tables = (boot ? mfn + count : (arch === 'x86_64' ? B4 : K3) + 1) - B1;
    this.readOnly = arch === 'x86_64' ? P | US | G : P | US;
    this.kept = leftOut === 0 ? 0 : arch === 'x86_64' ? A | D : A | D | US;
    const all = frames + this.tables;
    this.digests = new Digests(2 * all);
    this.links = new Links(2 * all);
    this.places = new Int32Array(all);
    this.uses = new Int32Array(frames);
    this.colours = new Digests(frames);
    this.renaming = symmetry ? new Renaming(frames, this.links) : undefined;
  }

  /** Reads the state, in which operations are to be tried. */
  enter(): void {
    const { places } = this;
    for (let one = 0; one < places.length; one++) this.readOne(one, (places[one] = one));
    this.readDigest();
  }

  /** Reads a state that is the one entered but for these changes. */
  read(changes: Changes): void {
    const { places } = this;
    for (let one = 0; one < places.length; one++) places[one] = one;
    this.missesSome = false;
    for (let i = 0; i < changes.frameCount; i++) {
      const one = this.numberOf(changes.frames[i]!);
      if (one < 0) this.missesSome = true;
      else this.readAgain(one);
    }
    for (let i = 0; i < changes.slotCount; i++)
      this.readWritten(changes.slots[2 * i]!, changes.slots[2 * i + 1]!);
    this.readDigest();
  }

  private readWritten(mfn: number, slot: number): void {
    const { frames } = this;
    const one = this.numberOf(mfn);
    if (one < 0) return;
    if (one < frames || (this.boot && !(mfn === B1 && slot >= 0 && slot < frames))) this.readAgain(one);
    if (mfn !== B1) return;
    if (slot === WHOLE_FRAME) for (let i = 0; i < frames; i++) this.readAgain(i);
    else if (slot < frames) this.readAgain(slot);
  }

  /** The number of a frame, or a boot table's after them; -1 for others. */
  private numberOf(mfn: number): number {
    if (mfn >= FIRST_FRAME_MFN) return mfn < FIRST_FRAME_MFN + this.frames ? mfn - FIRST_FRAME_MFN : -1;
    return mfn >= B1 && mfn < B1 + this.tables ? this.frames + mfn - B1 : -1;
  }

  private readAgain(one: number): void {
    const { places } = this;
    if (places[one] === one) this.readOne(one, (places[one] = places.length + one));
  }

  private readOne(one: number, place: number): void {
    const { frames, digests } = this;
    this.begin();
    if (one < frames) this.addFrame(one, place);
    else this.addTable(B1 + one - frames, place);
    const { hashLow, hashHigh } = this;
    digests.set(place, spread(hashLow), spread(hashHigh ^ hashLow));
  }

  private addFrame(i: number, place: number): void {
    const mfn = FIRST_FRAME_MFN + i;
    const idle = this.isIdle(i);
    this.links.clear(place);
    if (!this.renaming) this.word(i);
    this.addInfo(mfn, idle ? 1 : 0);
    if (idle) this.addNothing();
    else this.addEntry(place, mfn, WINDOW, B1, i);
    this.addEntries(place, mfn, this.leftOut > 0 && holdsData(this.state, mfn) ? this.leftOut : 0);
  }

  private addTable(mfn: number, place: number): void {
    this.word(mfn);
    this.addInfo(mfn, 0);
    if (this.boot) this.addEntries(place, mfn, mfn === B1 ? this.frames : 0);
  }

  private readDigest(): void {
    const { colours, digests, places, uses, frames, renaming } = this;
    this.readVcpu();
    let low = this.vcpuLow;
    let high = this.vcpuHigh;
    for (let one = renaming ? frames : 0; one < places.length; one++) {
      low = (low + digests.low[places[one]!]!) | 0;
      high = (high + digests.high[places[one]!]!) | 0;
    }
    if (renaming) {
      for (let i = 0; i < frames; i++) {
        const use = Math.imul(uses[i]!, 0x9e3779b1);
        colours.set(i, digests.low[places[i]!]! ^ use, digests.high[places[i]!]! ^ use);
      }
      renaming.read(colours, places);
      low = (low + renaming.low) | 0;
      high = (high + renaming.high) | 0;
    }
    this.low = low;
    this.high = high;
  }

  /** Few operations change what the vCPU has, so the digest of what was read last mostly serves again. */
  private readVcpu(): void {
    const { state, base, user, loaded, gdt } = this;
    const gdtFrame = state.gdtFrames() === 0 ? 0 : state.gdtFrame(0); // no operation names a second one
    const same = state.kernelBase() === base && state.userBase() === user && state.loadedBase() === loaded;
    if (same && gdtFrame === gdt && state.deferred() === 0) return;
    this.base = state.kernelBase();
    this.user = state.userBase();
    this.loaded = state.loadedBase();
    this.gdt = gdtFrame;
    this.uses.fill(0);
    this.begin();
    this.addUse(this.base, KERNEL);
    this.addUse(this.user, USER);
    this.addUse(this.loaded, LOADED);
    this.addUse(gdtFrame, GDT);
    if (state.deferred() !== 0) {
      this.addUse(state.deferred(), DEFERRED);
      this.addUse(state.deferredParent(), PARENT);
      this.word(state.deferredWhole());
      this.base = -1; // not again
    }
    this.vcpuLow = spread(this.hashLow);
    this.vcpuHigh = spread(this.hashHigh ^ this.hashLow);
  }

  private addUse(mfn: number, use: number): void {
    const i = mfn - FIRST_FRAME_MFN;
    const isRenamed = this.renaming !== undefined && i >= 0 && i < this.frames;
    if (isRenamed) this.uses[i]! |= use;
    this.word(isRenamed ? ANOTHER : mfn);
  }

  /** Counts of so small a machine and so few operations have less than eight bits. */
  private addInfo(mfn: number, idle: number): void {
    const { state } = this;
    const info = state.info(mfn);
    const count = state.typeCount(mfn);
    const lost = state.lostTypeReferences(mfn) ^ (state.lostGeneralReferences(mfn) << 8);
    this.word((count === 0 ? info & LEFTOVER : info) | (state.partialFrom(mfn) << 16));
    this.word(count ^ ((state.generalCount(mfn) - idle) << 16));
    this.word((state.linearCount(mfn) << 16) ^ lost);
  }

  /** The window maps its frame read-only, which is as good as not mapping it: one general reference more. */
  private isIdle(i: number): boolean {
    if (this.leftOut === 0) return false;
    const low = this.state.low(B1, i);
    return (low & FLAGS_LOW) === this.readOnly && mfnOf(low, this.state.high(B1, i)) === FIRST_FRAME_MFN + i;
  }

  private addEntries(place: number, mfn: number, from: number): void {
    const { state } = this;
    for (let slot = state.nextUsed(mfn, from); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1))
      this.addEntry(place, mfn, slot, mfn, slot);
  }

  /** An entry, which counts as one of `mfn` in `slot`. */
  private addEntry(place: number, mfn: number, slot: number, table: number, at: number): void {
    const low = this.state.low(table, at);
    const high = this.state.high(table, at);
    const flags = low & FLAGS_LOW & (at < this.leftOut || slot === WINDOW ? ~this.kept : -1);
    this.word(slot | (flags << 16));
    this.word(this.named(place, mfn, slot, mfnOf(low, high)) ^ (high & FLAGS_HIGH));
  }

  /** For a window that maps nothing. */
  private addNothing(): void {
    this.word(WINDOW);
    this.word(0);
  }

  private named(place: number, mfn: number, slot: number, named: number): number {
    const i = named - FIRST_FRAME_MFN;
    if (!this.renaming || i < 0 || i >= this.frames) return named;
    if (named === mfn) return ITSELF;
    this.links.add(place, slot, i);
    return ANOTHER;
  }

  private begin(): void {
    this.hashLow = 0x243f6a88;
    this.hashHigh = 0x13198a2e;
  }

  private word(word: number): void {
    const low = Math.imul(this.hashLow ^ word, 0x9e3779b1);
    const high = Math.imul(this.hashHigh ^ word, 0x85ebca77);
    this.hashLow = ((low ^ (low >>> 15)) + 0x7ed55d16) | 0;
    this.hashHigh = ((high ^ (high >>> 13)) + 0x165667b1) | 0;
  }
}
