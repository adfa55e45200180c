import { expect, test } from 'vitest';
import { alphabetOf, namesOf } from '../../bench/shortest/alphabet.js';
import { knownPrograms } from '../../bench/shortest/known.js';
import { Search } from '../../bench/shortest/search.js';
import { encode } from '../../src/program/codec.js';
import type { Operation } from '../../src/program/operation.js';
import { draftOf } from '../../src/shrink/draft.js';
import { lengthOf } from '../../src/zoo/programs.js';

const several = knownPrograms()
  .filter(({ length }) => length > 1)
  .map(({ defect, program }) => [defect.id, program] as const);

function recordsOf(operation: Operation): string {
  const words: number[] = [];
  encode(operation, words);
  return String(words);
}

test.each(several)('what is tried to undercut %s has all of its operations', (_, program) => {
  const alphabet = alphabetOf(namesOf(program, lengthOf(program)));
  const known = new Set(alphabet.map(recordsOf));
  expect(known.size).toBe(alphabet.length);
  const parts = draftOf(program).operations.flatMap((one): readonly Operation[] =>
    one.kind === 'multicall' ? one.items : [one],
  );
  for (const operation of parts)
    if (operation.kind !== 'mmuext') expect(known).toContain(recordsOf(operation));
});

test.each([
  ['fast-rw-l2', 2],
  ['pin-error-put', 2],
  ['eintr-loses-partial', 2],
  ['l1-promotion-result-ignored', 3],
] as const)('a search finds a shortest program for %s, of %i operations', (id, length) => {
  const known = several.find(([one]) => one === id)![1];
  const kinds = new Set(draftOf(known).operations.map(({ kind }) => kind));
  const names = { ...namesOf(known, length), kinds };
  const search = new Search(names.machine, alphabetOf(names), id, false);
  const { found, none } = search.run(length, 60);
  expect(none).toBe(length - 1);
  expect(lengthOf(found!)).toBe(length);
});
