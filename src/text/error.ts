const LONGEST_QUOTE = 40;

/**
 * A program text that cannot be read. The message is complete, `file:line:column: what is wrong, expected what`,
 * or `file: what is wrong` where no line is to blame (the file is missing, is a directory, ...).
 */
export class TextError extends Error {
  override readonly name = 'TextError';
  constructor(
    readonly file: string,
    /** Counted from 1; 0 where no line is to blame. */
    readonly line: number,
    /** In characters, counted from 1; 0 where no line is to blame. */
    readonly column: number,
    /** The message without the place. */
    readonly reason: string,
  ) {
    super(line === 0 ? `${escape(file)}: ${reason}` : `${escape(file)}:${line}:${column}: ${reason}`);
  }
}

/** The text in quotes, fit for a terminal: control characters escaped, cut after 40 characters. */
export function quote(text: string): string {
  const characters = [...text];
  const shown = characters.length > LONGEST_QUOTE ? [...characters.slice(0, LONGEST_QUOTE), '…'] : characters;
  return `"${escape(shown.join(''))}"`;
}

/** Makes everything visible that a terminal would act upon or hide: C0 and C1 controls, format characters, line separators. */
function escape(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\ufffd]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** `a, b or c`. */
export function anyOf(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
