import { describe, expect, it } from 'vitest';
import { lowWord, P, RW } from '../../models/x86/entry.js';
import { printFinal } from '../../src/text/final-line.js';
import { parseProgram } from '../../src/text/parse.js';
import { refusal, STANDARD_64 } from './refusal.js';

describe('a final line', () => {
  it('gives type, pin, references and entries of a frame', () => {
    const { finals } = parseProgram(`${STANDARD_64}final F1 L2 refs=3 pinned [5]=F2|P|RW [1]=0`);
    expect(finals).toStrictEqual([
      {
        mfn: 0x201,
        level: 2,
        pinned: true,
        references: 3,
        count: 2,
        slots: Int32Array.of(5, 1),
        low: Int32Array.of(lowWord(0x202, P | RW), 0),
        high: Int32Array.of(0, 0),
      },
    ]);
  });

  it('takes nothing over from the line before', () => {
    const { finals } = parseProgram(`${STANDARD_64}final F1 L2 refs=3 pinned [5]=F2|P|RW\nfinal F2 none`);
    expect(finals[1]).toStrictEqual({
      mfn: 0x202,
      level: 0,
      pinned: false,
      references: undefined,
      count: 0,
      slots: new Int32Array(0),
      low: new Int32Array(0),
      high: new Int32Array(0),
    });
  });

  it.each([
    'final F1 none',
    'final 0x1a2b L4 refs=0',
    'final BAD L1 pinned [511]=F2|P',
    'final B1 L3 refs=7 pinned',
  ])('is printed as it was: %s', (line) => {
    const { finals, machine } = parseProgram(STANDARD_64 + line);
    expect(printFinal(finals[0]!, machine)).toBe(line);
  });

  it.each([
    ['', 'f:4:6: the line ends, expected a frame'],
    [' F1', 'f:4:9: the line ends, expected none or L1 to L4'],
    [' F1 L5', 'f:4:10: unknown type "L5", expected none or L1 to L4'],
    [' F1 =', 'f:4:10: unexpected "=", expected none or L1 to L4'],
    [' F1 L1 pined', 'f:4:13: unexpected "pined", expected a slot as [3]'],
    [' F1 L1 refs=x', 'f:4:18: "x" is not a number, expected a number of references'],
    [' F1 L1 references=1', 'f:4:13: unexpected "references=1", expected refs='],
    [' F1 L1 pinned refs=1', 'f:4:20: unexpected "refs=1", expected a slot as [3]'],
    [' F1 none [1]=F2 [1]=F2', 'f:4:22: slot 1 given twice, expected it once'],
    [' F1 none -> ok', 'f:4:15: unexpected "->", expected a slot as [3]'],
  ])('is refused when it goes on with %j', (rest, message) => {
    expect(refusal(`${STANDARD_64}final${rest}`)).toBe(message);
  });
});
