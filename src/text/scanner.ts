import { isUtf8 } from 'node:buffer';
import { quote, TextError } from './error.js';

const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const EQUALS = 0x3d;
const DELETE = 0x7f;
const TWO_32 = 2 ** 32;

/** Value of a digit, decimal or hexadecimal, by character; 16 for no digit. */
const DIGITS = new Uint8Array(256).fill(16);
/** 1 for characters of words and numbers. */
const WORD_CHARACTERS = new Uint8Array(256);
for (const [i, character] of [...'0123456789abcdef'].entries()) {
  DIGITS[character.charCodeAt(0)] = i;
  DIGITS[character.toUpperCase().charCodeAt(0)] = i;
}
for (const character of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.') {
  WORD_CHARACTERS[character.charCodeAt(0)] = 1;
}

/**
 * Reads one line of program text after the other, field by field. It works on the file's bytes, so that
 * nothing is allocated for a field; every error names the place.
 */
export class LineScanner {
  bytes: Uint8Array = new Uint8Array(0);
  pos = 0;
  /** End of the line, without a comment. */
  end = 0;
  /** Number of the line, from 1. */
  line = 0;
  /** The two halves of the entry or 64-bit number that was read last. */
  low = 0;
  high = 0;
  private start = 0;

  constructor(readonly file: string) {}

  /** Takes the line in bytes `start` .. `end`-1 and checks that it is text. */
  load(bytes: Uint8Array, start: number, end: number, line: number): void {
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.line = line;
    this.pos = start;
    let comment = -1;
    let ascii = true;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === HASH && comment < 0) comment = i;
      if (byte >= 0x80) ascii = false;
      else if ((byte < SPACE && byte !== TAB) || byte === DELETE) {
        this.fail(i, `control character \\x${byte.toString(16).padStart(2, '0')}, expected text`);
      }
    }
    if (!ascii && !isUtf8(bytes.subarray(start, end))) this.failUtf8();
    if (comment >= 0) this.end = comment;
  }

  /** Refuses the line: `reason` says what is wrong at `at`, and what was expected. */
  fail(at: number, reason: string): never {
    throw new TextError(this.file, this.line, this.columnOf(at), reason);
  }

  private failUtf8(): never {
    const column = [...this.text(this.start, this.end).split('\ufffd', 1)[0]!].length + 1;
    throw new TextError(this.file, this.line, column, 'invalid UTF-8, expected text');
  }

  /** Column of a place in the line: in characters, from 1. */
  columnOf(at: number): number {
    let column = 1;
    // Bytes 10xxxxxx continue a character.
    for (let i = this.start; i < at; i++) if (((this.bytes[i] as number) & 0xc0) !== 0x80) column++;
    return column;
  }

  /** Character code at the position, -1 at the end of the line. */
  peek(): number {
    return this.pos < this.end ? (this.bytes[this.pos] as number) : -1;
  }

  /** Goes to the next field; false where there is none. */
  more(): boolean {
    const { bytes, end } = this;
    let pos = this.pos;
    while (pos < end && (bytes[pos] === SPACE || bytes[pos] === TAB)) pos++;
    this.pos = pos;
    return pos < end;
  }

  /** Like `more()`, but the field before must have ended. */
  another(): boolean {
    if (!this.more()) return false;
    const before = this.pos === this.start ? SPACE : this.bytes[this.pos - 1];
    if (before !== SPACE && before !== TAB)
      this.fail(this.pos, `unexpected ${this.quoted(this.pos)}, expected a blank`);
    return true;
  }

  /** Goes to the next field, which is `what`; there must be one. */
  field(what: string): void {
    if (!this.another()) this.fail(this.pos, `the line ends, expected ${what}`);
  }

  /** Nothing but blanks may follow. */
  finish(expected = 'the end of the line'): void {
    if (this.more()) this.fail(this.pos, `unexpected ${this.quoted(this.pos)}, expected ${expected}`);
  }

  /** Takes this one character; says whether it was there. */
  take(character: number): boolean {
    if (this.peek() !== character) return false;
    this.pos++;
    return true;
  }

  /** Where the word at `at` ends. */
  wordEnd(at = this.pos): number {
    while (at < this.end && WORD_CHARACTERS[this.bytes[at] as number] === 1) at++;
    return at;
  }

  /** Where the field at `at` ends: at the next blank. */
  fieldEnd(at = this.pos): number {
    while (at < this.end && this.bytes[at] !== SPACE && this.bytes[at] !== TAB) at++;
    return at;
  }

  text(start: number, end: number): string {
    return Buffer.from(this.bytes.subarray(start, end)).toString('utf8');
  }

  /** The field that begins at `at`, quoted for an error; up to `end` if that is given. */
  quoted(at: number, end = this.fieldEnd(at)): string {
    // No more bytes than 41 characters can have: the rest is cut anyway.
    return quote(this.text(at, Math.min(end, at + 200)));
  }

  /** A decimal number, or a hexadecimal one after `0x`, from `least` to `most` (at most 2^53-1). */
  number(what: string, most: number, least = 0): number {
    const at = this.pos;
    const radix = this.radix();
    let value = 0;
    const first = this.pos;
    for (; this.pos < this.end; this.pos++) {
      const digit = DIGITS[this.bytes[this.pos] as number] as number;
      if (digit >= radix) break;
      value = value * radix + digit;
    }
    this.checkNumberEnd(at, first, what);
    if (value > most)
      this.fail(
        at,
        `${this.quoted(at, this.pos)} is too large, expected ${what} up to ${shown(most, radix)}`,
      );
    if (value < least)
      this.fail(
        at,
        `${this.quoted(at, this.pos)} is too small, expected ${what} from ${shown(least, radix)}`,
      );
    return value;
  }

  /** A number of 64 bits, decimal or hexadecimal, to `low` and `high`. */
  number64(what: string): void {
    const at = this.pos;
    const radix = this.radix();
    let low = 0;
    let high = 0;
    const first = this.pos;
    for (; this.pos < this.end; this.pos++) {
      const digit = DIGITS[this.bytes[this.pos] as number] as number;
      if (digit >= radix) break;
      low = low * radix + digit;
      high = high * radix + Math.floor(low / TWO_32);
      low %= TWO_32;
      if (high >= TWO_32)
        this.fail(at, `${this.quoted(at, this.wordEnd())} is too large, expected ${what} of 64 bits`);
    }
    this.checkNumberEnd(at, first, what);
    this.low = low | 0;
    this.high = high | 0;
  }

  private radix(): 10 | 16 {
    if (this.bytes[this.pos] !== 0x30 || this.bytes[this.pos + 1] !== 0x78 || this.pos + 1 >= this.end)
      return 10;
    this.pos += 2;
    return 16;
  }

  private checkNumberEnd(at: number, first: number, what: string): void {
    const end = this.wordEnd();
    if (this.pos === first || end !== this.pos) {
      this.pos = at;
      this.fail(
        at,
        `${end > at ? `${this.quoted(at, end)} is not a number` : this.found()}, expected ${what}`,
      );
    }
  }

  /** What stands at the position, for an error. */
  found(): string {
    if (this.pos >= this.end) return 'the line ends';
    return this.fieldEnd() === this.pos ? 'unexpected blank' : `unexpected ${this.quoted(this.pos)}`;
  }

  /** Takes the word if it is this one; says whether it was. */
  word(word: string): boolean {
    const end = this.wordEnd();
    if (this.text(this.pos, end) !== word) return false;
    this.pos = end;
    return true;
  }

  /** `key=` where `key` is the word at the position. */
  key(key: string): void {
    const end = this.wordEnd();
    if (this.bytes[end] !== EQUALS || end >= this.end || this.text(this.pos, end) !== key) {
      this.fail(this.pos, `${this.found()}, expected ${key}=`);
    }
    this.pos = end + 1;
  }
}

function shown(value: number, radix: 10 | 16): string {
  return radix === 16 ? `0x${value.toString(16)}` : String(value);
}
