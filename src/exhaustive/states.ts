/**
 * The states that an exploration knows, numbered in the order of their discovery. All are on disk; a hash table holds
 * the digests of as many as memory has room for, and workers read it along. Once it holds the latest only, a state that
 * is added may be one of the others: `settle` finds out at the end of each depth.
 */
import { STATE_WORDS, StateFile } from './state-file.js';

/** Share of the table that may be in use. */
const LOAD = 0.6;
/** Bytes of a slot of the table: a digest. */
const SLOT_BYTES = 8;
/** The table's first slot: how many slots are in use, less one. A small table stays in the processor's caches. */
const MASK = 0;
const FIRST_SLOTS = 1 << 16;

export class States {
  /** Digests by hash, two words each; a pair of zeros is free. Shared with the workers. */
  readonly table: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly slots: number;
  private readonly file: StateFile;
  /** Digests in the table. */
  private held = 0;
  /** The table holds all states. */
  private whole = true;

  /**
   * @param bytes most memory for the table
   * @param path of the file; what is in it already is taken up to the number of states `resume`
   */
  constructor(bytes: number, path: string, resume = 0) {
    this.slots = 2 ** Math.floor(Math.log2(bytes / SLOT_BYTES));
    this.table = new SharedArrayBuffer((this.slots + 1) * SLOT_BYTES);
    this.words = new Int32Array(this.table);
    this.words[MASK] = Math.min(FIRST_SLOTS, this.slots) - 1;
    this.file = new StateFile(path, resume);
    while (this.limit < resume && this.words[MASK]! + 1 < this.slots)
      this.words[MASK] = this.words[MASK]! * 2 + 1;
    this.hold(this.limit < resume ? resume - Math.floor(this.limit / 2) : 0);
  }

  /** States added; some of them may be others again until they are settled. */
  get count(): number {
    return this.file.count;
  }

  /** There has to be made room before anything is added, and nobody may read the table meanwhile. */
  get isCrowded(): boolean {
    return this.held >= this.limit;
  }

  /** Makes the table larger, or forgets the digests of all but the latest states. */
  makeRoom(): void {
    this.file.flush();
    const slots = this.words[MASK]! + 1;
    if (slots < this.slots) {
      this.words[MASK] = 2 * slots - 1;
      this.hold(0);
    } else this.hold(this.count - Math.floor(this.limit / 2));
  }

  /** Adds a state unless the table holds it; whether it was added. */
  add(low: number, high: number, before: number, step: number): boolean {
    if (!insert(this.words, low, high)) return false;
    this.held++;
    this.file.add(low, high, before, step);
    return true;
  }

  /**
   * Brings all states to disk, and leaves out of those from `known` on what is there already: of several with one digest
   * the first stays, so that the states and their numbers are the same whatever room there was. The file is read as many
   * times as the table has room for a part of the digests. Nobody may read the table meanwhile.
   */
  settle(known: number): void {
    this.file.flush();
    if (this.whole) return;
    this.words[MASK] = this.slots - 1;
    const parts = Math.ceil(this.count / this.limit);
    for (let part = 0; part < parts; part++) this.settlePart(known, part, parts);
    this.file.compact(known);
    this.hold(Math.max(0, this.count - Math.floor(this.limit / 2)));
  }

  /** Writes the steps that lead to the state into `path`, which has as many places. */
  pathTo(state: number, path: Uint32Array): void {
    this.file.pathTo(state, path);
  }

  close(): void {
    this.file.close();
  }

  private get limit(): number {
    return Math.floor((this.words[MASK]! + 1) * LOAD);
  }

  /** Puts the states from this one on into the table, and no others. */
  private hold(from: number): void {
    this.clear();
    for (const { words } of this.file.blocks(from))
      for (let at = 0; at < words.length; at += STATE_WORDS)
        if (insert(this.words, words[at]!, words[at + 1]!)) this.held++;
    this.whole = from === 0;
  }

  private clear(): void {
    this.words.fill(0, 2, 2 + 2 * (this.words[MASK]! + 1));
    this.held = 0;
  }

  /** Of the digests in one of so many parts, makes those zero that come a second time. */
  private settlePart(known: number, part: number, parts: number): void {
    this.clear();
    for (const { first, words } of this.file.blocks(0)) {
      let again = false;
      for (let at = 0; at < words.length; at += STATE_WORDS) {
        const low = words[at]!;
        const high = words[at + 1]!;
        if ((high >>> 0) % parts !== part || insert(this.words, low, high)) continue;
        if (first + at / STATE_WORDS < known) throw new Error('a state is known twice');
        words[at] = words[at + 1] = 0;
        again = true;
      }
      if (again) this.file.write(first, words);
    }
  }
}

/** Whether a table that somebody else may be adding to holds the digest. A state just added may be missed. */
export function knownIn(table: SharedArrayBuffer): (low: number, high: number) => boolean {
  const words = new Int32Array(table);
  return (low, high) => find(words, low, high) < 0;
}

/** Adds the digest; false if it was there. */
function insert(words: Int32Array, low: number, high: number): boolean {
  const at = find(words, low, high);
  if (at < 0) return false;
  words[at] = low;
  words[at + 1] = high;
  return true;
}

/** Where the digest could be put; -1 if it is there. */
function find(words: Int32Array, low: number, high: number): number {
  const mask = words[MASK]!;
  for (let slot = (low ^ (high >>> 7)) & mask; ; slot = (slot + 1) & mask) {
    const at = slot * 2 + 2;
    if (words[at] === low && words[at + 1] === high) return -1;
    if (words[at] === 0 && words[at + 1] === 0) return at;
  }
}
