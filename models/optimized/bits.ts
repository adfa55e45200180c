/** Number of the lowest bit that is set in a word which is not zero. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & (0 - word));
}

/** Number of the highest one. */
export function highestBit(word: number): number {
  return 31 - Math.clz32(word);
}
