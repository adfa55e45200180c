import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TRACE = 'test/ftrace/traces/life-6.1.txt';

describe('import ftrace', () => {
  test('writes a program that replays with every answer equal', async () => {
    const output = join(folder, 'life.pvmmu');
    const { status, out, err } = await pvmmu(['import', 'ftrace', TRACE, '-o', output]);
    expect({ status, out }).toEqual({ status: 0, out: '' });
    expect(lastLine(err)).toBe('import: 97 events, 18 operations; 0 missing, 1 assumed, 0 wrong');
    const replayed = await pvmmu(['replay', output]);
    expect(replayed).toMatchObject({
      status: 0,
      out: 'replay: 1 programs, 1 equal; 18 operations, 18 equal\n',
    });
  });

  test('reads standard input, and names what is wrong with its line and exit status 1', async () => {
    const twice = readFileSync(TRACE, 'utf8').replace(/cr3 100000$/m, 'cr3 103000');
    const { status, out, err } = await pvmmu(['import', 'ftrace', '-'], (child) => child.stdin!.end(twice));
    expect(status).toBe(1);
    expect(out).toMatch(/^pvmmu 1\n/);
    expect(err).toMatch(/^standard input:43: wrong: new_baseptr 0xd15: EINVAL, expected ok \(pfn 0x103 /m);
  });

  test('overwrites nothing, and refuses what is no trace, with exit status 2', async () => {
    const mine = join(folder, 'mine.txt');
    writeFileSync(mine, 'not a trace\n');
    expect(await pvmmu(['import', 'ftrace', TRACE, '-o', mine])).toMatchObject({
      status: 2,
      err: `pvmmu: ${mine}: is there already, expected the name of a new file\n`,
    });
    const { status, err } = await pvmmu(['import', 'ftrace', mine]);
    expect({ status, err: err.replace(mine, 'FILE') }).toEqual({
      status: 2,
      err: 'pvmmu: FILE: no event xen_mmu_* or xen_mc_*, expected the text of ftrace (line 1: "not a trace" is no line of a trace, expected TASK-PID [CPU] TIME: EVENT: FIELDS; skipped)\n',
    });
  });
});
