import { describe, expect, it } from 'vitest';
import { anyOf, quote, TextError } from '../../src/text/error.js';

describe('TextError', () => {
  it('names file, line and column', () => {
    expect(new TextError('a.pvmmu', 3, 7, 'wrong').message).toBe('a.pvmmu:3:7: wrong');
  });

  it('names the file alone where no line is to blame', () => {
    expect(new TextError('a.pvmmu', 0, 0, 'no such file').message).toBe('a.pvmmu: no such file');
  });

  it('escapes what a terminal would act upon in the file name', () => {
    expect(new TextError('a\x1b[2J', 0, 0, 'no such file').message).toBe('a\\x1b[2J: no such file');
  });
});

describe('quote', () => {
  it.each([
    ['F1|P', '"F1|P"'],
    ['é', '"é"'],
    ['\x00\x1b\x7f\x85', '"\\x00\\x1b\\x7f\\x85"'],
    ['\u202e\u200b\u2028\ufffd', '"\\u{202e}\\u{200b}\\u{2028}\\u{fffd}"'],
    ['x'.repeat(40), `"${'x'.repeat(40)}"`],
    ['x'.repeat(41), `"${'x'.repeat(40)}…"`],
  ])('shows %j as %s', (text, shown) => {
    expect(quote(text)).toBe(shown);
  });
});

describe('anyOf', () => {
  it.each([
    [[], ''],
    [['a'], 'a'],
    [['a', 'b'], 'a or b'],
    [['a', 'b', 'c'], 'a, b or c'],
  ])('joins %j as %j', (words, text) => {
    expect(anyOf(words)).toBe(text);
  });
});
