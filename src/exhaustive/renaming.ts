/**
 * A digest of frames that name each other, the same whatever they are called.
 *
 * What a frame is by itself is its colour; entries that name other frames are its links. The digest is a sum over the
 * frames. Where all colours differ they are as good as names. Else the links of each frame are brought into its colour,
 * and those that are alike still are numbered in every way that there is: the smallest sum counts.
 */
import { SLOTS } from '../../models/x86/entry.js';

/** The slot of a link that is the frame's window. */
export const WINDOW = SLOTS;
const LINKS_MAX = SLOTS + 1;
/** A link is one word: its slot, and the frame that it names. */
const SLOT_SHIFT = 8;
const FRAME_MASK = (1 << SLOT_SHIFT) - 1;
/** Mixed into a frame's colour with a link: the frame has it, or is named by it. */
const FROM = 0x2545f491;
const TO = 0x61c88647;

/** Digests of two words. */
export class Digests {
  readonly low: Int32Array;
  readonly high: Int32Array;

  constructor(size: number) {
    this.low = new Int32Array(size);
    this.high = new Int32Array(size);
  }

  set(at: number, low: number, high: number): void {
    this.low[at] = low;
    this.high[at] = high;
  }

  compare(one: number, other: number): number {
    const { low, high } = this;
    return high[one]! - high[other]! || low[one]! - low[other]!;
  }
}

/** For each of so many places, entries that name other frames. */
export class Links {
  private readonly counts: Int32Array;
  private readonly links: Int32Array;

  constructor(places: number) {
    this.counts = new Int32Array(places);
    this.links = new Int32Array(places * LINKS_MAX);
  }

  clear(place: number): void {
    this.counts[place] = 0;
  }

  add(place: number, slot: number, frame: number): void {
    this.links[place * LINKS_MAX + this.counts[place]!++] = (slot << SLOT_SHIFT) | frame;
  }

  count(place: number): number {
    return this.counts[place]!;
  }

  slot(place: number, index: number): number {
    return this.links[place * LINKS_MAX + index]! >> SLOT_SHIFT;
  }

  frame(place: number, index: number): number {
    return this.links[place * LINKS_MAX + index]! & FRAME_MASK;
  }
}

export class Renaming {
  /** The digest read last. */
  low = 0;
  high = 0;
  /** Frame by frame, in each order that there is. */
  private readonly orders: readonly Int32Array[];
  private readonly refined: Digests;
  private readonly names: Digests;
  /** Frames with a link, or named by one. */
  private readonly linked: Uint8Array;
  private sumLow = 0;
  private sumHigh = 0;

  constructor(
    private readonly frames: number,
    private readonly links: Links,
  ) {
    const all = Array.from({ length: frames }, (_, i) => i);
    this.orders = permutations(all).map((order) => Int32Array.from(order));
    this.refined = new Digests(frames);
    this.names = new Digests(frames);
    this.linked = new Uint8Array(frames);
  }

  /** Of frames of these colours, whose links are at these places. */
  read(colours: Digests, places: Int32Array): void {
    if (this.areDifferent(colours)) {
      this.sum(colours, places);
      this.low = this.sumLow;
      this.high = this.sumHigh;
      return;
    }
    this.refine(colours, places);
    let first = true;
    for (let i = 0; i < this.orders.length; i++) {
      const order = this.orders[i]!;
      if (!this.isByColour(order)) continue;
      this.number(order);
      this.sum(this.names, places);
      const { sumLow, sumHigh } = this;
      if (first || sumHigh < this.high || (sumHigh === this.high && sumLow < this.low)) {
        this.low = sumLow;
        this.high = sumHigh;
      }
      first = false;
    }
  }

  private areDifferent(colours: Digests): boolean {
    for (let i = 1; i < this.frames; i++)
      for (let k = 0; k < i; k++) if (colours.compare(i, k) === 0) return false;
    return true;
  }

  private sum({ low, high }: Digests, places: Int32Array): void {
    const { links } = this;
    this.sumLow = this.sumHigh = 0;
    for (let i = 0; i < this.frames; i++) {
      let frameLow = low[i]!;
      let frameHigh = high[i]!;
      const place = places[i]!;
      for (let k = links.count(place) - 1; k >= 0; k--) {
        const slot = Math.imul(links.slot(place, k) + 1, FROM);
        const named = links.frame(place, k);
        frameLow = (frameLow + spread(low[named]! ^ slot)) | 0;
        frameHigh = (frameHigh + spread(high[named]! ^ slot)) | 0;
      }
      this.sumLow = (this.sumLow + spread(frameLow)) | 0;
      this.sumHigh = (this.sumHigh + spread(frameHigh)) | 0;
    }
  }

  private refine({ low, high }: Digests, places: Int32Array): void {
    const { refined, links, linked } = this;
    linked.fill(0);
    for (let i = 0; i < this.frames; i++) refined.set(i, spread(low[i]!), spread(high[i]!));
    for (let i = 0; i < this.frames; i++)
      for (let place = places[i]!, k = links.count(place) - 1; k >= 0; k--) {
        const slot = links.slot(place, k) + 1;
        const named = links.frame(place, k);
        linked[i] = linked[named] = 1;
        const from = Math.imul(slot, FROM);
        const to = Math.imul(slot, TO);
        refined.low[i]! += spread(low[named]! ^ from);
        refined.high[i]! += spread(high[named]! ^ from);
        refined.low[named]! += spread(low[i]! ^ to);
        refined.high[named]! += spread(high[i]! ^ to);
      }
  }

  /** Frames without links that are alike stay as they are: it makes no difference. */
  private isByColour(order: Int32Array): boolean {
    const { refined, linked } = this;
    for (let i = 1; i < order.length; i++) {
      const before = order[i - 1]!;
      const after = order[i]!;
      const way = refined.compare(before, after);
      if (way > 0 || (way === 0 && linked[after] === 0 && before > after)) return false;
    }
    return true;
  }

  /** Makes names of refined colours. */
  private number(order: Int32Array): void {
    const { names, refined } = this;
    for (let i = 0; i < order.length; i++) {
      const frame = order[i]!;
      names.set(frame, spread(refined.low[frame]! + i), spread(refined.high[frame]! + i));
    }
  }
}

export function spread(hash: number): number {
  const a = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return b ^ (b >>> 16);
}

function permutations(list: readonly number[]): number[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}
