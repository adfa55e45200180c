import seedrandom from 'seedrandom';
import type { Draw } from './draw.js';

/**
 * A named stream of random choices: the same name gives the same choices on every machine and Node version.
 * Always alea, always named; seedrandom's global and self-seeding forms are not used.
 */
export function stream(name: string): Draw {
  const random = seedrandom.alea(name);
  return { below: (limit) => (((random.int32() >>> 0) / 0x1_0000_0000) * limit) | 0 };
}
