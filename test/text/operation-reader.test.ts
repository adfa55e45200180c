import { describe, expect, it } from 'vitest';
import { UNKNOWN } from '../../models/x86/result.js';
import { MAX_RECORDS } from '../../src/text/operation-reader.js';
import { parseProgram } from '../../src/text/parse.js';
import { refusal, STANDARD_64 } from './refusal.js';

const LIST_OPTIONS = 'list=bad, unreadable=K, continued=N, preempt=K, contend=K or the end of the line';

describe('a list or multicall', () => {
  it('gives expected answers to calls, and none to elements of lists', () => {
    const { expected } = parseProgram(`${STANDARD_64}multicall
        mmuext_op_list
          unpin F1
        end -> EINVAL done=0
        set_gdt F1 F2 entries=600 -> fault
      end -> ok`);
    expect([...expected]).toStrictEqual([0, 22 | (1 << 8), UNKNOWN, 255, UNKNOWN, UNKNOWN]);
  });

  it.each([
    ['end -> ok', 'f:4:1: "end" without a list, expected an operation'],
    ['mmu_update_list\nend', 'f:5:4: missing result, expected -> and ok, fault or an error name'],
    [
      'mmu_update_list -> ok',
      `f:4:17: unexpected "->", expected fd=self|own|io|xen|none, pfd=self|own|none, ${LIST_OPTIONS}`,
    ],
    [
      'mmuext_op_list pfd=own\nend -> ok',
      `f:4:16: unexpected "pfd=own", expected fd=self|own|io|xen|none, ${LIST_OPTIONS}`,
    ],
    ['multicall fd=io', 'f:4:11: unexpected "fd=io", expected the end of the line'],
    ['multicall -> ok', 'f:4:11: unexpected "->", expected the end of the line'],
    ['multicall\nend -> ok done=1', 'f:5:11: unexpected "done=1", expected the end of the line'],
    [
      'mmu_update_list\n  pin L1 F1\nend -> ok',
      'f:5:3: "pin" cannot stand in a mmu_update_list, expected mmu_update or end',
    ],
    [
      'mmuext_op_list\n  set_gdt entries=0\nend -> ok',
      'f:5:3: "set_gdt" cannot stand in a mmuext_op_list, expected an mmuext operation or end',
    ],
    [
      'mmu_update_list\n mmu_update_list',
      'f:5:2: "mmu_update_list" cannot stand in a mmu_update_list, expected mmu_update or end',
    ],
    [
      'multicall\n store W1[0] 0 -> ok\nend -> ok',
      'f:5:2: "store" cannot stand in a multicall, expected mmu_update, an mmuext operation, another hypercall or end',
    ],
    [
      'multicall\n multicall',
      'f:5:2: "multicall" cannot stand in a multicall, expected mmu_update, an mmuext operation, another hypercall or end',
    ],
    [
      'multicall\n pin L1 F1\nend -> ok',
      'f:5:11: missing result, expected -> and ok, fault or an error name',
    ],
    [
      'mmu_update_list\n mmu_update F1[0] 0 -> ok\nend -> ok',
      'f:5:21: unexpected result, expected none: an element of a list has none',
    ],
    [
      'mmuext_op_list\n mmuext cmd14 flush\nend -> ok',
      'f:5:15: unexpected "flush", expected bitmap=bad or the end of the line',
    ],
    ['mmuext_op_list\n unpin F1 F2\nend -> ok', 'f:5:11: unexpected "F2", expected the end of the line'],
    [
      'mmu_update_list unreadable=2147483647\nend -> ok',
      'f:4:28: "2147483647" is too large, expected the number of an element up to 2147483646',
    ],
    [
      'mmu_update_list continued=8388607\nend -> ok',
      'f:4:27: "8388607" is too large, expected a count up to 8388606',
    ],
    [
      'mmu_update_list unreadable\nend -> ok',
      'f:4:27: the line ends, expected = and the number of an element',
    ],
    [
      '  mmu_update_list\n mmu_update F1[0] 0\n',
      'f:4:3: mmu_update_list is not closed, expected end before the program ends',
    ],
    [
      'multicall\nmmuext_op_list\nend -> ok',
      'f:4:1: multicall is not closed, expected end before the program ends',
    ],
    [
      'mmu_update_list\nprogram q',
      'f:4:1: mmu_update_list is not closed, expected end before the program ends',
    ],
    ['mmu_update_list\nfinal F1 none', 'f:5:1: "final" in a mmu_update_list, expected end'],
    ['mmu_update_list\nram 0x1+0x1', 'f:5:1: "ram" in a mmu_update_list, expected end'],
  ])('is refused in %j', (text, message) => {
    expect(refusal(STANDARD_64 + text)).toBe(message);
  });

  it('has at most 65,536 records', () => {
    const list = (elements: number) =>
      `${STANDARD_64}mmuext_op_list\n${'unpin F1\n'.repeat(elements)}end -> ok`;
    expect(parseProgram(list(MAX_RECORDS - 1)).expected.length).toBe(MAX_RECORDS);
    expect(refusal(list(MAX_RECORDS))).toBe(
      'f:65540:1: the operation that begins in line 4 is too long, expected at most 65536 records',
    );
  });
});

describe('an option of interruption', () => {
  it.each([
    ['pin L1 F1 preempt=127 -> ok', 'f:4:19: "127" is too large, expected a number of units up to 126'],
    ['pin L1 F1 contend=63 -> ok', 'f:4:19: "63" is too large, expected the number of a reference up to 62'],
    ['pin L1 F1 preempt -> ok', 'f:4:18: unexpected blank, expected = and a number of units'],
    ['pin L1 F1 contend=-1 -> ok', 'f:4:19: unexpected "-1", expected the number of a reference'],
    ['pin L1 F1 preempt=1 preempt=2 -> ok', 'f:4:21: preempt given twice, expected it once'],
    [
      'mmu_update_list\n mmu_update F1[0] 0 preempt=1\nend -> ok',
      'f:5:21: "preempt" in a mmu_update_list, expected it in line 4, where the operation begins',
    ],
    [
      '\nmmuext_op_list\n pin L1 F1\n mmuext cmd14 contend=1\nend -> ok',
      'f:7:15: "contend" in a mmuext_op_list, expected it in line 5, where the operation begins',
    ],
    [
      'multicall\n pin L1 F1 contend=1 -> ok\nend -> ok',
      'f:5:12: "contend" in a multicall, expected none: a multicall is not interrupted',
    ],
    [
      'multicall\n mmuext_op_list preempt=1\n end -> ok\nend -> ok',
      'f:5:17: "preempt" in a multicall, expected none: a multicall is not interrupted',
    ],
    [
      'multicall\n mmu_update_list\n  mmu_update F1[0] 0 preempt=1\n end -> ok\nend -> ok',
      'f:6:22: "preempt" in a multicall, expected none: a multicall is not interrupted',
    ],
    ['multicall preempt=1', 'f:4:11: unexpected "preempt=1", expected the end of the line'],
    ['store W1[0] 0 preempt=1 -> ok', 'f:4:15: unexpected "preempt=1", expected -> and a result'],
    ['set_gdt entries=0 preempt=1 -> ok', 'f:4:19: unexpected "preempt=1", expected -> and a result'],
    ['iret_user preempt=1 -> ok', 'f:4:11: unexpected "preempt=1", expected -> and a result'],
    [
      'update_va W1 0 contend=1 -> ok',
      'f:4:16: unexpected "contend=1", expected flush, invlpg, fd=self|own|io|xen|none or -> and a result',
    ],
    ['fill F1 preempt=1', 'f:4:9: unexpected "preempt=1", expected a slot as [3]'],
  ])('is refused in %j', (text, message) => {
    expect(refusal(STANDARD_64 + text)).toBe(message);
  });
});

describe('fill', () => {
  it('has no result', () => {
    expect(refusal(`${STANDARD_64}fill F1 -> ok`)).toBe('f:4:9: unexpected result, expected none after fill');
    expect([...parseProgram(`${STANDARD_64}fill F1 [1]=F2`).expected]).toStrictEqual([UNKNOWN, UNKNOWN]);
  });
});
