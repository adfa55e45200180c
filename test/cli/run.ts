import { spawn } from 'node:child_process';
import { resolve as pathOf } from 'node:path';

const COMMAND = pathOf('dist/cli.js');

export interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built command in the folder `cwd`; `drive` may talk to it while it runs. */
export function pvmmu(
  args: readonly string[],
  drive?: (child: ReturnType<typeof spawn>) => void,
  cwd = '.',
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, out, err }));
    if (drive) drive(child);
    else child.stdin.end();
  });
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
