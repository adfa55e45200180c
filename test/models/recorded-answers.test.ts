import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Difference, replayFile, type Tally } from '../../src/replay/replay.js';

/** How many programs each recording has. */
const RECORDED: Record<string, number> = {
  'xen-4.17-x86_32-a.pvmmu.gz': 5000,
  'xen-4.17-x86_32-b.pvmmu.gz': 1200,
  'xen-4.17-x86_32-c.pvmmu.gz': 320,
  'xen-4.17-x86_64-a.pvmmu.gz': 5000,
  'xen-4.17-x86_64-b.pvmmu.gz': 5000,
  'xen-4.17-x86_64-c.pvmmu.gz': 1500,
  'xen-4.17-x86_64-d.pvmmu.gz': 650,
  'xen-4.17-x86_64-e.pvmmu.gz': 400,
  'xen-4.17-x86_64-f.pvmmu.gz': 298,
};
/** Programs replayed of each recording: all, unless PVMMU_PROGRAMS says fewer. */
const PROGRAMS = Number(process.env['PVMMU_PROGRAMS'] ?? Infinity);

const recordings = readdirSync('vectors').filter((file) => file.startsWith('xen-'));
const shortened = mkdtempSync(join(tmpdir(), 'pvmmu-'));
afterAll(() => rmSync(shortened, { recursive: true }));

/** A file with the recording's first programs. */
function firstPrograms(file: string): string {
  if (PROGRAMS >= RECORDED[file]!) return `vectors/${file}`;
  const programs = gunzipSync(readFileSync(`vectors/${file}`))
    .toString()
    .split('\nprogram ');
  const path = join(shortened, file.replace('.gz', ''));
  writeFileSync(path, programs.slice(0, PROGRAMS + 1).join('\nprogram '));
  return path;
}

async function replayed(file: string, model: Model): Promise<Tally & { differences: Difference[] }> {
  const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  const differences: Difference[] = [];
  await replayFile(firstPrograms(file), [model], tally, (difference) => differences.push(difference));
  return { ...tally, differences: differences.slice(0, 5) };
}

describe.each([
  ['reference', () => new ReferenceModel()],
  ['optimized', () => new OptimizedModel()],
])('the %s model', (_name, create) => {
  test.each(recordings)('gives every answer and final state that Xen gave in %s', async (file) => {
    const { programs, equalPrograms, operations, equalOperations, differences } = await replayed(
      file,
      create(),
    );
    expect(differences).toEqual([]);
    expect(equalPrograms).toBe(programs);
    expect(equalOperations).toBe(operations);
    expect(programs).toBe(Math.min(PROGRAMS, RECORDED[file]!));
  });
});
