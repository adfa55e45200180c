import fc from 'fast-check';

/** Seed of test runs unless PVMMU_SEED says otherwise: the date of the question on xen-devel. */
const DEFAULT_SEED = 20110516;

/** What a property found wrong, or undefined. */
export type Verdict = string | undefined;

/**
 * Runs a property over generated values and throws an Error that a reader can use: the shrunk value as text,
 * what broke, and the one command that repeats it. PVMMU_SEED and PVMMU_PATH choose seed and shrink path,
 * PVMMU_SHRINK=0 leaves the value as it was drawn.
 *
 * @param test file and name of the test, for the repeat command
 * @param runs how many values are drawn
 */
export function checkProperty<T>(
  test: { file: string; name: string },
  runs: number,
  values: fc.Arbitrary<T>,
  verdictOf: (value: T) => Verdict,
): void {
  const seed = Number(process.env['PVMMU_SEED'] ?? DEFAULT_SEED);
  const path = process.env['PVMMU_PATH'];
  const repeat = (more: string) => `PVMMU_SEED=${seed}${more} npm test -- ${test.file} -t '${test.name}'`;
  console.log(`seed ${seed}: ${repeat('')}`);
  const property = fc.property(values, (value) => {
    const verdict = verdictOf(value);
    if (verdict !== undefined) throw new Error(verdict);
  });
  const details = fc.check(property, {
    seed,
    numRuns: runs,
    endOnFailure: path !== undefined || process.env['PVMMU_SHRINK'] === '0',
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const [value] = details.counterexample ?? [];
  const what =
    details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance);
  const again = repeat(` PVMMU_PATH=${details.counterexamplePath}`);
  throw new Error(`${what}\n\n${fc.stringify(value)}\n\nRepeat: ${again}`);
}
