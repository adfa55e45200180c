import type { Naming, OperationNaming } from './naming.js';
import type { RecordBuffer } from './record-buffer.js';
import type { LineScanner } from './scanner.js';

/** A kind of field that an operation's word is followed by: both ways between its text and words of the record at `at`. */
export interface Operand {
  /** What an error says was expected, as `a frame`. */
  readonly what: string;
  read(s: LineScanner, records: RecordBuffer, at: number, naming: OperationNaming): void;
  print(code: Int32Array, at: number, naming: Naming): string;
}

/** A field that may be left out: `fd=io`, `invlpg`. Options stand in any order, each at most once. */
export interface Option {
  /** The words that it begins with, up to a `=`. */
  readonly keys: readonly string[];
  /** What an error says can be given, as `fd=self|own|io|xen|none`. */
  readonly what: string;
  /** Reads on after the key; `key` counts in `keys`. */
  read(s: LineScanner, records: RecordBuffer, at: number, key: number, naming: OperationNaming): void;
  /** Empty for the default. */
  print(code: Int32Array, at: number, naming: Naming): string;
}
