import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const JOBS = ['1', '2', '3', '7'];

/** All that the run has said and written; times, rates and the number of workers left out. */
async function everythingOf(jobs: string, options: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'pvmmu-jobs-'));
  const args = ['fuzz', '--alone', ...options, '--seed', 'jobs', '--ops', '2500', '--jobs', jobs];
  const run = await pvmmu(args, undefined, folder);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names
    .filter((name) => /[^/]\.\w+$/.test(name))
    .map((name) => [name, withoutTimes(readFileSync(join(folder, name), 'utf8'))]);
  return { ...run, out: withoutTimes(run.out), files };
}

function withoutTimes(text: string): string {
  return text
    .replaceAll(/, [\d.]+ s$/gm, ', T s')
    .replaceAll(/time="[\d.]+"/g, 'time="T"')
    .replaceAll(/<dt>(Seconds|Operations a second)<\/dt><dd>[^<]*/g, '')
    .replaceAll(/<div class="graph"[^]*?<\/svg>/g, '')
    .replaceAll(/--jobs \d+/g, '--jobs N');
}

test.each([
  ['that find nothing', [], 0],
  ['that find something', ['--defect', 'double-pin-keeps-ref'], 1],
])('runs %s report the same byte for byte with 1, 2, 3 and 7 workers', async (_what, options, status) => {
  const reports = ['--stats', '--junit', 'junit.xml', '--html', 'page.html'];
  const runs = [];
  for (const jobs of JOBS) runs.push(await everythingOf(jobs, [...options, ...reports]));
  expect(runs[0]).toMatchObject({ status, err: '' });
  expect(runs[0]!.out).toContain('cells hit');
  const last =
    /\nRepeat: npx pvmmu fuzz .* --ops \d+ --jobs N\n(Page: .*\n)?fuzz: \d+ operations, \d+ programs, \d+ finds, T s\n$/;
  expect(runs[0]!.out).toMatch(last);
  expect(runs[0]!.files.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      'junit.xml',
      'page.html',
      ...(status === 0 ? [] : [expect.stringMatching(/^page-/)]),
    ]),
  );
  for (const run of runs) expect(run).toEqual(runs[0]);
});

test('KTAP, and nothing else, is the same with 1 and 3 workers', async () => {
  const [one, three] = [
    await everythingOf('1', ['--defect', 'double-pin-keeps-ref', '--ktap']),
    await everythingOf('3', ['--defect', 'double-pin-keeps-ref', '--ktap']),
  ];
  expect(one.out).toMatch(/^KTAP version 1\n[^]*\nnot ok 1 pvmmu fuzz\n$/);
  expect(three).toEqual(one);
});

test('what an earlier run has kept is run first, and moved aside when it no longer fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pvmmu-jobs-'));
  const pinError = ['--defect', 'pin-error-put', '--seed', 'jobs', '--ops', '2000'];
  await pvmmu(['fuzz', ...pinError], undefined, folder);
  const [name] = readdirSync(join(folder, '.pvmmu', 'finds'));
  const [id] = name!.split('.');
  const again = await pvmmu(['fuzz', ...pinError, '--jobs', '1'], undefined, folder);
  expect(again.out).toContain(`find ${id}, kept by an earlier run\n`);
  expect(lastLine(again.out)).toMatch(/^fuzz: .* [1-9]\d* finds, /);
  const path = join(folder, '.pvmmu', 'finds', name!);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^# options: .*\n/m, ''));
  const mended = await pvmmu(['fuzz', '--seed', 'jobs', '--ops', '1', '--jobs', '1'], undefined, folder);
  expect(mended.out).toContain(`Find ${id} no longer fails: moved to .pvmmu/finds/fixed\n`);
  expect(lastLine(mended.out)).toMatch(/ 0 finds, /);
});
