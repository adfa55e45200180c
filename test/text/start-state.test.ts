import { describe, expect, it } from 'vitest';
import { entry, P, RW } from '../../models/x86/entry.js';
import { parseProgram } from '../../src/text/parse.js';
import { printProgram } from '../../src/text/print.js';
import { PROGRAM, refusal } from './refusal.js';

/** Line 4 begins after this. */
const MACHINE = `${PROGRAM}machine x86_64\n`;
const TEXT = `program p
machine x86_64
ram 0x1000+0x10
ram 0x20+0x1
io 0x0+0x1
shared 0x900+0x2
io 0x910+0x1
io_ro 0xfed00+0x1
table L4 0x1000 pinned [0]=0x1001|P [511]=0x1000|P
table L3 0x1001 [7]=0|RW
base 0x1000
`;

describe('a start state that is spelled out', () => {
  it('is read as it stands', () => {
    expect(parseProgram(`pvmmu 1\n${TEXT}`).machine).toMatchObject({
      frames: 0,
      start: {
        ram: [
          { mfn: 0x1000, count: 16 },
          { mfn: 0x20, count: 1 },
        ],
        io: [
          { mfn: 0, count: 1 },
          { mfn: 0x910, count: 1 },
        ],
        ioReadOnly: [{ mfn: 0xfed00, count: 1 }],
        shared: [{ mfn: 0x900, count: 2 }],
        tables: [
          {
            level: 4,
            mfn: 0x1000,
            pinned: true,
            entries: [
              { slot: 0, entry: entry(0x1001, P) },
              { slot: 511, entry: entry(0x1000, P) },
            ],
          },
          { level: 3, mfn: 0x1001, pinned: false, entries: [{ slot: 7, entry: entry(0, RW) }] },
        ],
        base: 0x1000,
      },
    });
  });

  it('is printed as it was', () => {
    expect(printProgram(parseProgram(`pvmmu 1\n${TEXT}`))).toBe(TEXT);
  });

  it.each([
    ['ram', 'f:4:4: the line ends, expected frames as 0x1a2b+0x10'],
    [
      'ram F1+0x1',
      'f:4:5: unknown frame "F1", expected a frame number as 0x1a2b (names need a machine with frames=)',
    ],
    ['ram 0x1', 'f:4:8: the line ends, expected + and a number of frames'],
    ['ram 0x1+0', 'f:4:9: "0" is too small, expected a number of frames from 1'],
    ['ram 0x2+0x1 x', 'f:4:13: unexpected "x", expected the end of the line'],
    ['ram 0x1+0x1000000', 'f:4:5: "0x1+0x1000000" goes too far, expected frames below 0x1000000'],
    ['shared 0x1000000+0x1', 'f:4:8: "0x1000000+0x1" goes too far, expected frames below 0x1000000'],
    ['io 0x2+0xffffffff', 'f:4:4: "0x2+0xffffffff" goes too far, expected frames below 0x100000000'],
    [
      'io 0x0+0x2',
      `f:4:4: "0x0+0x2" holds frame 0x1, which stands for Xen's own, expected frames without it`,
    ],
    [
      'ram 0x1+0x1',
      `f:4:5: "0x1+0x1" holds frame 0x1, which stands for Xen's own, expected frames without it`,
    ],
    ['table', 'f:4:6: the line ends, expected L1 to L4'],
    ['table L5 0x1', 'f:4:7: unknown level "L5", expected L1 to L4'],
    ['table L1 0x1 pined', 'f:4:14: unexpected "pined", expected a slot as [3]'],
    ['table L1 0x1 [1]=0 [1]=0', 'f:4:20: slot 1 given twice, expected it once'],
    ['base', 'f:4:5: the line ends, expected a frame'],
    ['base 0x1 0x2', 'f:4:10: unexpected "0x2", expected the end of the line'],
    ['base 0x1\nbase 0x2', 'f:5:1: base given twice, expected it once (line 4 has it)'],
  ])('is refused in %j', (text, message) => {
    expect(refusal(MACHINE + text)).toBe(message);
  });
});
