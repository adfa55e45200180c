import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { INVARIANTS } from '../../properties/index.js';

const text = readFileSync('docs/invariants.md', 'utf8');
const sections = new Map(
  text
    .split('\n## ')
    .slice(1)
    .map((section) => [section.split('\n')[0]!, section.split('\n').slice(1).join(' ').replace(/\s+/g, ' ')]),
);

test.each(INVARIANTS.map((invariant) => [invariant.name, invariant] as const))(
  'docs/invariants.md gives the meaning of %s and why it matters',
  (name, { meaning, why }) => {
    expect(sections.get(name)).toContain(meaning);
    expect(sections.get(name)).toContain(why);
  },
);

test('docs/invariants.md names no invariant that does not exist', () => {
  const known = [...INVARIANTS.map(({ name }) => name), 'teardown', 'metamorphic', 'agreement'];
  expect([...sections.keys()].filter((name) => !known.includes(name))).toEqual([]);
});
