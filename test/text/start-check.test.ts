import { describe, expect, it } from 'vitest';
import { PROGRAM, refusal } from './refusal.js';

/** Line 4 begins after these. */
const X86_64 = `${PROGRAM}machine x86_64\n`;
const X86_32 = `${PROGRAM}machine x86_32\n`;
const RAM = 'ram 0x100+0x10\n';
/** Four lines: tables down to an L1, which is still to be declared, in line 8. */
const TREE = `${RAM}table L4 0x100 pinned [511]=0x101|P|RW\ntable L3 0x101 [510]=0x102|P\ntable L2 0x102 [1]=0x103|P\n`;
const BASE = '\nbase 0x100';

describe('a start state on x86_64', () => {
  it('is accepted with a tree of tables, a linear entry, entries beyond memory and read-only mappings of tables', () => {
    const linear = 'table L4 0x105 pinned [511]=0x105|P\n';
    const leaf = 'table L1 0x103 [0]=0x104|P|RW [1]=0x102|P [2]=0x999999|P|RW [3]=0x102|RW';
    expect(refusal(`${X86_64}${TREE}${leaf}\n${linear}${BASE}`)).toBe('accepted');
  });

  it('has no linear entry on a Xen that accepts none', () => {
    expect(refusal(`${PROGRAM}machine x86_64 linear=off\n${RAM}table L4 0x100 [1]=0x100|P${BASE}`)).toBe(
      'f:5:16: 0x100 is no declared L3, expected an entry of an L4 to name one',
    );
  });

  it.each([
    ['', 'f:3:1: no start state, expected frames=N here or lines ram, table and base'],
    [`${TREE}table L1 0x103`, 'f:3:1: no base pointer, expected a line base'],
    [
      `${RAM}ram 0x10f+0x1`,
      'f:5:5: 0x10f+0x1 overlaps ram 0x100+0x10 in line 4, expected ranges without a common frame',
    ],
    [
      `${RAM}io 0xf0+0x80`,
      'f:5:4: 0xf0+0x80 overlaps ram 0x100+0x10 in line 4, expected ranges without a common frame',
    ],
    [
      `io 0x2+0x100\nio_ro 0x5+0x1\nshared 0x50+0x1`,
      'f:5:7: 0x5+0x1 overlaps io 0x2+0x100 in line 4, expected ranges without a common frame',
    ],
    [
      `${RAM}table L4 0x99 pinned\nbase 0x99`,
      'f:5:10: table 0x99 is in no ram range, expected a frame that the guest owns',
    ],
    [
      `${TREE}table L1 0x103\ntable L2 0x103${BASE}`,
      'f:9:10: table 0x103 given twice, expected it once (line 8 has it)',
    ],
    [`${TREE}table L1 0x103\nbase 0x101`, 'f:9:6: base 0x101 is no declared table of level 4, expected one'],
    [`${TREE}table L1 0x103\nbase 0x10f`, 'f:9:6: base 0x10f is no declared table of level 4, expected one'],
    [
      `${TREE}table L1 0x103\ntable L1 0x104${BASE}`,
      'f:9:10: table 0x104 is not in use, expected it to be pinned, the base or named by an upper table',
    ],
    [
      `${TREE}table L1 0x103 [1]=0x109|P [0]=0x102|P|RW${BASE}`,
      'f:8:28: the entry makes table 0x102 (line 7) writable, expected it without RW',
    ],
    [TREE + BASE, 'f:7:16: 0x103 is no declared L1, expected an entry of an L2 to name one'],
    [
      `${RAM}table L4 0x100 [0]=0x105|P${BASE}`,
      'f:5:16: 0x105 is no declared L3, expected an entry of an L4 to name one',
    ],
    [
      `${RAM}table L4 0x100 [1]=0x100|P|RW${BASE}`,
      'f:5:16: 0x100 is no declared L3, expected an entry of an L4 to name one',
    ],
    [
      `${RAM}table L4 0x100 [256]=0x105${BASE}`,
      "f:5:16: slot 256 of an L4 is Xen's, expected slots other than 256 to 271",
    ],
    [
      `${RAM}table L4 0x100 [271]=0x105${BASE}`,
      "f:5:16: slot 271 of an L4 is Xen's, expected slots other than 256 to 271",
    ],
    [
      `${RAM}table L2 0x102 pinned [1]=0x103|P|PSE\ntable L4 0x100${BASE}`,
      'f:5:23: PSE in an entry of an L2, expected one that names an L1',
    ],
  ])('is refused in %j', (text, message) => {
    expect(refusal(X86_64 + text)).toBe(message);
  });
});

describe('a start state on x86_32', () => {
  it('is accepted with an L2 in slot 3 of the L3, and anything in slots beyond', () => {
    const text = `${RAM}table L3 0x100 [3]=0x101|P [4]=0x999|P\ntable L2 0x101 [427]=0`;
    expect(refusal(X86_32 + text + BASE)).toBe('accepted');
  });

  it.each([
    ['table L4 0x100', 'f:4:7: unknown level "L4", expected L1 to L3'],
    [`${RAM}table L3 0x100${BASE}`, 'f:5:10: L3 0x100 has no entry [3], expected it to name an L2'],
    [
      `${RAM}table L3 0x100 [3]=0x100|P${BASE}`,
      'f:5:16: 0x100 is no declared L2, expected an entry of an L3 to name one',
    ],
    [
      `${RAM}table L3 0x100 [3]=0x101|P\ntable L2 0x101 pinned${BASE}`,
      'f:5:16: L2 0x101 has other uses too, expected none besides [3] of one L3',
    ],
    [
      `${RAM}table L3 0x100 [0]=0x101|P [3]=0x101|P\ntable L2 0x101${BASE}`,
      'f:5:28: L2 0x101 has other uses too, expected none besides [3] of one L3',
    ],
    [
      `${RAM}table L3 0x100 [3]=0x101|P\ntable L2 0x101 [428]=0${BASE}`,
      "f:6:16: slot 428 of the L2 in [3] of an L3 is Xen's, expected slots below 428",
    ],
  ])('is refused in %j', (text, message) => {
    expect(refusal(X86_32 + text)).toBe(message);
  });
});
