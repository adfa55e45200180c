import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OptimizedModel } from '../models/optimized/model.js';
import { ReferenceModel } from '../models/reference/model.js';
import { Lockstep } from '../src/lockstep/lockstep.js';
import { type Difference, replayFile } from '../src/replay/replay.js';
import { parsePrograms } from '../src/text/parse.js';

const FOLDER = 'regressions';
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.pvmmu'));
const models = () => [new ReferenceModel(), new OptimizedModel()] as const;

test('there are regressions to replay', () => {
  expect(FILES.length).toBeGreaterThan(2);
});

test.each(FILES)('%s: no program fails in lockstep', (file) => {
  for (const { name, machine, code } of parsePrograms(readFileSync(`${FOLDER}/${file}`, 'utf8'), file)) {
    const [reference, optimized] = models();
    expect(new Lockstep(reference, optimized).run(machine, code), name).toBeUndefined();
  }
});

test.each(FILES)('%s: both models give every recorded answer', async (file) => {
  const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  const differences: Difference[] = [];
  await replayFile(`${FOLDER}/${file}`, [...models()], tally, (difference) => differences.push(difference));
  expect(differences).toEqual([]);
});
