import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Lines of V8's where it gives up compiled code, and the figures, of the benchmark's loops after so many passes to get warm. */
function loop(warm: number): { given: string[]; allocated: number[] } {
  const args = ['--expose-gc', '--single-threaded', 'dist/loop.js', String(warm)];
  const lines = execFileSync(process.execPath, args, { encoding: 'utf8' }).split('\n');
  const figures = lines.filter((line) => line.includes('bytes/operation'));
  return {
    given: lines.filter((line) => line.includes('[bailout')),
    allocated: figures.map((line) => Number(/allocated: (\S+)/.exec(line)![1])),
  };
}

test('once it is warm, V8 gives up no compiled code of the models and the invariants, which allocate next to nothing', () => {
  const { given, allocated } = loop(10);
  expect(given).toEqual([]);
  const [model, invariants] = allocated;
  // The ends of vCPUs and of domains allocate; with the invariants, so do the counts of a dead domain and the answers of each program.
  expect(model).toBeLessThan(2);
  expect(invariants).toBeLessThan(32);
});

test('until it is warm, V8 says what it gives up', () => {
  expect(loop(0).given).not.toEqual([]);
});
