/** Files that commands write: nothing that somebody made is overwritten. */
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { TextError } from '../text/error.js';

/** What the title of every page of pvmmu ends with. */
export const PAGE_MARK = ' · pvmmu</title>';

/**
 * Writes a file that is new, or that pvmmu has written before, as `mark` in its text tells.
 *
 * @throws TextError if it cannot be written, or something else is there.
 */
export function writeOutput(path: string, text: string, mark: string): void {
  requireOutput(path, mark);
  attempt(path, () => writeFileSync(path, text));
}

/**
 * For those who are about to work for minutes.
 *
 * @throws TextError if `writeOutput` would.
 */
export function requireOutput(path: string, mark: string): void {
  const before = attempt(path, () => (existsSync(path) ? readFileSync(path, 'utf8') : undefined));
  if (before !== undefined && !before.includes(mark))
    throw new TextError(path, 0, 0, 'is there already and not by pvmmu, expected the name of a new file');
  attempt(path, () => accessSync(before === undefined ? dirname(path) : path, constants.W_OK));
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new TextError(path, 0, 0, `cannot write the file (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * Writes a file that is new.
 *
 * @throws TextError if it is there already, or cannot be written.
 */
export function writeNew(path: string, content: string | Uint8Array): void {
  try {
    writeFileSync(path, content, { flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (error.code === 'EEXIST') refuseExisting(path);
    throw new TextError(path, 0, 0, `cannot write the file (${String(error.code)})`);
  }
}

/** @throws TextError if the file is there already. */
export function requireNew(path: string): void {
  if (existsSync(path)) refuseExisting(path);
}

function refuseExisting(path: string): never {
  throw new TextError(path, 0, 0, 'is there already, expected the name of a new file');
}
