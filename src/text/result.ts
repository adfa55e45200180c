import { codeOf, doneOf, RESULT_NAMES, UNKNOWN, withDone } from '../../models/x86/result.js';
import { anyOf } from './error.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

const MINUS = 0x2d;
const GREATER = 0x3e;
const QUESTION_MARK = 0x3f;
/** Most elements that a result's `done` count can stand for. */
export const DONE_MAX = 2 ** 23 - 2;

const RESULTS = new Words([...RESULT_NAMES].map(([code, name]) => [name, code]));

/** Whether `->` stands at the position. */
export function atResult(s: LineScanner): boolean {
  return s.peek() === MINUS && s.bytes[s.pos + 1] === GREATER && s.pos + 1 < s.end;
}

/** Reads `-> RESULT`, to the line's end; `done=N` may follow where `counted` says so. `?` gives UNKNOWN. */
export function readResult(s: LineScanner, counted: boolean): number {
  if (!s.another()) s.fail(s.pos, 'missing result, expected -> and ok, fault or an error name');
  if (!atResult(s)) s.fail(s.pos, `unexpected ${s.quoted(s.pos)}, expected -> and a result`);
  s.pos += 2;
  s.field('a result');
  if (s.take(QUESTION_MARK)) {
    if (s.another()) s.finish();
    return UNKNOWN;
  }
  const end = s.wordEnd();
  const code = RESULTS.find(s.bytes, s.pos, end);
  if (code === undefined) return unknownResult(s, end);
  s.pos = end;
  if (!s.another()) return code;
  if (!counted) s.finish();
  s.key('done');
  const done = s.number('a count', DONE_MAX);
  s.finish();
  return withDone(code, done);
}

function unknownResult(s: LineScanner, end: number): never {
  const names = [...RESULT_NAMES.values(), '?'];
  const wrong = end > s.pos ? `unknown result ${s.quoted(s.pos, end)}` : s.found();
  return s.fail(s.pos, `${wrong}, expected ${anyOf(names)}`);
}

/** `ok`, `EBUSY done=1`, or `?` where the result is not known. */
export function printResult(result: number): string {
  if (result === UNKNOWN) return '?';
  const code = codeOf(result);
  const done = doneOf(result);
  return (RESULT_NAMES.get(code) ?? `E${code}`) + (done === undefined ? '' : ` done=${done}`);
}
