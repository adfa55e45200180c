import type { Failure } from '../lockstep/lockstep.js';
import type { Program } from '../program/program.js';
import { TextError, anyOf, quote } from '../text/error.js';
import { parseProgram } from '../text/parse.js';
import { HEADER, printProgram } from '../text/print.js';

/** A program that fails, or once failed. */
export interface StoredFind {
  /** The name of its file: for what was shrunk here the program's id (`src/shrink/identity.ts`). */
  readonly id: string;
  /** What is wrong, in one line. */
  readonly title: string;
  readonly kind: Failure['kind'];
  /** The invariant, where that is the kind. */
  readonly invariant: string | undefined;
  /** Options of `pvmmu fuzz` without which it is none: quirks, defects, judged alone; empty for the usual ones. */
  readonly options: string;
  /** The command that finds it again, if there is one. */
  readonly repeat: string | undefined;
  /** The program with the answers that it got. */
  readonly program: Program;
}

const KINDS: readonly Failure['kind'][] = ['result', 'state', 'invariant', 'assertion'];

/** The find as a program text: what is known about it stands in comments before the program. */
export function printFind({ title, kind, invariant, options, repeat, program }: StoredFind): string {
  const comments = [
    comment('title', title),
    comment('kind', kind),
    ...(invariant === undefined ? [] : [comment('invariant', invariant)]),
    ...(options === '' ? [] : [comment('options', options)]),
    ...(repeat === undefined ? [] : [comment('repeat', repeat)]),
  ];
  return `${HEADER}${comments.join('')}\n${printProgram(program)}`;
}

function comment(key: string, value: string): string {
  return `# ${key}: ${value.replaceAll(/\s+/g, ' ')}\n`;
}

/** The options that a kept find's text says it needs; undefined where the text is no find's. */
export function optionsIn(text: string): string | undefined {
  if (!/^# kind: /m.test(text)) return undefined;
  return /^# options: (.*?)\r?$/m.exec(text)?.[1] ?? '';
}

/**
 * The find that a text holds.
 *
 * @throws TextError if the text is malformed, holds more than one program, or does not say what failed.
 */
export function parseFind(text: string, id: string, file: string): StoredFind {
  const program = parseProgram(text, file);
  const said = new Map(
    [...text.matchAll(/^# (title|kind|invariant|options|repeat): (.*?)\r?$/gm)].map(([, key, value]) => [
      key,
      value!,
    ]),
  );
  const needed = (key: string, expected: string) => {
    const value = said.get(key);
    if (value === undefined) throw new TextError(file, 0, 0, `no line "# ${key}: …", expected ${expected}`);
    return value;
  };
  const kind = KINDS.find((one) => one === needed('kind', anyOf(KINDS)));
  if (kind === undefined)
    throw new TextError(file, 0, 0, `unknown kind ${quote(said.get('kind')!)}, expected ${anyOf(KINDS)}`);
  return {
    id,
    title: needed('title', 'what is wrong'),
    kind,
    invariant: kind === 'invariant' ? needed('invariant', "the invariant's name") : undefined,
    options: said.get('options') ?? '',
    repeat: said.get('repeat'),
    program,
  };
}
