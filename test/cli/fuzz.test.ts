import { expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const LAST = /^fuzz: \d+ operations, \d+ programs, 0 finds, [\d.]+ s$/;

test('fuzz runs as many operations as asked for, finds nothing and says how to repeat the run', async () => {
  const { status, out, err } = await pvmmu(['fuzz', '--seed', 'test', '--ops', '5000']);
  expect(status).toBe(0);
  expect(err).toBe('');
  expect(out).toContain('Seed test');
  expect(out).toMatch(/Repeat: npx pvmmu fuzz --seed test --ops \d+/);
  expect(lastLine(out)).toMatch(LAST);
});

test('fuzz with the same seed does the same', async () => {
  const runs = await Promise.all(
    [1, 2].map(() => pvmmu(['fuzz', '--arch', 'x86_32', '--seed', 'same', '--ops', '3000'])),
  );
  const [first, second] = runs.map(({ out }) => out.replace(/[\d.]+ s$/m, ''));
  expect(first).toBe(second);
});

test('Ctrl-C ends fuzz with its summary so far and status 130', async () => {
  const { status, out } = await pvmmu(['fuzz', '--time', '600'], (child) => {
    child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 500));
  });
  expect(status).toBe(130);
  expect(out).toContain('Answers: ok');
  expect(lastLine(out)).toMatch(LAST);
});
