/** Where random choices come from: fast-check's generator in tests, a named stream in long runs. */
export interface Draw {
  /** A whole number in 0 .. limit-1. */
  below(limit: number): number;
}

/** True once in `times`. */
export function oneIn(draw: Draw, times: number): boolean {
  return draw.below(times) === 0;
}

export function pick<T>(draw: Draw, choices: ArrayLike<T>): T {
  return choices[draw.below(choices.length)]!;
}

/** Each of the choices as many times as its weight says, to be picked from. */
export function lots<T>(choices: readonly (readonly [weight: number, choice: T])[]): readonly T[] {
  return choices.flatMap(([weight, choice]) => Array<T>(weight).fill(choice));
}
