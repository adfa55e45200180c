import type { Draw } from '../generate/draw.js';
import { stream } from '../generate/streams.js';

/** Random choices that are the same whenever the name of their stream is. */
export interface Random {
  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number;
  /** One of the choices, each as likely; there must be one. */
  pick<T>(choices: readonly T[]): T;
  /** True once in `times`. */
  oneIn(times: number): boolean;
}

export function randomOf(draw: Draw): Random {
  return {
    below: (limit) => draw.below(limit),
    pick: (choices) => choices[draw.below(choices.length)]!,
    oneIn: (times) => draw.below(times) === 0,
  };
}

export function randomStream(name: string): Random {
  return randomOf(stream(name));
}
