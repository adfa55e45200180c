import { courtText } from '../fuzz/trials.js';
import { quoted } from '../text/shell.js';
import { courtOf } from './court-options.js';
import type { FuzzOptions } from './fuzz-options.js';

/** The command that draws the same programs again. */
export function runCommand(options: FuzzOptions, seed: string, operations: number): string {
  const { arch, lockstep = 'every' } = options;
  const court = courtText(courtOf(options));
  return [
    'npx pvmmu fuzz',
    ...(arch ? [`--arch ${arch}`] : []),
    ...(court === '' ? [] : [court]),
    ...(lockstep === 'every' ? [] : [`--lockstep ${lockstep}`]),
    `--seed ${quoted(seed)} --ops ${Math.max(1, operations)}`,
  ].join(' ');
}
