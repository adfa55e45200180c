import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defectsNamed } from '../../models/defects/index.js';
import { fuzz } from '../../src/cli/fuzz.js';
import { FINDS_FOLDER, loadFinds } from '../../src/database/finds.js';

const home = process.cwd();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvmmu-interrupted-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

test('Ctrl-C while a catch is shrunk keeps it as small as it is by then, and says how to go on', async () => {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => {
    lines.push(line);
    if (line.startsWith('Caught: ')) process.emit('SIGINT');
  });
  await fuzz({ defect: defectsNamed('double-pin-keeps-ref'), seed: 'interrupted' });
  const { exitCode } = process;
  expect(exitCode).toBe(130);
  const [find] = loadFinds(FINDS_FOLDER);
  const file = join(FINDS_FOLDER, `${find!.id}.pvmmu`);
  expect(lines.join('\n')).toContain(`Go on: npx pvmmu reduce --defect double-pin-keeps-ref ${file}`);
  expect(lines.at(-1)).toMatch(/ 1 finds, /);
});
