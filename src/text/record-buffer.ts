import { UNKNOWN } from '../../models/x86/result.js';
import { RECORD, W_ITEMS } from '../program/record.js';

/** Records that a growing program or operation consists of, each with its expected answer. */
export class RecordBuffer {
  code = new Int32Array(64 * RECORD);
  /** Per record; UNKNOWN where the text gives none. */
  expected = new Int32Array(64);
  records = 0;

  clear(): void {
    this.records = 0;
  }

  /** Adds an empty record of this opcode and gives its place in `code`. */
  add(opcode: number): number {
    if (this.records === this.expected.length) this.grow(this.records * 2);
    const at = this.records * RECORD;
    this.code.fill(0, at, at + RECORD);
    this.code[at] = opcode;
    this.expected[this.records] = UNKNOWN;
    this.records++;
    return at;
  }

  /** All records from the one at `at` on are that one and its items. */
  close(at: number): void {
    this.code[at + W_ITEMS] = this.records - at / RECORD - 1;
  }

  /** Adds a copy of the first `records` records of another buffer. */
  append(code: Int32Array, expected: Int32Array, records: number): void {
    if (this.records + records > this.expected.length)
      this.grow(Math.max(this.records + records, this.records * 2));
    this.code.set(code.subarray(0, records * RECORD), this.records * RECORD);
    this.expected.set(expected.subarray(0, records), this.records);
    this.records += records;
  }

  private grow(records: number): void {
    const code = new Int32Array(records * RECORD);
    code.set(this.code);
    this.code = code;
    const expected = new Int32Array(records);
    expected.set(this.expected);
    this.expected = expected;
  }
}
