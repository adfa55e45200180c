/** How long short runs take from their start, most of which V8 spends compiling. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, print } from './figures.js';

const PASSES = 5;
const CLI = fileURLToPath(new URL('cli.js', import.meta.url));
const RUNS = [
  'fuzz --ops 300000 --seed bench',
  'fuzz --lockstep digest --ops 300000 --seed bench',
  'fuzz --defect ldt-via-user-root --seed zoo',
];

/** Seconds of whole commands, each in a process of its own. */
export function coldStart(): void {
  for (const run of RUNS) {
    const times = Array.from({ length: PASSES }, () => {
      const begin = performance.now();
      pvmmu(run.split(' '));
      return (performance.now() - begin) / 1000;
    });
    print(`pvmmu ${run}`, median(times), 's');
  }
}

/** Runs the command to its end where no finds are kept; one that finds something exits with 1. */
function pvmmu(args: readonly string[]): void {
  const cwd = mkdtempSync(join(tmpdir(), 'pvmmu-bench-'));
  try {
    execFileSync(process.execPath, [CLI, ...args], { cwd, stdio: 'pipe' });
  } catch (error) {
    if ((error as { status?: number }).status !== 1) throw error;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}
