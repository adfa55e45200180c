import { TextError } from './error.js';

const NEWLINE = 0x0a;
/** Longest line in bytes. */
export const MAX_LINE = 2 ** 20;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Gets each line as bytes `start` .. `end`-1 without the newline; they hold until it returns. */
export type LineTaker = (bytes: Uint8Array, start: number, end: number, line: number) => void;

/** Cuts a file that comes in chunks into lines. It keeps no more than one line. */
export class LineSplitter {
  /** Lines that were handed on. */
  lines = 0;
  /** What the chunks so far hold of the line that goes on in the next. */
  private rest = Buffer.alloc(4096);
  private restLength = 0;

  constructor(
    private readonly file: string,
    private readonly take: LineTaker,
  ) {}

  push(chunk: Buffer): void {
    let start = 0;
    if (this.restLength > 0) {
      const newline = chunk.indexOf(NEWLINE);
      start = newline < 0 ? chunk.length : newline + 1;
      this.keep(chunk, 0, newline < 0 ? chunk.length : newline);
      if (newline < 0) return;
      this.handOn(this.rest, 0, this.restLength);
      this.restLength = 0;
    }
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline < 0) break;
      this.handOn(chunk, start, newline);
      start = newline + 1;
    }
    this.keep(chunk, start, chunk.length);
  }

  /** The last line may lack a newline. */
  finish(): void {
    if (this.restLength > 0) this.handOn(this.rest, 0, this.restLength);
    this.restLength = 0;
  }

  private keep(chunk: Buffer, start: number, end: number): void {
    const length = this.restLength + end - start;
    if (length > MAX_LINE) this.tooLong();
    if (length > this.rest.length) {
      const larger = Buffer.alloc(Math.max(length, this.rest.length * 2));
      this.rest.copy(larger, 0, 0, this.restLength);
      this.rest = larger;
    }
    chunk.copy(this.rest, this.restLength, start, end);
    this.restLength = length;
  }

  private handOn(bytes: Buffer, start: number, end: number): void {
    if (end - start > MAX_LINE) this.tooLong();
    if (this.lines === 0 && BYTE_ORDER_MARK.every((byte, i) => bytes[start + i] === byte)) start += 3;
    this.lines++;
    this.take(bytes, start, end, this.lines);
  }

  private tooLong(): never {
    throw new TextError(
      this.file,
      this.lines + 1,
      MAX_LINE + 1,
      'the line goes on, expected at most 1 MiB in a line',
    );
  }
}
