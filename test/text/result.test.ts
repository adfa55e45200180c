import { describe, expect, it } from 'vitest';
import {
  DEAD,
  EBUSY,
  EEXIST,
  EINVAL,
  FAULT,
  NONE,
  OK,
  PREEMPTED,
  UNKNOWN,
  withDone,
} from '../../models/x86/result.js';
import { parseProgram } from '../../src/text/parse.js';
import { printResult } from '../../src/text/result.js';
import { refusal, STANDARD_64 } from './refusal.js';

describe('a result', () => {
  it.each([
    ['ok', OK],
    ['fault', FAULT],
    ['EINVAL', EINVAL],
    ['none', NONE],
    ['EEXIST', EEXIST],
    ['dead', DEAD],
    ['preempted', PREEMPTED],
    ['?', UNKNOWN],
  ])('stands as %s for %i', (text, result) => {
    expect(parseProgram(`${STANDARD_64}unpin F1 -> ${text}`).expected).toStrictEqual(Int32Array.of(result));
    expect(printResult(result)).toBe(text);
  });

  it.each([
    ['ok', OK],
    ['ok done=0', withDone(OK, 0)],
    ['EBUSY done=1', withDone(EBUSY, 1)],
    ['preempted done=2', withDone(PREEMPTED, 2)],
    ['ok done=8388606', withDone(OK, 8_388_606)],
  ])('of a list stands as %s for %i', (text, result) => {
    const program = parseProgram(`${STANDARD_64}mmu_update_list\nend -> ${text}`);
    expect(program.expected).toStrictEqual(Int32Array.of(result));
    expect(printResult(result)).toBe(text);
  });

  it('may count what is done where an interrupted call goes on', () => {
    const { expected } = parseProgram(`${STANDARD_64}resume -> EINVAL done=3\nresume -> none`);
    expect([...expected]).toStrictEqual([withDone(EINVAL, 3), NONE]);
  });

  it.each([
    ['', 'f:4:9: missing result, expected -> and ok, fault or an error name'],
    [' ->', 'f:4:12: the line ends, expected a result'],
    [' ->ok', 'f:4:12: unexpected "ok", expected a blank'],
    ['->ok', 'f:4:9: unexpected "->ok", expected a blank'],
    [' ok', 'f:4:10: unexpected "ok", expected preempt=K, contend=K or -> and a result'],
    [' - ok', 'f:4:10: unexpected "-", expected preempt=K, contend=K or -> and a result'],
    [' -> ok ok', 'f:4:16: unexpected "ok", expected the end of the line'],
    [' -> ??', 'f:4:14: unexpected "?", expected a blank'],
    [' -> ? done=1', 'f:4:15: unexpected "done=1", expected the end of the line'],
    [' -> ok done=1', 'f:4:16: unexpected "done=1", expected the end of the line'],
    [
      ' -> OK',
      'f:4:13: unknown result "OK", expected ok, EPERM, ESRCH, EINTR, EACCES, EFAULT, EBUSY, EEXIST, EINVAL, ENOSYS, EOPNOTSUPP, dead, preempted, none, fault or ?',
    ],
  ])('is refused when the line goes on with %j', (text, message) => {
    expect(refusal(`${STANDARD_64}unpin F1${text}`)).toBe(message);
  });

  it.each([
    ['done=8388607', 'f:5:16: "8388607" is too large, expected a count up to 8388606'],
    ['done', 'f:5:11: unexpected "done", expected done='],
    ['count=1', 'f:5:11: unexpected "count=1", expected done='],
    ['done=1 x', 'f:5:18: unexpected "x", expected the end of the line'],
  ])('of a list is refused when it goes on with %s', (text, message) => {
    expect(refusal(`${STANDARD_64}mmu_update_list\nend -> ok ${text}`)).toBe(message);
  });
});
