/**
 * The example database: a directory of program texts, one find each, named by its id. Runs keep there what they
 * find; what no longer fails moves to `fixed/` and stays an example.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { idOf } from '../shrink/identity.js';
import { TextError } from '../text/error.js';
import { parseFind, printFind, type StoredFind } from './find-text.js';

/** Where runs keep their finds unless they are told otherwise. */
export const FINDS_FOLDER = join('.pvmmu', 'finds');
const FIXED = 'fixed';
const SUFFIX = '.pvmmu';

/**
 * All finds of the directory, in the order of their ids; none where there is no such directory.
 *
 * @throws TextError if the directory or a file in it cannot be read, or a file is no find.
 */
export function loadFinds(folder: string): StoredFind[] {
  if (!existsSync(folder)) return [];
  return attempt(folder, 'read', () => readdirSync(folder))
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => readFind(join(folder, name)));
}

/**
 * Adds the find to the directory, which is made if it is missing. A reader sees all of the file or none of it.
 * False if the program was there already; its file then stays as it is.
 *
 * @throws TextError if the directory cannot be written, or holds another program under this id.
 */
export function saveFind(folder: string, find: StoredFind): boolean {
  const path = join(folder, find.id + SUFFIX);
  if (isTaken(path, find)) return false;
  attempt(folder, 'create', () => mkdirSync(folder, { recursive: true }));
  const unfinished = join(folder, `${find.id}.${process.pid}.tmp`);
  attempt(folder, 'write to', () => {
    try {
      writeFileSync(unfinished, printFind(find));
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { force: true });
    }
  });
  return true;
}

/**
 * Moves a find that no longer fails to `fixed/` in its directory.
 *
 * @throws TextError if there is no such find, or `fixed/` holds another program under its id.
 */
export function retireFind(folder: string, id: string): void {
  const path = join(folder, id + SUFFIX);
  const fixed = join(folder, FIXED, id + SUFFIX);
  const known = isTaken(fixed, readFind(path));
  attempt(dirname(fixed), 'create', () => mkdirSync(dirname(fixed), { recursive: true }));
  attempt(folder, 'write to', () => (known ? rmSync(path) : renameSync(path, fixed)));
}

function readFind(path: string): StoredFind {
  const text = attempt(path, 'read', () => readFileSync(path, 'utf8'));
  return parseFind(text, basename(path, SUFFIX), path);
}

/** Whether the find's program is in this file; an error if another one is. */
function isTaken(path: string, find: StoredFind): boolean {
  if (!existsSync(path)) return false;
  if (idOf(readFind(path).program) !== idOf(find.program))
    throw new TextError(path, 0, 0, 'holds another program, expected none or the same');
  return true;
}

/** Does something to a file or directory; what the system refuses is said in one line. */
export function attempt<T>(path: string, what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    const reason = REASONS.get((error as NodeJS.ErrnoException).code ?? '') ?? error.message;
    throw new TextError(path, 0, 0, `cannot ${what} it: ${reason}`);
  }
}

const REASONS = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'it or what it lies in is a file, expected a directory'],
  ['EEXIST', 'it is a file, expected a directory'],
  ['EISDIR', 'it is a directory, expected a file'],
  ['EACCES', 'no permission'],
  ['EPERM', 'no permission'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'no space is left'],
]);
