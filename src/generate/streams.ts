import seedrandom from 'seedrandom';
import type { Draw } from './draw.js';

/**
 * A named stream of random choices: the same name gives the same choices on every machine and Node version.
 * Always alea, always named; seedrandom's global and self-seeding forms are not used.
 */
export function stream(name: string): Draw {
  return new Stream(name);
}

/**
 * Alea, begun by seedrandom and stepped here: seedrandom makes a function of its own for each stream, and V8 compiles
 * the generator again for every other one of them.
 */
class Stream implements Draw {
  /** Three fractions, which are whole numbers of 2^-32, and the carry, a whole number. */
  private readonly state: Float64Array;

  constructor(name: string) {
    const { s0, s1, s2, c } = seedrandom.alea(name, { state: true }).state() as seedrandom.State.Alea;
    this.state = Float64Array.of(s0, s1, s2, c);
  }

  below(limit: number): number {
    const { state } = this;
    const t = 2091639 * state[0]! + state[3]! * 2.3283064365386963e-10;
    const carry = t | 0;
    const fraction = t - carry;
    state[0] = state[1]!;
    state[1] = state[2]!;
    state[2] = fraction;
    state[3] = carry;
    return (fraction * limit) | 0;
  }
}
