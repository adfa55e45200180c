import { describe, expect, it } from 'vitest';
import { entry, entryOf, MFN_MAX, NX, P, RW } from '../../models/x86/entry.js';
import { W_HIGH, W_LOW } from '../../src/program/record.js';
import { FLAG_NAMES, printEntry } from '../../src/text/entry.js';
import { parseProgram } from '../../src/text/parse.js';
import { refusal, STANDARD_64 } from './refusal.js';

const LAYOUT = { arch: 'x86_64', frames: 8 } as const;

function read(text: string) {
  const { code } = parseProgram(`${STANDARD_64}update_va W0 ${text} -> ok`);
  return entryOf(code[W_LOW]!, code[W_HIGH]!);
}

describe('an entry', () => {
  it.each([
    ['0', entry(0, 0)],
    ['0|P|RW', entry(0, P | RW)],
    ['F1', entry(0x201, 0)],
    ['F2|P|RW|NX', entry(0x202, P | RW | NX)],
    ['BAD|P', entry(0xffffffff, P)],
    ['0xffffffffff|P', entry(MFN_MAX, P)],
  ])('stands as %s for %o', (text, value) => {
    expect(read(text)).toStrictEqual(value);
    expect(printEntry(value, LAYOUT)).toBe(text);
  });

  it('may give its flags in any order and is printed with them in the order of the bits', () => {
    expect(read('F1|NX|RW|P')).toStrictEqual(entry(0x201, P | RW | NX));
    expect(printEntry(entry(0, 2 ** 24 - 1), LAYOUT)).toBe(
      '0|P|RW|US|PWT|PCD|A|D|PSE|G|AVL9|AVL10|AVL11|B52|B53|B54|B55|B56|B57|B58|B59|B60|B61|B62|NX',
    );
  });

  it.each([...FLAG_NAMES.entries()])('has flag bit %i by the name %s', (bit, name) => {
    expect(read(`0|${name}`)).toStrictEqual(entry(0, 1 << bit));
  });

  it.each([
    [
      'F1|X',
      'f:4:17: unknown flag "X", expected P, RW, US, PWT, PCD, A, D, PSE, G, AVL9 to AVL11, B52 to B62 or NX',
    ],
    [
      'F1|',
      'f:4:17: missing flag, expected P, RW, US, PWT, PCD, A, D, PSE, G, AVL9 to AVL11, B52 to B62 or NX',
    ],
    ['F1|P|P', 'f:4:19: flag "P" given twice, expected it once'],
    ['F1|P,RW', 'f:4:18: unexpected ",RW", expected a blank'],
    ['0x10000000000', 'f:4:14: "0x10000000000" is too large, expected a frame number up to 0xffffffffff'],
  ])('is refused when it is %s', (text, message) => {
    expect(refusal(`${STANDARD_64}update_va W0 ${text} -> ok`)).toBe(message);
  });
});

describe('a slot', () => {
  it.each([
    ['F1[512]', 'f:4:15: "512" is too large, expected a slot up to 511'],
    ['F1[-1]', 'f:4:15: unexpected "-1]", expected a slot'],
    ['F1[x]', 'f:4:15: "x" is not a number, expected a slot'],
    ['F1[]', 'f:4:15: unexpected "]", expected a slot'],
    ['F1', 'f:4:14: unexpected blank, expected a slot as [3]'],
    ['F1[1', 'f:4:16: unexpected blank, expected ]'],
  ])('is refused when it is %s', (text, message) => {
    expect(refusal(`${STANDARD_64}mmu_update ${text} 0 -> ok`)).toBe(message);
  });

  it('is separate from the entry', () => {
    expect(refusal(`${STANDARD_64}mmu_update F1[1]0 -> ok`)).toBe('f:4:17: unexpected "0", expected a blank');
  });
});
