import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Model } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Difference, replayFile, type Tally } from '../../src/replay/replay.js';

const recordings = readdirSync('vectors').filter((file) => file.startsWith('xen-'));

async function replayed(file: string, model: Model): Promise<Tally & { differences: Difference[] }> {
  const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  const differences: Difference[] = [];
  await replayFile(`vectors/${file}`, [model], tally, (difference) => differences.push(difference));
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
    expect(programs).toBe(5000);
  });
});
