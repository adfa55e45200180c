/** Options of the benchmarks, refused as the command's are. */

/** The number that the option's text says, from 1 to `most`. */
export function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw new Error(`--${option} ${JSON.stringify(text)}, expected a number from 1 to ${most}`);
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
