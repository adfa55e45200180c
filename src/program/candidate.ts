import type { Machine } from './machine.js';

/** A program as it is generated and shrunk: no name, no expected answers. */
export interface Candidate {
  readonly machine: Machine;
  readonly code: Int32Array;
}
