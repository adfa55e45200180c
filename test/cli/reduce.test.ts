import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { reduceFile, type ReduceOptions } from '../../src/cli/reduce.js';
import { parsePrograms } from '../../src/text/parse.js';
import { ClearsNoPage, planted } from '../shrink/planted.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-reduce-'));
afterAll(() => rmSync(folder, { recursive: true }));
let lines: string[] = [];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const PASSES = `pvmmu 1

program harmless
machine x86_64 frames=4
update_va W1 0 -> ok
`;
const FAILS = `
program forgets
machine x86_64 frames=4 build=debug
update_va W3 0 flush -> ok
mmu_update F2[7] F3|P|RW -> ?
mmuext_op_list
  pin L2 F3
  clear_page F1
end -> ?
update_va W2 F2|P invlpg -> ?
unpin F3 -> ?
pin L3 F2 -> ?
`;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function reduced(text: string, options: ReduceOptions = {}): Promise<string> {
  await reduceFile(file('in.pvmmu', text), options, () => planted(ClearsNoPage));
  return lines.join('\n');
}

const SHRUNK = `pvmmu 1

program forgets
machine x86_64 frames=8 domain=hardware
pin L2 B2 -> ok
unpin B2 -> ok
`;

describe('reduce', () => {
  test('says of a program that does not fail that it does not, with status 0', async () => {
    expect(await reduced(PASSES)).toBe('harmless: does not fail\nreduce: 1 programs, 0 fail');
    expect(process.exitCode).toBe(0);
  });

  test('shrinks what fails and shows that nothing can be left out, with status 1', async () => {
    const out = await reduced(PASSES + FAILS);
    expect(out).toMatch(
      /^harmless: does not fail\nforgets: the models differ \(state\)\nB2: .*\nShrunk from 6 operations in \d+ runs, id [0-9a-f]{8}:\n/,
    );
    expect(out).toContain(SHRUNK);
    expect(out).toContain('Left out, one at a time:\n  1 pin L2 B2: passes\n  2 unpin B2: passes\n');
    expect(out).toContain('Also met: a model gave up: Error: no page is cleared');
    expect(out).toMatch(/reduce: 2 programs, 1 fail$/);
    expect(process.exitCode).toBe(1);
  });

  test('stops after as many runs as it may make and says how to go on', async () => {
    const out = await reduced(PASSES + FAILS, { budget: 5 });
    expect(out).toContain('operations in 5 runs; not finished:');
    expect(out).toContain('Not finished. Go on: npx pvmmu reduce FILE');
    expect(out).not.toContain('Left out');
    expect(process.exitCode).toBe(1);
  });

  test('ends after Ctrl-C with what it has, status 130 and how to go on', async () => {
    const output = join(folder, 'interrupted.pvmmu');
    const path = file('in.pvmmu', `pvmmu 1\n${FAILS}`);
    await reduceFile(path, { output }, () => {
      process.emit('SIGINT');
      return planted(ClearsNoPage);
    });
    expect(process.exitCode).toBe(130);
    expect(lines.join('\n')).toContain('operations in 0 runs; not finished:');
    expect(lines.at(-2)).toBe(`Not finished. Go on: npx pvmmu reduce ${output}`);
    expect(parsePrograms(readFileSync(output, 'utf8'))[0]!.name).toBe('forgets');
  });

  test('writes what it found to a new file, what else it met included, which can be reduced again', async () => {
    const output = join(folder, 'out.pvmmu');
    await reduced(PASSES + FAILS, { output });
    const text = readFileSync(output, 'utf8');
    expect(text.startsWith(SHRUNK)).toBe(true);
    expect(parsePrograms(text).map(({ name }) => name)).toEqual(['forgets', 'forgets-other-1']);
    lines = [];
    await reduceFile(output, {}, () => planted(ClearsNoPage));
    expect(lines.join('\n')).toContain(SHRUNK);
    expect(lines.join('\n')).toContain('forgets-other-1: a model gave up');
  });

  test('refuses to write over a file', async () => {
    const output = file('taken.pvmmu', 'mine');
    await expect(reduced(PASSES + FAILS, { output })).rejects.toThrow(
      `${output}: is there already, expected the name of a new file`,
    );
    expect(readFileSync(output, 'utf8')).toBe('mine');
  });

  test('with the models as they are finds nothing wrong', async () => {
    await reduceFile(file('real.pvmmu', PASSES + FAILS), {});
    expect(lines).toEqual([
      'harmless: does not fail',
      'forgets: does not fail',
      'reduce: 2 programs, 0 fail',
    ]);
  });
});
