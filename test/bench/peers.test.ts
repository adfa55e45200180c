import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('all peers that are installed answer alike and reach the same states', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/peers.js', '--quick'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Answers to .*: all agree: pvmmu \d+/m);
  expect(stdout).toMatch(/^States of .*: all agree: pvmmu 1581, with 2 workers 1581/m);
}, 120_000);
