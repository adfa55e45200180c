import type { ModelState } from '../models/model.js';

/** A slot of a frame. */
export interface EntryPlace {
  readonly mfn: number;
  readonly slot: number;
}

/** An invariant that does not hold, and where. */
export interface Violation {
  /** Name of the invariant. */
  readonly invariant: string;
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** The frame that it is about. */
  readonly frame: number;
  readonly entry?: EntryPlace;
  /** Entries from the base pointer down. */
  readonly path?: readonly EntryPlace[];
}

/** Something that is true of every state that a guest can bring about. */
export interface Invariant {
  readonly name: string;
  /** What holds, in one sentence. */
  readonly meaning: string;
  /** What an attacker could do if it did not. */
  readonly why: string;
  /** Looks at the whole state. */
  check(state: ModelState): Violation | undefined;
}
