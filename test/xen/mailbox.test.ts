import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as mailbox from '../../src/xen/mailbox.js';
import * as record from '../../src/program/record.js';
import { printFinal } from '../../src/text/final-line.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../../src/program/machine.js';
import { COUNT_WORDS } from '../../src/xen/frame-table.js';
import { domainProgram, program } from './answers.js';

const HEADER = readFileSync('lab/batch.h', 'utf8');

/** The value that a `#define` of lab/batch.h gives to a name. */
function defined(name: string): number {
  const [, text] = new RegExp(`^#define ${name} ([^/\\n]+)`, 'm').exec(HEADER)!;
  return text!
    .replace(/u\b/, '')
    .split('*')
    .reduce((product, factor) => product * Number(factor.replaceAll(/[()]/g, '')), 1);
}

describe('both sides of the mailbox', () => {
  test.each(['MAGIC', 'VERSION', 'SLOTS', 'REQUEST_BYTES', 'ANSWER_BYTES', 'FRAMES_MAX', 'COUNT_WORDS'])(
    'have the same %s',
    (name) => {
      expect(defined(name)).toBe(new Map(Object.entries({ ...mailbox, COUNT_WORDS })).get(name));
    },
  );

  test('number the operations alike', () => {
    const names = /enum opcode \{([^}]*)\}/.exec(HEADER)![1]!.match(/OP_\w+/g)!;
    expect(names.length).toBeGreaterThan(20);
    const numbers = new Map(Object.entries(record));
    for (const [i, name] of names.entries()) expect(numbers.get(name), name).toBe(i + 1);
  });
});

describe('a batch', () => {
  test('holds the records of its programs, with their frames, vCPUs and assists', () => {
    const one = program('clear_page F1');
    const assisted = { machine: { ...one.machine, writablePagetables: true }, code: one.code, marked: true };
    const words = mailbox.encodeBatch([one, assisted]);
    expect([...words.subarray(0, 3)]).toEqual([2, 1, 8 | (1 << 10)]);
    expect(words.subarray(3, 11)).toEqual(one.code);
    expect([...words.subarray(11, 13)]).toEqual([1, 8 | (1 << 10) | (1 << 8) | (1 << 9)]);
    expect(words.length).toBe(1 + mailbox.requestWords(one) + mailbox.requestWords(assisted));
  });

  test('says which programs are an ordinary domain’s', () => {
    const [, , flags] = mailbox.encodeBatch([domainProgram('clear_page F1')]);
    expect(flags).toBe(8 | (2 << 10) | (1 << 12));
    expect(HEADER).toContain('#define PROGRAM_DOMAIN (1 << 12) ');
  });

  test('gives back answers and final frames, without entries of Xen and frames that are gone', () => {
    const one = program('clear_page F1');
    const nothing = [0, 0];
    const words = Int32Array.of(
      ...[1, 99],
      ...[0, 1, 0b100, 1, 22], // run to its end; F2 keeps a reference; one answer
      ...[0x40000000, 3, 1, 0x201067, 0, 258, 0x200003, 0, 300, 0x1007, 0], // F0: L4
      ...[0x90000000 | 0, 1, 7, 0x203007, 1 << 31], // F1: L1, pinned
      ...[0xf0000000 | 0, 0], // F2 is gone
      ...Array.from({ length: 5 }, () => nothing).flat(),
      ...[0x10000000, 0],
    );
    const [answer] = mailbox.decodeBatch(words, [one], false);
    expect(answer).toMatchObject({ stopped: undefined, operations: 1, lost: 0b100 });
    expect([...answer!.results]).toEqual([22]);
    const finals = answer!.finals.map((final) => printFinal(final, one.machine));
    expect(finals.slice(0, 3)).toEqual([
      'final F0 L4 [1]=F1|P|RW|US',
      'final F1 L1 pinned [7]=F3|P|RW|US|NX',
      'final F3 none',
    ]);
    expect(finals.at(-1)).toBe('final B1 L1');
  });

  test('gives back what Xen’s frame table says of the frames, before what they hold', () => {
    const { machine, code } = program('clear_page F1');
    const one = { machine: { ...machine, frames: 2 }, code };
    const counts = [...[3, 2, 0x4d000000, 0xffff8005 | 0], ...[0, 7, 0x4d000000, 0]];
    const finals = [...[0x20000000, 0], ...[0xf0000000 | 0, 0], ...[0x10000000, 0]];
    const words = Int32Array.of(1, 99, ...[0, 1, 0, 1, 0], ...counts, ...finals);
    const [answer] = mailbox.decodeBatch(words, [one], true);
    expect(answer!.counts).toEqual([
      'L2, general count 3, type count 2, pinned, validated, partial from 5 (set), linear count -1',
      'gone, general count 0',
    ]);
    expect(answer!.finals.map(({ mfn }) => mfn)).toEqual([FIRST_FRAME_MFN, BOOT_MFN.B1]);
  });

  test('of which the lab has answered a part gives that part', () => {
    const one = program('clear_page F1');
    const words = Int32Array.of(1, 9, 3, 0, 0, 0);
    expect(mailbox.decodeBatch(words, [one, one], true)).toMatchObject([
      { stopped: 'exhausted', finals: [] },
    ]);
  });
});
