import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/program/machine.js';
import { span } from '../../src/program/record.js';
import { LineSplitter } from '../../src/text/lines.js';
import { ProgramReader } from '../../src/text/program-reader.js';
import { PROGRAM, refusal, STANDARD_64 } from './refusal.js';

/** What a handler is told about the text, in order. */
function events(text: string): string[] {
  const told: string[] = [];
  const reader = new ProgramReader('f', {
    begin: (name, machine, line) =>
      told.push(`${line}: begin ${name} on ${machine.arch}, ${machine.start.tables.length} tables`),
    operation: (code, expected, line) => told.push(`${line}: ${span(code, 0)} records, ${expected[0]}`),
    final: (final, line) => told.push(`${line}: final ${final.mfn.toString(16)}`),
    end: () => told.push('end'),
  });
  const lines = new LineSplitter('f', (bytes, start, end, line) => reader.line(bytes, start, end, line));
  lines.push(Buffer.from(text));
  lines.finish();
  reader.finish(lines.lines);
  return told;
}

describe('the handler', () => {
  it('is told of programs in order, with the lines where things begin', () => {
    const text = `pvmmu 1
program a
machine x86_64 frames=8
pin L1 F1 -> EINVAL
multicall
  unpin F1 -> ok
end -> ok
final F1 none
final F2 none
program b
machine x86_64
ram 0x2+0x1
table L4 0x2 pinned
base 0x2
final 0x2 L4
program c
machine x86_32 frames=1`;
    expect(events(text)).toStrictEqual([
      '2: begin a on x86_64, 6 tables',
      '4: 1 records, 22',
      '5: 2 records, 0',
      '8: final 201',
      '9: final 202',
      'end',
      '10: begin b on x86_64, 1 tables',
      '15: final 2',
      'end',
      '16: begin c on x86_32, 9 tables',
      'end',
    ]);
  });

  it('is told of nothing in a text without programs', () => {
    expect(events('pvmmu 1\n# nothing here\n')).toStrictEqual([]);
  });

  it('gets one machine for programs that name the same one', () => {
    const machines: Machine[] = [];
    const reader = new ProgramReader('f', {
      begin: (_, machine) => machines.push(machine),
      operation: () => {},
      final: () => {},
      end: () => {},
    });
    const lines = ['pvmmu 1', 'program a', 'machine x86_64 frames=2 domain=guest'];
    lines.push('program b', 'machine x86_64 frames=2', 'program c', 'machine x86_64 frames=3');
    for (const [i, line] of lines.entries()) reader.line(Buffer.from(line), 0, line.length, i + 1);
    reader.finish(lines.length);
    expect(machines[1]).toBe(machines[0]);
    expect(machines[2]).not.toBe(machines[1]);
  });
});

describe('the text', () => {
  it('may have blank lines, comments, tabs, indentation, DOS line ends and no newline at its end', () => {
    const text = `\ufeff# Füße\r\n\r\n\tpvmmu  1\r\nprogram p#1\r\n  machine x86_64 frames=8 # eight\r\n\tpin\tL1\tF1 -> ok \t\r\nfinal F1 none`;
    expect(events(text)).toStrictEqual([
      '4: begin p on x86_64, 6 tables',
      '6: 1 records, 0',
      '7: final 201',
      'end',
    ]);
  });

  it('may name the vCPU of an operation on a machine that is spelled out', () => {
    const text = `${PROGRAM}machine x86_64 vcpus=2\nram 0x2+0x1\ntable L4 0x2 pinned\nbase 0x2\ncpu1: iret_user -> fault`;
    expect(events(text)).toStrictEqual(['2: begin p on x86_64, 1 tables', '7: 1 records, 255', 'end']);
  });

  it('may be several texts one after the other', () => {
    expect(events(`${STANDARD_64}pvmmu 1\npvmmu 1\n${STANDARD_64}`)).toHaveLength(4);
  });

  it('may have programs of one name', () => {
    expect(refusal(`${STANDARD_64}program p\nmachine x86_64 frames=8`)).toBe('accepted');
  });
});

const TWO_VCPUS = `${STANDARD_64.trimEnd()} vcpus=2\n`;

describe('a malformed text', () => {
  it.each([
    ['', 'f:1:1: no program text, expected "pvmmu 1"'],
    ['# hi\n\n', 'f:3:1: no program text, expected "pvmmu 1"'],
    ['pvm 1', 'f:1:1: unexpected "pvm", expected "pvmmu 1"'],
    ['program p', 'f:1:1: unexpected "program", expected "pvmmu 1"'],
    ['pvmmu', 'f:1:6: the line ends, expected a version'],
    ['pvmmu 2', 'f:1:7: unknown version "2", expected 1'],
    ['pvmmu 1.1', 'f:1:7: unknown version "1.1", expected 1'],
    ['pvmmu 1 2', 'f:1:9: unexpected "2", expected the end of the line'],
    ['pvmmu 1\npvmmu 2', 'f:2:7: unknown version "2", expected 1'],
    ['pvmmu 1\npin L1 F1 -> ok', 'f:2:1: "pin" before any program, expected program'],
    ['pvmmu 1\nmachine x86_64', 'f:2:1: machine before any program, expected program'],
    ['pvmmu 1\nfinal F1 none', 'f:2:1: "final" before any program, expected program'],
    ['pvmmu 1\nend -> ok', 'f:2:1: "end" before any program, expected program'],
    ['pvmmu 1\nram 0x1+0x1', 'f:2:1: "ram" before any program, expected program'],
    ['pvmmu 1\nprogram', 'f:2:8: the line ends, expected a name'],
    ['pvmmu 1\nprogram a b', 'f:2:11: unexpected "b", expected the end of the line'],
    ['pvmmu 1\nprogram a\u0085', 'f:2:9: unusable name "a\\x85", expected up to 200 visible characters'],
    [
      `pvmmu 1\nprogram ${'é'.repeat(201)}`,
      `f:2:9: unusable name "${'é'.repeat(40)}…", expected up to 200 visible characters`,
    ],
    ['pvmmu 1\n  program p', 'f:2:3: program "p" has no machine line, expected one'],
    [`${PROGRAM}program q`, 'f:2:1: program "p" has no machine line, expected one'],
    [`${PROGRAM}pin L1 F1 -> ok`, 'f:3:1: "pin" before machine, expected machine'],
    [`${PROGRAM}ram 0x1+0x1`, 'f:3:1: "ram" before machine, expected machine'],
    [`${STANDARD_64}machine x86_64 frames=8`, 'f:4:1: machine given twice, expected it once (line 3 has it)'],
    [
      `${STANDARD_64}pin L1 F1 -> ok\nmachine x86_64`,
      'f:5:1: machine given twice, expected it once (line 3 has it)',
    ],
    [
      `${STANDARD_64}ram 0x1+0x1`,
      'f:4:1: "ram" in a machine with frames=, expected an operation: the standard layout is its start state',
    ],
    [
      `${STANDARD_64}pin L1 F1 -> ok\nram 0x1+0x1`,
      'f:5:1: "ram" after an operation, expected the start state before them',
    ],
    [
      `${STANDARD_64}final F1 none\npin L1 F1 -> ok`,
      'f:5:1: "pin" after final, expected final or the next program',
    ],
    [`${STANDARD_64}final F1 none\nend -> ok`, 'f:5:1: "end" without a list, expected an operation'],
    [`${STANDARD_64}pinn L1 F1 -> ok`, 'f:4:1: unknown operation or directive "pinn", expected perhaps pin'],
    [
      `${STANDARD_64}mmu_update.foo F1[1] 0`,
      'f:4:1: unknown operation or directive "mmu_update.foo", expected perhaps mmu_update',
    ],
    [
      `${STANDARD_64}frobnicate`,
      'f:4:1: unknown operation or directive "frobnicate", expected an operation or directive',
    ],
    [
      `${STANDARD_64}cpu1: pin L1 F1 -> ok`,
      'f:4:1: unknown vCPU "cpu1:", expected cpu0: (the machine has vcpus=1)',
    ],
    [
      `${TWO_VCPUS}cpu0: resume -> none\n  cpu2: resume -> none`,
      'f:5:3: unknown vCPU "cpu2:", expected cpu0: or cpu1: (the machine has vcpus=2)',
    ],
    [
      `${TWO_VCPUS}vcpu1: resume -> none`,
      'f:4:1: unknown vCPU "vcpu1:", expected cpu0: or cpu1: (the machine has vcpus=2)',
    ],
    [`${PROGRAM}cpu0: resume -> none`, 'f:3:1: "cpu0" before machine, expected machine'],
    ['pvmmu 1\ncpu0: resume -> none', 'f:2:1: "cpu0" before any program, expected program'],
    [
      `${STANDARD_64}final F1 none\ncpu0: resume -> none`,
      'f:5:7: "resume" after final, expected final or the next program',
    ],
    [`${STANDARD_64}cpu0:`, 'f:4:6: the line ends, expected an operation'],
    [`${STANDARD_64}cpu0:resume -> none`, 'f:4:6: unexpected "resume", expected a blank'],
    [
      `${STANDARD_64}cpu0 resume -> none`,
      'f:4:1: unknown operation or directive "cpu0", expected an operation or directive',
    ],
    [`${STANDARD_64}cpu0: final F1 none`, 'f:4:7: "final" after "cpu0:", expected an operation'],
    [
      `${STANDARD_64}cpu0: resum -> none`,
      'f:4:7: unknown operation or directive "resum", expected perhaps resume',
    ],
    [
      `${STANDARD_64}cpu0: cpu0: resume`,
      'f:4:7: unknown operation or directive "cpu0", expected an operation or directive',
    ],
    [
      `${TWO_VCPUS}cpu1: mmuext_op_list\n cpu1: unpin F1\nend -> ok`,
      'f:5:2: "cpu1:" in a mmuext_op_list, expected it in line 4, where the operation begins',
    ],
    [
      `${TWO_VCPUS}multicall\n mmuext_op_list\n  unpin F1\n end -> ok\n cpu1: end -> ok`,
      'f:8:2: "cpu1:" in a multicall, expected it in line 4, where the operation begins',
    ],
    [`${TWO_VCPUS}pin: L1 F1 -> ok`, 'f:4:4: unexpected ":", expected a blank'],
    [`${STANDARD_64}-> ok`, 'f:4:1: unexpected "->", expected an operation or directive'],
    [
      `${STANDARD_64}${'x'.repeat(100_000)}`,
      `f:4:1: unknown operation or directive "${'x'.repeat(40)}…", expected an operation or directive`,
    ],
    [`${STANDARD_64}pin L1 F1 -> ok é`, 'f:4:17: unexpected "é", expected the end of the line'],
    [`${STANDARD_64}é pin`, 'f:4:1: unexpected "é", expected an operation or directive'],
    [`${STANDARD_64}final ééé`, 'f:4:7: unexpected "ééé", expected F0 to F7, B1, B2, B3, B4, BAD or 0x1a2b'],
    [`${STANDARD_64}# ééé\u0007`, 'f:4:6: control character \\x07, expected text'],
    [`${STANDARD_64}pin\0L1`, 'f:4:4: control character \\x00, expected text'],
    [`${STANDARD_64}pin\x7f`, 'f:4:4: control character \\x7f, expected text'],
    [`${STANDARD_64}pin\rL1`, 'f:4:4: control character \\x0d, expected text'],
  ])('is refused: %j', (text, message) => {
    expect(refusal(text)).toBe(message);
  });
});
