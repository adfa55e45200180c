/** Number of the lowest bit that is set in a word which is not zero. Negated in two steps: of `-word` V8 makes floating point. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & (~word + 1));
}

/** Number of the highest one. */
export function highestBit(word: number): number {
  return 31 - Math.clz32(word);
}
