import { TextError } from '../../src/text/error.js';
import { parsePrograms } from '../../src/text/parse.js';

/** The message that a text is refused with, the text's name being `f`; lines count from the text's first. */
export function refusal(text: string): string {
  try {
    parsePrograms(text, 'f');
  } catch (error) {
    if (error instanceof TextError) return error.message;
    throw error;
  }
  return 'accepted';
}

export const PROGRAM = 'pvmmu 1\nprogram p\n';
/** Three lines, so that what follows begins in line 4. */
export const STANDARD_64 = `${PROGRAM}machine x86_64 frames=8\n`;
export const STANDARD_32 = `${PROGRAM}machine x86_32 frames=8\n`;
