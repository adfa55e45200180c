import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fc } from '../../src/fastcheck/index.js';
import { programs } from '../../src/fastcheck/programs.js';
import { parseProgram, parsePrograms } from '../../src/text/parse.js';
import { HEADER, printOperation, printProgram, printPrograms } from '../../src/text/print.js';

const VECTORS = new URL('../../vectors/', import.meta.url);

describe('printPrograms', () => {
  it.each(readdirSync(VECTORS))(
    'gives the recording %s back byte for byte, but for blanks at line ends',
    (file) => {
      const text = gunzipSync(readFileSync(new URL(file, VECTORS))).toString();
      // Not toBe: its comparison of megabytes would take minutes to print.
      expect(printPrograms(parsePrograms(text, file)) === text.replace(/ +$/gm, '')).toBe(true);
    },
  );

  it('prints what parsePrograms reads as the same program', () => {
    fc.assert(
      fc.property(fc.array(programs(), { maxLength: 2 }), (list) => {
        expect(parsePrograms(printPrograms(list))).toStrictEqual(list);
      }),
      { seed: 20_260_302, numRuns: 80 },
    );
  });
});

const TEXT = `${HEADER}
program lists
machine x86_64 frames=2
mmu_update_list fd=io pfd=own list=bad unreadable=1 continued=7
  mmu_update F1[0] F1|P|RW
  mmu_update.machphys F1 5
end -> EBUSY done=8
multicall
  update_va W1 F1|P flush=bad fd=none -> ok
  mmuext_op_list
    pin L1 F1
  end -> ?
  mmuext invlpg_multi bitmap=bad -> EINVAL
end -> ok
final F1 none
`;

describe('printProgram', () => {
  it('indents the elements of lists and gives answers to calls only', () => {
    const program = parseProgram(TEXT);
    expect(`${HEADER}\n${printProgram(program)}`).toBe(TEXT);
  });
});

describe('printOperation', () => {
  it('leaves answers out where it gets none', () => {
    const { code, machine } = parseProgram(TEXT);
    expect(printOperation(code, 3 * 8, machine)).toBe(
      [
        'multicall',
        '  update_va W1 F1|P flush=bad fd=none',
        '  mmuext_op_list',
        '    pin L1 F1',
        '  end',
        '  mmuext invlpg_multi bitmap=bad',
        'end',
      ].join('\n'),
    );
  });

  it('prints the answers that it gets, by record', () => {
    const { code, machine } = parseProgram(`${HEADER}
      program p
      machine x86_64 frames=8
      pin L1 F1 -> ok`);
    expect(printOperation(code, 0, machine, Int32Array.of(22))).toBe('pin L1 F1 -> EINVAL');
  });

  it('refuses a record that no operation has', () => {
    const { machine } = parseProgram(TEXT);
    expect(() => printOperation(new Int32Array(8), 0, machine)).toThrow('no operation has opcode 0x0');
  });
});
