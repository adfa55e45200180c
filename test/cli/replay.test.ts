import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lastLine, pvmmu } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PROGRAM = `pvmmu 1

program small
machine x86_64 frames=8 domain=hardware
update_va W2 F2|P|US invlpg -> ok
pin L4 F2 -> ok
pin L4 F2 -> EINVAL
final F2 L4 pinned
`;

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('replay', () => {
  test('exits with 0 and a summary where all is equal', async () => {
    const { status, out, err } = await pvmmu(['replay', file('small.pvmmu', PROGRAM)]);
    expect({ status, out, err }).toEqual({
      status: 0,
      out: 'replay: 1 programs, 1 equal; 3 operations, 3 equal\n',
      err: '',
    });
  });

  test('exits with 1 and shows line, expected and got where a model answers differently', async () => {
    const path = file(
      'wrong.pvmmu',
      PROGRAM.replace('-> EINVAL', '-> EBUSY').replace('L4 pinned', 'L3 pinned'),
    );
    const { status, out } = await pvmmu(['replay', '--model', 'optimized', path]);
    expect(status).toBe(1);
    expect(out.replaceAll(path, 'FILE')).toBe(`FILE:7: program small: optimized model
  pin L4 F2
  expected EBUSY
  got      EINVAL
FILE:8: program small: optimized model
  expected final F2 L3 pinned
  got      final F2 L4 pinned
replay: 1 programs, 0 equal; 3 operations, 2 equal
`);
  });

  test('prints JSON lines with --json', async () => {
    const path = file('wrong.json.pvmmu', PROGRAM.replace('-> EINVAL', '-> EBUSY'));
    const { status, out } = await pvmmu(['replay', '--json', path]);
    expect(status).toBe(1);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; model?: string });
    expect(lines.map(({ type, model }) => model ?? type)).toEqual(['reference', 'optimized', 'summary']);
    expect(lines[2]).toEqual({
      type: 'summary',
      programs: 1,
      equalPrograms: 0,
      operations: 3,
      equalOperations: 2,
    });
  });

  test('reads standard input', async () => {
    const { status, out } = await pvmmu(['replay', '-'], (child) => child.stdin?.end(PROGRAM));
    expect({ status, last: lastLine(out) }).toEqual({
      status: 0,
      last: 'replay: 1 programs, 1 equal; 3 operations, 3 equal',
    });
  });

  const recording = readFileSync('vectors/xen-4.17-x86_64-a.pvmmu.gz');
  test.each([
    [
      'an unknown operation',
      'typo.pvmmu',
      PROGRAM.replace('pin L4 F2 -> ok', 'pim L4 F2 -> ok'),
      /typo\.pvmmu:6:1: .*pim.*pin/,
    ],
    [
      'an unknown version',
      'version.pvmmu',
      PROGRAM.replace('pvmmu 1', 'pvmmu 2'),
      /version\.pvmmu:1:\d+: .*expected.*1/,
    ],
    ['a truncated gzip file', 'cut.pvmmu.gz', recording.subarray(0, 200_000), /cut\.pvmmu\.gz.*gzip/],
    [
      'a corrupt gzip file',
      'bad.pvmmu.gz',
      Buffer.from(recording).fill(0x5a, recording.length - 8),
      /bad\.pvmmu\.gz.*gzip/,
    ],
    ['binary junk', 'junk.pvmmu', Buffer.from([0, 1, 2, 255, 254, 10, 0]), /junk\.pvmmu:1:1: /],
    ['an empty file', 'empty.pvmmu', '', /empty\.pvmmu: .*empty/],
    ['a line without an end', 'long.pvmmu', Buffer.alloc(3_000_000, 0x61), /long\.pvmmu:1:1048577: .*1 MiB/],
  ])('exits with 2 and one line on %s', async (_what, name, content, message) => {
    const { status, out, err } = await pvmmu(['replay', '--model', 'optimized', file(name, content)]);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test.each([
    [['replay', join(folder, 'absent.pvmmu')], /absent\.pvmmu: /],
    [['replay', folder], /directory/],
    [['replay'], /missing required argument/],
    [['replay', '--modle', 'both', 'x'], /--model/],
    [['replay', '--model', 'fast', 'x'], /reference, optimized, both/],
    [['repaly'], /replay/],
    [['fuzz', '--time', '-3'], /seconds/],
  ])('exits with 2 and without a stack on %j', async (args, message) => {
    const { status, err } = await pvmmu(args);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/ at .*\.js:/);
  });
});
