import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const newFolder = () => mkdtempSync(join(tmpdir(), 'pvmmu-'));

interface Result {
  readonly end: string;
  readonly states: number;
  readonly length?: number;
}

async function explored(args: readonly string[], cwd: string): Promise<Result> {
  const { out, err } = await pvmmu(['explore', '--exhaustive', '--json', ...args], undefined, cwd);
  expect(err).toBe('');
  return JSON.parse(lastLine(out)) as Result;
}

test.each([
  ['double-pin-keeps-ref', 3],
  ['fast-rw-l2', 4],
  ['destroy-circular-no-put', 7],
])('finds %s with a program of %i operations, and none shorter', async (id, operations) => {
  const { end, length } = await explored(['--defect', id, '--jobs', '2'], newFolder());
  expect({ end, length }).toEqual({ end: 'violation', length: operations });
});

test('refuses a defect that only a TLB shows, whose states it would take for the same', async () => {
  const { status, err } = await pvmmu(
    ['explore', '--exhaustive', '--defect', 'linear-tlb-stale'],
    undefined,
    newFolder(),
  );
  expect(status).toBe(2);
  expect(err).toContain('linear-tlb-stale shows in what a TLB holds');
});

test('proves a scope with two slots in each of two frames, in few states that leave out what nobody uses', async () => {
  const args = ['--frames', '2', '--slots', '2', '--alone', '--jobs', '2'];
  expect(await explored(args, newFolder())).toMatchObject({ end: 'complete', reduced: true, states: 3512 });
});

test('goes on where a run was killed, to the same result, but not from states that are told apart otherwise', async () => {
  const args = ['--frames', '2', '--slots', '1', '--alone', '--depth', '6', '--jobs', '2'];
  const whole = await explored(args, newFolder());
  const folder = newFolder();
  const killed = await pvmmu(
    ['explore', '--exhaustive', ...args],
    (child) => {
      child.stdout!.on('data', (data: Buffer) => {
        if (data.toString().includes('depth 4:')) child.kill('SIGKILL');
      });
    },
    folder,
  );
  expect(killed.status).toBe(null);

  const kept = join(folder, '.pvmmu', 'explore');
  const progress = join(kept, readdirSync(kept)[0]!, 'progress.json');
  const text = readFileSync(progress, 'utf8');
  writeFileSync(progress, text.replace(/start state [0-9a-f]{16}/, `start state ${'0'.repeat(16)}`));
  const other = await pvmmu(['explore', '--exhaustive', ...args], undefined, folder);
  expect(other).toMatchObject({ status: 2, err: expect.stringContaining('to begin anew') as string });
  writeFileSync(progress, text);

  const { out } = await pvmmu(['explore', '--exhaustive', ...args], undefined, folder);
  expect(out).toMatch(/Going on at depth [45] with/);
  expect(lastLine(out)).toContain(`explore: ${whole.states} states`);
});

test.skipIf(!existsSync('/dev/full'))(
  'leaves no states behind that nothing goes on from, and says in one line that the disk is full',
  async () => {
    const folder = newFolder();
    await explored(['--alone', '--depth', '1'], folder);
    const kept = join(folder, '.pvmmu', 'explore');
    const states = join(kept, readdirSync(kept)[0]!, 'states');
    expect(existsSync(states)).toBe(false);
    symlinkSync('/dev/full', states);
    const args = ['explore', '--exhaustive', '--alone', '--no-reduction'];
    const { status, err } = await pvmmu(args, undefined, folder);
    expect(status).toBe(2);
    expect(err).toMatch(
      /states: cannot write \d+ bytes after the first 0 of it: no space is left; .*at depth 0$/m,
    );
    expect(err.trim().split('\n')).toHaveLength(1);
  },
);
