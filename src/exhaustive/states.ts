/**
 * The states that an exploration knows, numbered in the order of their discovery: a hash table of their digests, which
 * workers read along, and how each was reached. All of it is appended to a file, from which a run goes on after it
 * was killed.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { TextError } from '../text/error.js';

/** Bytes of a state in the file: digest, state before, operation. */
const RECORD_BYTES = 16;
const BLOCK = 4096;
/** Share of the table that may be in use. */
const LOAD = 0.6;
/** Bytes of a slot of the table: a digest. */
const SLOT_BYTES = 8;
/** The table's first slot: how many slots are in use, less one. A small table stays in the processor's caches. */
const MASK = 0;
const FIRST_SLOTS = 1 << 16;

export class States {
  count = 0;
  /** Digests by hash, two words each; a pair of zeros is free. Shared with the workers. */
  readonly table: SharedArrayBuffer;
  readonly capacity: number;
  private readonly words: Int32Array;
  private readonly before: Int32Array;
  private readonly operation: Uint16Array;
  private readonly file: number;
  private readonly block = Buffer.alloc(BLOCK * RECORD_BYTES);
  private blocked = 0;

  /**
   * @param bytes most memory for the states
   * @param path of the file; what is in it already is taken up to the number of states `resume`
   */
  constructor(
    bytes: number,
    private readonly path: string,
    resume = 0,
  ) {
    // Of each slot of the table 8 bytes, and 6 for each state in the share of them that may be in use.
    const slots = 2 ** Math.floor(Math.log2(bytes / (SLOT_BYTES + 6 * LOAD)));
    this.capacity = Math.floor(slots * LOAD);
    this.table = new SharedArrayBuffer((slots + 1) * SLOT_BYTES);
    this.words = new Int32Array(this.table);
    this.words[MASK] = Math.min(FIRST_SLOTS, slots) - 1;
    this.before = new Int32Array(this.capacity);
    this.operation = new Uint16Array(this.capacity);
    this.file = openSync(path, resume > 0 ? 'r+' : 'w+');
    if (resume > 0) this.load(resume);
  }

  /** The table has to grow before anything is added, and nobody may read it meanwhile. */
  get isCrowded(): boolean {
    return this.count >= (this.words[MASK]! + 1) * LOAD && this.count < this.capacity;
  }

  grow(): void {
    const { words } = this;
    const slots = words[MASK]! + 1;
    const digests = words.slice(2, 2 + 2 * slots);
    words.fill(0, 2, 2 + 2 * slots);
    words[MASK] = slots * 2 - 1;
    for (let i = 0; i < digests.length; i += 2)
      if (digests[i] !== 0 || digests[i + 1] !== 0) insert(words, digests[i]!, digests[i + 1]!);
  }

  get isFull(): boolean {
    return this.count >= this.capacity;
  }

  /** Adds a state, if it is new and there is room; whether it was added. */
  add(low: number, high: number, before: number, operation: number): boolean {
    if (this.isFull || !insert(this.words, low, high)) return false;
    this.before[this.count] = before;
    this.operation[this.count] = operation;
    this.count++;
    const at = this.blocked++ * RECORD_BYTES;
    this.block.writeInt32LE(low, at);
    this.block.writeInt32LE(high, at + 4);
    this.block.writeInt32LE(before, at + 8);
    this.block.writeInt32LE(operation, at + 12);
    if (this.blocked === BLOCK) this.flush();
    return true;
  }

  /** Writes the operations that lead to the state into `path`, which has as many places. */
  pathTo(state: number, path: Uint16Array): void {
    for (let i = path.length - 1, at = state; i >= 0; i--) {
      path[i] = this.operation[at]!;
      at = this.before[at]!;
    }
  }

  /** Brings all states to the file. */
  flush(): void {
    try {
      writeSync(
        this.file,
        this.block,
        0,
        this.blocked * RECORD_BYTES,
        (this.count - this.blocked) * RECORD_BYTES,
      );
    } catch (error) {
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
      throw new TextError(this.path, 0, 0, `cannot write it: ${full ? 'no space is left' : String(error)}`);
    }
    this.blocked = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.file);
  }

  /** Takes the first `states` of the file; what was written after them belongs to a depth that was not completed. */
  private load(states: number): void {
    if (fstatSync(this.file).size < states * RECORD_BYTES)
      throw new TextError(
        this.path,
        0,
        0,
        `holds fewer than ${states} states, expected those of progress.json`,
      );
    ftruncateSync(this.file, states * RECORD_BYTES);
    while (this.count < states) {
      const take = Math.min(BLOCK, states - this.count);
      readSync(this.file, this.block, 0, take * RECORD_BYTES, this.count * RECORD_BYTES);
      for (let i = 0; i < take; i++) {
        const at = i * RECORD_BYTES;
        if (this.isCrowded) this.grow();
        insert(this.words, this.block.readInt32LE(at), this.block.readInt32LE(at + 4));
        this.before[this.count] = this.block.readInt32LE(at + 8);
        this.operation[this.count++] = this.block.readInt32LE(at + 12);
      }
      if (this.isFull && this.count < states)
        throw new TextError(this.path, 0, 0, `holds ${states} states, expected a larger --memory`);
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
