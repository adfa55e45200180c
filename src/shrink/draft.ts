import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { decode, encode } from '../program/codec.js';
import { operationStarts } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';

/** A program in the form that is shrunk: operations as objects, which are never changed, only replaced. */
export interface Draft {
  readonly machine: Machine;
  readonly operations: readonly Operation[];
}

/** Each operation's records, so that a candidate costs little more than copying them. */
const encoded = new WeakMap<Operation, Int32Array>();

export function recordsOf(operation: Operation): Int32Array {
  let records = encoded.get(operation);
  if (records === undefined) {
    const words: number[] = [];
    encode(operation, words);
    encoded.set(operation, (records = Int32Array.from(words)));
  }
  return records;
}

export function draftOf({ machine, code }: Candidate): Draft {
  return { machine, operations: operationStarts(code).map((at) => decode(code, at)) };
}

export function candidateOf({ machine, operations }: Draft): Candidate {
  const code = new Int32Array(wordsOf(operations));
  let at = 0;
  for (const operation of operations) {
    code.set(recordsOf(operation), at);
    at += recordsOf(operation).length;
  }
  return { machine, code };
}

/** Words of all records. */
export function wordsOf(operations: readonly Operation[]): number {
  let words = 0;
  for (const operation of operations) words += recordsOf(operation).length;
  return words;
}

/** The draft with one operation replaced by another, by several or by none. */
export function replaced(draft: Draft, index: number, ...by: readonly Operation[]): Draft {
  return { ...draft, operations: draft.operations.toSpliced(index, 1, ...by) };
}
