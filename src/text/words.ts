import { nearest } from './nearest.js';

interface Word<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

/** A closed set of ASCII words, each with a value. A word is found in the bytes of a line without making a string of it. */
export class Words<T> {
  readonly names: readonly string[];
  private readonly mask: number;
  private readonly buckets: Word<T>[][];

  constructor(entries: Iterable<readonly [string, T]>) {
    const words = [...entries];
    this.names = words.map(([name]) => name);
    // Four buckets a word, so that most hold one or none.
    const size = 2 ** Math.ceil(Math.log2(words.length * 4 + 1));
    this.mask = size - 1;
    this.buckets = Array.from({ length: size }, () => []);
    for (const [name, value] of words) {
      const bytes = new TextEncoder().encode(name);
      this.buckets[hash(bytes, 0, bytes.length) & this.mask]!.push({ bytes, value });
    }
  }

  /** The value of the word that stands in bytes `start` .. `end`-1, if it is one. */
  find(bytes: Uint8Array, start: number, end: number): T | undefined {
    const bucket = this.buckets[hash(bytes, start, end) & this.mask] as Word<T>[];
    for (let i = 0; i < bucket.length; i++) {
      const word = bucket[i] as Word<T>;
      if (equal(word.bytes, bytes, start, end)) return word.value;
    }
    return undefined;
  }

  /** The word that was probably meant. */
  nearest(text: string): string | undefined {
    return nearest(text, this.names);
  }
}

function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = end - start;
  for (let i = start; i < end; i++) value = (Math.imul(value, 31) + (bytes[i] as number)) | 0;
  return value ^ (value >>> 7);
}

function equal(word: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (word.length !== end - start) return false;
  for (let i = 0; i < word.length; i++) if (word[i] !== bytes[start + i]) return false;
  return true;
}
