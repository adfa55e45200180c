import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StoredFind } from '../../src/database/find-text.js';
import { loadFinds, retireFind, saveFind } from '../../src/database/finds.js';
import { parseProgram } from '../../src/text/parse.js';

const TEXT = `pvmmu 1
# title: B4: type count is 1 in the reference model, 2 in the optimized one.
# kind: state
# repeat: npx pvmmu fuzz --arch x86_64 --seed readme.2 --ops 1

program counterexample
machine x86_64 frames=8 domain=hardware
mmu_update B1[0] 0 -> ok
new_baseptr F0 -> ok
`;
const FIND: StoredFind = {
  id: '0123abcd',
  title: 'B4: type count is 1 in the reference model, 2 in the optimized one.',
  kind: 'state',
  invariant: undefined,
  options: '',
  repeat: 'npx pvmmu fuzz --arch x86_64 --seed readme.2 --ops 1',
  program: parseProgram(TEXT),
};
const BROKEN: StoredFind = {
  id: 'broken',
  title: 'F0 is a pagetable and writable',
  kind: 'invariant',
  invariant: 'no-writable-pagetable',
  options: '--quirks shipped --defect linear-chain',
  repeat: undefined,
  program: parseProgram(TEXT.replace('new_baseptr', 'new_user_baseptr')),
};

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pvmmu-finds-'));
  folder = join(root, 'deep', 'finds');
});
afterEach(() => rmSync(root, { recursive: true }));

const path = (id: string) => join(folder, `${id}.pvmmu`);

describe('the database', () => {
  test('gives back what was saved, in the order of ids', () => {
    expect(saveFind(folder, BROKEN)).toBe(true);
    expect(saveFind(folder, FIND)).toBe(true);
    expect(loadFinds(folder)).toEqual([FIND, BROKEN]);
  });

  test('is plain program text with comments', () => {
    saveFind(folder, FIND);
    expect(readFileSync(path(FIND.id), 'utf8')).toBe(TEXT);
  });

  test('holds nothing where there is no directory', () => {
    expect(loadFinds(folder)).toEqual([]);
  });

  test('keeps a program that is found again as it was found first', () => {
    saveFind(folder, FIND);
    expect(saveFind(folder, { ...FIND, repeat: 'in another way' })).toBe(false);
    expect(readFileSync(path(FIND.id), 'utf8')).toBe(TEXT);
  });

  test('refuses another program under the same id', () => {
    saveFind(folder, FIND);
    expect(() => saveFind(folder, { ...BROKEN, id: FIND.id })).toThrow(
      `${path(FIND.id)}: holds another program, expected none or the same`,
    );
    expect(readFileSync(path(FIND.id), 'utf8')).toBe(TEXT);
  });

  test('leaves nothing but whole finds in the directory', () => {
    saveFind(folder, FIND);
    saveFind(folder, BROKEN);
    expect(readdirSync(folder).sort()).toEqual(['0123abcd.pvmmu', 'broken.pvmmu']);
  });

  test('puts a title of several lines into one', () => {
    saveFind(folder, { ...FIND, title: 'one\nprogram two' });
    expect(loadFinds(folder)[0]!.title).toBe('one program two');
  });

  test('loads no other files and nothing that is fixed', () => {
    saveFind(folder, FIND);
    saveFind(join(folder, 'fixed'), BROKEN);
    writeFileSync(join(folder, 'notes.txt'), 'none of its business');
    expect(loadFinds(folder)).toEqual([FIND]);
  });
});

describe('a find that no longer fails', () => {
  test('moves to fixed/', () => {
    saveFind(folder, FIND);
    retireFind(folder, FIND.id);
    expect(loadFinds(folder)).toEqual([]);
    expect(loadFinds(join(folder, 'fixed'))).toEqual([FIND]);
  });

  test('may have been there before', () => {
    for (let i = 0; i < 2; i++) {
      saveFind(folder, FIND);
      retireFind(folder, FIND.id);
    }
    expect(loadFinds(join(folder, 'fixed'))).toEqual([FIND]);
  });

  test('does not take the place of another program', () => {
    saveFind(folder, FIND);
    saveFind(join(folder, 'fixed'), { ...BROKEN, id: FIND.id });
    expect(() => retireFind(folder, FIND.id)).toThrow('holds another program, expected none or the same');
    expect(loadFinds(folder)).toEqual([FIND]);
    expect(loadFinds(join(folder, 'fixed'))).toEqual([{ ...BROKEN, id: FIND.id }]);
  });

  test('must be there', () => {
    expect(() => retireFind(folder, 'nothing')).toThrow(
      `${path('nothing')}: cannot read it: there is no such file`,
    );
  });
});

describe('is refused in one line:', () => {
  const REFUSED: [string, string, string][] = [
    ['a text without its kind', TEXT.replace(/# kind.*\n/, ''), 'no line "# kind: …", expected result,'],
    ['an unknown kind', TEXT.replace('kind: state', 'kind: odd'), 'unknown kind "odd", expected result,'],
    ['a text without its title', TEXT.replace(/# title.*\n/, ''), 'no line "# title: …", expected what is'],
    [
      'a broken invariant without its name',
      TEXT.replace('kind: state', 'kind: invariant'),
      'no line "# invariant: …", expected the',
    ],
    ['two programs', `${TEXT}\n${TEXT}`, '2 programs, expected one'],
    ['a malformed program', TEXT.replace('F0', 'F9'), ':9:13: unknown frame "F9", expected'],
  ];
  test.each(REFUSED)('%s', (_, text, message) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path('wrong'), text);
    expect(() => loadFinds(folder)).toThrow(path('wrong'));
    expect(() => loadFinds(folder)).toThrow(message);
  });

  test('a directory that is a file', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    const reason = 'it or what it lies in is a file, expected a directory';
    expect(() => loadFinds(file)).toThrow(`${file}: cannot read it: ${reason}`);
    expect(() => saveFind(join(file, 'finds'), FIND)).toThrow(`cannot create it: ${reason}`);
  });
});
