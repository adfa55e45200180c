import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { type Difference, replayFile } from '../../src/replay/replay.js';

test.each([
  ['reference', () => new ReferenceModel()],
  ['optimized', () => new OptimizedModel()],
])(
  'the %s model gives the answers that the rules give where there is no recording',
  async (_name, create) => {
    const tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
    const differences: Difference[] = [];
    await replayFile('test/models/corners.pvmmu', [create()], tally, (difference) =>
      differences.push(difference),
    );
    expect(differences).toEqual([]);
    expect(tally.programs).toBeGreaterThan(20);
  },
);
