/** Stand-ins for frame numbers too large to be RAM or permitted I/O; the last is all 40 bits set. */
export const NO_FRAME = 0x7ffffffe;
export const ALL_ONES_FRAME = 0x7fffffff;

/**
 * Frame number of an entry's words as a small integer: anything that can be neither RAM nor permitted I/O
 * becomes NO_FRAME, all 40 bits set ALL_ONES_FRAME.
 */
export function frameOf(low: number, high: number): number {
  const upper = high & 0xfffff;
  if (upper < 1024) return (low >>> 12) | (upper << 20);
  return upper === 0xfffff && low >>> 12 === 0xfffff ? ALL_ONES_FRAME : NO_FRAME;
}
