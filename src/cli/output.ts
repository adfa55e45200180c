/** Files that commands write: nothing that somebody made is overwritten. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { TextError } from '../text/error.js';

/** What the title of every page of pvmmu ends with. */
export const PAGE_MARK = ' · pvmmu</title>';

/**
 * Writes a file that is new, or that pvmmu has written before, as `mark` in its text tells.
 *
 * @throws TextError if it cannot be written, or something else is there.
 */
export function writeOutput(path: string, text: string, mark: string): void {
  try {
    if (existsSync(path) && !readFileSync(path, 'utf8').includes(mark))
      throw new TextError(path, 0, 0, 'is there already and not by pvmmu, expected the name of a new file');
    writeFileSync(path, text);
  } catch (error) {
    if (error instanceof TextError || !(error instanceof Error) || !('code' in error)) throw error;
    throw new TextError(path, 0, 0, `cannot write the file (${String(error.code)})`);
  }
}
