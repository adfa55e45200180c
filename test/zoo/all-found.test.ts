import { expect, test } from 'vitest';
import { DEFECTS } from '../../models/defects/index.js';
import { hunt } from '../../src/zoo/hunt.js';

/** Of a hunt; docs/zoo.md has what hunts take. */
const MOST_OPERATIONS = 1_000_000;

/** The short form of `npx pvmmu zoo`: one seed, both models. */
test.each(DEFECTS.map((defect) => [defect.id, defect] as const))(
  'a hunt with one seed finds %s, and nothing can be left out of what it finds',
  (_, defect) => {
    const { find, strays } = hunt(defect, {
      seed: 'zoo 1',
      alone: false,
      limit: { operations: MOST_OPERATIONS },
    });
    expect(strays).toBe(0);
    expect(find?.reduction.minimal).toBe(true);
  },
);
