/** Options of the benchmarks, refused as the command's are. */

/** The number that the text of an option, or of what stands without one, says. */
export function wholeNumber(what: string, text: string, most: number, least = 1): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw new Error(`${what} ${JSON.stringify(text)}, expected a number from ${least} to ${most}`);
}

/** What `read` makes of the options; where it refuses one, says so and ends. */
export function optionsOrExit<T>(bench: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    console.error(`${bench}: ${(error as Error).message}`);
    process.exit(2);
  }
}

/** The one number that a benchmark takes, behind its name. */
export function numberOrExit(
  bench: string,
  what: string,
  most: number,
  byDefault: number,
  least = 1,
): number {
  const [, , text] = process.argv;
  return text === undefined ? byDefault : optionsOrExit(bench, () => wholeNumber(what, text, most, least));
}
