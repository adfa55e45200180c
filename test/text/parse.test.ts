import { describe, expect, it } from 'vitest';
import { decode } from '../../src/program/codec.js';
import { RECORD } from '../../src/program/record.js';
import { parseProgram, parsePrograms } from '../../src/text/parse.js';
import { PROGRAM, STANDARD_64 } from './refusal.js';

describe('parsePrograms', () => {
  it('gives every program with arrays of just its own records', () => {
    const text = `${STANDARD_64}pin L1 F1 -> EINVAL\nunpin F2 -> ok\nprogram q\nmachine x86_64 frames=8`;
    const [p, q] = parsePrograms(text);
    expect([p!.name, q!.name]).toStrictEqual(['p', 'q']);
    expect([p!.code.length, q!.code.length]).toStrictEqual([2 * RECORD, 0]);
    expect([...p!.expected]).toStrictEqual([22, 0]);
    expect(decode(p!.code, RECORD)).toStrictEqual({ kind: 'unpin', mfn: 0x202 });
  });

  it('keeps final lines of one program', () => {
    const text = `${STANDARD_64}final F1 none\nprogram q\nmachine x86_64 frames=8\nfinal F2 L1 [0]=F1\nfinal F3 none`;
    expect(parsePrograms(text).map(({ finals }) => finals.map(({ mfn }) => mfn))).toStrictEqual([
      [0x201],
      [0x202, 0x203],
    ]);
  });

  it('calls the text by the name that it gets', () => {
    expect(() => parsePrograms('x', 'the repeat command')).toThrow(
      'the repeat command:1:1: unexpected "x", expected "pvmmu 1"',
    );
  });
});

describe('parseProgram', () => {
  it('refuses a text with no program or several', () => {
    expect(() => parseProgram('pvmmu 1')).toThrow('text: no programs, expected one');
    expect(() => parseProgram(`${STANDARD_64}program q\nmachine x86_64 frames=8`)).toThrow(
      'text: 2 programs, expected one',
    );
  });

  it('gives a program without operations', () => {
    expect(parseProgram(`${PROGRAM}machine x86_64 frames=8`).code).toHaveLength(0);
  });
});
