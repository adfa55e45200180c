import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pvmmu } from './run.js';

test.each([
  ['that find nothing', []],
  ['that find something', ['--defect', 'double-pin-keeps-ref']],
])('runs %s report the same byte for byte with 1, 2, 3 and 7 workers', async (_what, options) => {
  const runs = [];
  for (const jobs of ['1', '2', '3', '7']) {
    const folder = mkdtempSync(join(tmpdir(), 'pvmmu-jobs-'));
    const args = ['fuzz', '--alone', ...options, '--seed', 'jobs', '--ops', '2500', '--jobs', jobs];
    const { status, out, err } = await pvmmu(args, undefined, folder);
    const finds = options.length === 0 ? [] : readdirSync(join(folder, '.pvmmu/finds'));
    runs.push({ status, out, err, finds });
  }
  expect(runs[0]).toMatchObject({ status: options.length === 0 ? 0 : 1, err: '' });
  for (const run of runs) expect(run).toEqual(runs[0]);
});
