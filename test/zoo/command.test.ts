import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastLine, pvmmu } from '../cli/run.js';

test('zoo has a line for each defect it is asked for, and in the last one what came of all', async () => {
  const only = ['--only', 'pin-error-put', '--only', 'nested-failure-l3'];
  const { status, out, err } = await pvmmu(['zoo', ...only, '--time', '20', '--seeds', '1']);
  expect([status, err]).toEqual([0, '']);
  expect(out).toMatch(/^pin-error-put +1\/1 .* 1\/1 .* reference-counts$/m);
  expect(out).toMatch(/^nested-failure-l3 +1\/1 .* 1\/1 .* reference-counts$/m);
  expect(lastLine(out)).toBe('zoo: 2 defects, 2 found, 2 found alone, 2 canonical, 2 shortest');
});

test('zoo ends with status 0 if everything that was hunted was found, else with 1', async () => {
  const easy = await pvmmu(['zoo', '--only', 'double-pin-keeps-ref', '--seeds', '2']);
  expect(easy.status).toBe(0);
  expect(lastLine(easy.out)).toBe('zoo: 1 defects, 1 found, 1 found alone, 1 canonical, 1 shortest');
  const hard = ['--only', 'pae-slot3-shared', '--only', 'linear-tlb-stale-pv32-l3'];
  const { status, out } = await pvmmu(['zoo', ...hard, '--time', '1', '--seeds', '1']);
  const [, found] = /^zoo: 2 defects, (\d) found,/.exec(lastLine(out))!;
  expect(status).toBe(found === '2' ? 0 : 1);
  expect(out.includes('\nnot found: ')).toBe(found !== '2');
});

test('zoo --json prints an object a line, the summary last', async () => {
  const { out } = await pvmmu(['zoo', '--only', 'double-pin-keeps-ref', '--seeds', '1', '--json']);
  const objects = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
  expect(objects[0]).toMatchObject({ type: 'defect', id: 'double-pin-keeps-ref', known: 1, forms: 1 });
  expect(objects.at(-1)).toMatchObject({ type: 'summary', defects: 1, found: 1, notAlone: [] });
});

test('zoo does not write about a part of the catalogue, nor where it cannot', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zoo-'));
  const part = await pvmmu(['zoo', '--only', 'xsa-182', '--md', join(folder, 'zoo.md')]);
  expect(part.status).toBe(2);
  expect(part.err).toContain("'--md <file>' cannot be used with option '--only <id>'");
  const path = join(folder, 'missing', 'zoo.md');
  const nowhere = await pvmmu(['zoo', '--md', path]);
  expect([nowhere.status, nowhere.err]).toEqual([2, `pvmmu: ${path}: cannot write the file (ENOENT)\n`]);
});

test('zoo refuses an unknown defect with the nearest one', async () => {
  const { status, err } = await pvmmu(['zoo', '--only', 'fast-rw-l5']);
  expect(status).toBe(2);
  expect(err).toContain('(fast-rw-l4?)');
});
