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

/** An index of `weights`, each as likely as its weight says. */
export function weighted(draw: Draw, weights: readonly number[], total: number): number {
  let rest = draw.below(total);
  for (let i = 0; ; i++) {
    rest -= weights[i]!;
    if (rest < 0) return i;
  }
}
