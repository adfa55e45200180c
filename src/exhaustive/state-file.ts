/**
 * The states of an exploration on disk, in the order of their discovery, 16 bytes each: the digest, the state before,
 * the step. A run that was killed goes on from it. States are found in the order of the states before them, so
 * the ways to states that follow one another are read front to back at every depth.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { attempt } from '../database/finds.js';
import { TextError } from '../text/error.js';

/** Words of a state: digest, low and high; the state before; the step. */
export const STATE_WORDS = 4;
const STATE_BYTES = STATE_WORDS * 4;
/** States that are written, or read one after the other, at a time. */
const BLOCK = 4096;
/** States that are read at a time for each step of a way. */
const WINDOW = 512;
/** The state before is one word; and of so many digests two are the same as likely as not. */
const STATES_MAX = 2 ** 32;

/** Some states that follow one another: the first one's number, and their words. */
interface Block {
  readonly first: number;
  readonly words: Int32Array;
}

export class StateFile {
  /** States added, in the file or on their way there. */
  count = 0;
  private readonly file: number;
  private readonly unwritten = new Int32Array(BLOCK * STATE_WORDS);
  /** States in the file. */
  private written = 0;
  /** For each step of a way, the states of its depth that were read last. */
  private readonly windows: Block[] = [];

  /**
   * @param resume states to take of the file there is; what was written after them belongs to a depth that was not
   *   completed
   */
  constructor(
    private readonly path: string,
    resume: number,
  ) {
    this.file = attempt(path, 'open', () => openSync(path, resume > 0 ? 'r+' : 'w+'));
    if (resume === 0) return;
    if (fstatSync(this.file).size < resume * STATE_BYTES)
      throw new TextError(path, 0, 0, `holds fewer than ${resume} states, expected those of progress.json`);
    this.cut(resume);
  }

  add(low: number, high: number, before: number, step: number): void {
    const at = (this.count - this.written) * STATE_WORDS;
    this.unwritten[at] = low;
    this.unwritten[at + 1] = high;
    this.unwritten[at + 2] = before;
    this.unwritten[at + 3] = step;
    if (++this.count - this.written === BLOCK) this.flush();
  }

  /** Brings all states to the file. */
  flush(): void {
    if (this.count > STATES_MAX)
      throw new TextError(this.path, 0, 0, `would hold more than ${STATES_MAX} states`);
    this.write(this.written, this.unwritten.subarray(0, (this.count - this.written) * STATE_WORDS));
    this.written = this.count;
  }

  /** The states from this one on, all of which are in the file. */
  *blocks(from: number): Generator<Block> {
    const buffer = new Int32Array(BLOCK * STATE_WORDS);
    for (let first = from; first < this.written; first += BLOCK)
      yield { first, words: this.read(first, buffer) };
  }

  write(first: number, words: Int32Array): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const start = first * STATE_BYTES;
    const what = `write ${bytes.length} bytes after the first ${start} of`;
    attempt(this.path, what, () => {
      // A disk that fills takes a part first.
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.file, bytes, done, bytes.length - done, start + done);
    });
  }

  /** Leaves out the states whose digest is zero, from this one on. */
  compact(from: number): void {
    let kept = from;
    for (const { words } of this.blocks(from)) {
      let size = 0;
      for (let at = 0; at < words.length; at += STATE_WORDS) {
        if (words[at] === 0 && words[at + 1] === 0) continue;
        words.copyWithin(size, at, at + STATE_WORDS);
        size += STATE_WORDS;
      }
      this.write(kept, words.subarray(0, size));
      kept += size / STATE_WORDS;
    }
    this.cut(kept);
  }

  /** Writes the steps that lead to the state into `path`, which has as many places. */
  pathTo(state: number, path: Uint32Array): void {
    for (let i = path.length - 1, at = state; i >= 0; i--) {
      const { first, words } = this.window(i, at);
      path[i] = words[(at - first) * STATE_WORDS + 3]!;
      at = words[(at - first) * STATE_WORDS + 2]! >>> 0;
    }
  }

  close(): void {
    closeSync(this.file);
  }

  private window(depth: number, state: number): Block {
    const last = this.windows[depth];
    if (last && state >= last.first && state < last.first + last.words.length / STATE_WORDS) return last;
    const words = this.read(state, new Int32Array(WINDOW * STATE_WORDS));
    return (this.windows[depth] = { first: state, words });
  }

  /** The states from this one on, as many of them as there are and have room. */
  private read(first: number, buffer: Int32Array): Int32Array {
    const length = Math.min(buffer.length, (this.written - first) * STATE_WORDS);
    if (length <= 0) throw new Error(`state ${first} is not in ${this.path} yet`);
    const words = buffer.subarray(0, length);
    const got = attempt(this.path, 'read', () =>
      readSync(this.file, words, 0, words.byteLength, first * STATE_BYTES),
    );
    if (got < words.byteLength) throw new TextError(this.path, 0, 0, 'is shorter than it was written');
    return words;
  }

  private cut(count: number): void {
    ftruncateSync(this.file, count * STATE_BYTES);
    this.count = count;
    this.written = count;
    this.windows.length = 0;
  }
}
