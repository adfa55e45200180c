import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const NOTHING = /^fuzz: \d+ operations, \d+ programs, 0 finds, [\d.]+ s$/;
/** A mistake that the first programs of any seed meet. */
const DEFECT = ['--defect', 'double-pin-keeps-ref'];

/** A folder of its own for each test: finds are kept where the command runs. */
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'pvmmu-fuzz-'))));
afterEach(() => rmSync(folder, { recursive: true }));

type Drive = Parameters<typeof pvmmu>[1];
const fuzz = (args: readonly string[], drive?: Drive) => pvmmu(['fuzz', ...args], drive, folder);

function repeatOf(out: string): string[] {
  const [, words] = /^Repeat: npx pvmmu fuzz (.*)$/m.exec(out)!;
  return words!.split(' ');
}

function programOf(out: string): string {
  const [listing] = /^program [^]*?(?=\nEND$)/m.exec(out)!;
  return listing.replaceAll(/\n#.*/g, '');
}

function findFiles(): string[] {
  return readdirSync(join(folder, '.pvmmu/finds')).filter((name) => name.endsWith('.pvmmu'));
}

function withoutTime(out: string): string {
  return out.replace(/[\d.]+ s$/m, '');
}

describe('fuzz', () => {
  test('runs as many operations as asked for, finds nothing and says how to repeat the run', async () => {
    const { status, out, err } = await fuzz(['--alone', '--seed', 'test', '--ops', '2000']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('Seed test');
    expect(out).toMatch(/^Repeat: npx pvmmu fuzz --alone --seed test --ops \d+$/m);
    expect(lastLine(out)).toMatch(NOTHING);
  });

  test('with the same seed does the same', async () => {
    const runs = [];
    for (let i = 0; i < 2; i++)
      runs.push(await fuzz(['--arch', 'x86_32', '--seed', 'same', '--ops', '3000']));
    expect(withoutTime(runs[0]!.out)).toBe(withoutTime(runs[1]!.out));
  });

  test('ends on Ctrl-C with its summary so far and status 130', async () => {
    const { status, out } = await fuzz(['--time', '600', '--alone'], (child) => {
      child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 500));
    });
    expect(status).toBe(130);
    expect(out).toContain('Answers: ok');
    expect(lastLine(out)).toMatch(NOTHING);
  });

  test('prints a find shrunk, with its class and proof, keeps it, and exits with 1', async () => {
    const { status, out } = await fuzz([...DEFECT, '--seed', 'found']);
    expect(status).toBe(1);
    expect(out).toMatch(/^Found: the models differ \(state\)\. Shrunk from \d+ operations in \d+ runs:$/m);
    expect(programOf(out)).toMatch(/^machine x86_.*\npin L\d \w+ -> EINVAL$/m);
    expect(out).toContain('Class: S (one vCPU, no interruption)');
    expect(out).toContain('Proof: 1 programs with one operation or element less: 1 pass.');
    const [file] = findFiles();
    expect(out).toContain(`Saved: .pvmmu/finds/${file}`);
    const text = readFileSync(join(folder, '.pvmmu/finds', file!), 'utf8');
    expect(text).toContain('# options: --defect double-pin-keeps-ref\n');
    expect(text).toContain(programOf(out));
    expect(lastLine(out)).toMatch(/ 1 finds, /);
  });

  test('finds the same again with the repeat line alone', async () => {
    const first = await fuzz([...DEFECT, '--seed', 'later', '--arch', 'x86_32']);
    rmSync(join(folder, '.pvmmu'), { recursive: true });
    const again = await fuzz(repeatOf(first.out));
    expect(again.status).toBe(1);
    expect(programOf(again.out)).toBe(programOf(first.out));
    expect(again.out).toMatch(/ 1 programs, \d finds, /);
  });

  test('runs kept finds first, those with the same options, and counts each find once', async () => {
    const first = await fuzz([...DEFECT, '--seed', 'kept']);
    const [file] = findFiles();
    const again = await fuzz(repeatOf(first.out));
    expect(again.out).toContain('\nKnown find, fails again: the models differ (state)');
    expect(again.out.indexOf('Known find')).toBeLessThan(again.out.indexOf('Found: '));
    expect(again.out).toContain(`\nKnown: .pvmmu/finds/${file}`);
    expect(lastLine(again.out)).toMatch(/ 1 finds, /);
    const other = await fuzz(['--seed', 'kept', '--ops', '1', '--alone']);
    expect(other.out).not.toContain('Known');
    expect(findFiles()).toEqual([file]);
  });

  test('moves a kept find aside that no longer fails', async () => {
    await fuzz([...DEFECT, '--seed', 'fixed']);
    const [file] = findFiles();
    const path = join(folder, '.pvmmu/finds', file!);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^# options: .*$/m, '# options: --alone'));
    const { status, out } = await fuzz(['--seed', 'fixed', '--ops', '1', '--alone']);
    expect(status).toBe(0);
    expect(out).toContain(`Find ${file!.replace('.pvmmu', '')} no longer fails: moved to .pvmmu/finds/fixed`);
    expect(findFiles()).toEqual([]);
    expect(readdirSync(join(folder, '.pvmmu/finds/fixed'))).toEqual([file]);
  });

  test('says in one line where a find could not be kept, and shows it all the same', async () => {
    writeFileSync(join(folder, '.pvmmu'), 'a file');
    const { status, out } = await fuzz([...DEFECT, '--seed', 'unkept']);
    expect(status).toBe(1);
    expect(out).toMatch(/^Not saved: .*\.pvmmu.*$/m);
    expect(programOf(out)).toMatch(/pin/);
  });

  test('with --quirks shipped finds the references that Xen 4.17 loses', async () => {
    const { status, out } = await fuzz(['--quirks', 'shipped', '--seed', 'losses', '--alone']);
    expect(status).toBe(1);
    expect(out).toContain('Found: invariant nothing-lost is violated');
  });

  test('with --json prints nothing but one JSON object a line', async () => {
    const { status, out, err } = await fuzz([...DEFECT, '--seed', 'json', '--json', '--stats']);
    expect({ status, err }).toEqual({ status: 1, err: '' });
    const [find, ...rest] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(find).toMatchObject({ type: 'find', known: false, kind: 'state', class: 'S', minimal: true });
    expect(find!['program']).toMatch(/^pvmmu 1\n\nprogram counterexample\nmachine /);
    const summary = rest.at(-1)!;
    expect(summary).toMatchObject({ type: 'summary', finds: 1, fixed: [], interrupted: false });
    expect(summary['stats']).toContainEqual(
      expect.objectContaining({ operation: 'mmu_update', met: 'none' }),
    );
  });

  test('with --stats prints what each operation met', async () => {
    const { out } = await fuzz(['--alone', '--seed', 'stats', '--ops', '3000', '--stats']);
    expect(out).toMatch(/^pin: \d+ of \d+ known cells hit$/m);
    expect(out).toMatch(/^ {2}L1 none +tried \d+ {2}ok \d+ .*EBUSY \d+/m);
    expect(out).toMatch(/^ {2}never hit: /m);
  });

  test.each([
    ['an unknown defect', ['--defect', 'fast-rw-l5'], /fast-rw-l5.*fast-rw-l4/],
    [
      'a defect of another architecture',
      ['--defect', 'pae-l3-linear', '--arch', 'x86_64'],
      /pae-l3-linear.*x86_32/,
    ],
    ['unknown quirks', ['--quirks', 'none'], /intended, shipped/],
    ['a number that is none', ['--ops', '1e3'], /operations from 1 to/],
  ])('exits with 2 and one line on %s', async (_what, args, message) => {
    const { status, out, err } = await fuzz(args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});

test('reduce takes a kept find with its options and shrinks it to the same', async () => {
  await fuzz([...DEFECT, '--seed', 'reduce']);
  const path = join('.pvmmu/finds', findFiles()[0]!);
  const { status, out } = await pvmmu(['reduce', ...DEFECT, path], undefined, folder);
  expect(status).toBe(1);
  expect(out).toContain(readFileSync(join(folder, path), 'utf8').split('\n').at(-2));
  expect((await pvmmu(['reduce', path], undefined, folder)).status).toBe(0);
});
