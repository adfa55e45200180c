import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Difference, replayFile } from '../../src/replay/replay.js';

const FOLDER = 'test/models/corners';

describe.each([
  ['reference', () => new ReferenceModel()],
  ['optimized', () => new OptimizedModel()],
])('the %s model', (_name, create) => {
  test.each(readdirSync(FOLDER))(
    'gives the answers of %s, which the rules give where there is no recording',
    async (file) => {
      const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
      const differences: Difference[] = [];
      await replayFile(`${FOLDER}/${file}`, [create()], tally, (difference) => differences.push(difference));
      expect(differences).toEqual([]);
      expect(tally.programs).toBeGreaterThan(0);
    },
  );
});
