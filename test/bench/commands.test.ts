import { describe, expect, it } from 'vitest';
import { programOf, sequences } from '../../bench/commands.js';
import { fc } from '../../src/fastcheck/index.js';
import { candidateText } from '../../src/shrink/text.js';
import { OPCODE_NAMES, operationStarts, W_OPCODE } from '../../src/program/record.js';
import { parseProgram } from '../../src/text/parse.js';

const OPCODES = OPCODE_NAMES.flatMap((name, opcode) => (name === '' ? [] : [opcode]));

describe.each(['x86_64', 'x86_32'] as const)('the commands of the baseline, %s', (arch) => {
  const programs = fc
    .sample(sequences(arch, 40), { seed: 20110516, numRuns: 100 })
    .map(([machine, commands]) => ({ machine, code: programOf(commands) }));

  it('are all operations of the format', () => {
    const drawn = programs.flatMap(({ code }) =>
      operationStarts(code).map((at) => code[at + W_OPCODE]! & 0xff),
    );
    expect([...new Set(drawn)].toSorted((a, b) => a - b)).toStrictEqual(OPCODES);
  });

  it('are operations that the text can say of their machine', () => {
    for (const program of programs) {
      expect([...parseProgram(candidateText(program)).code]).toStrictEqual([...program.code]);
    }
  });

  it('come in sequences of all lengths up to the greatest', () => {
    const lengths = programs.map(({ code }) => operationStarts(code).length);
    expect(Math.min(...lengths)).toBeLessThan(3);
    expect(Math.max(...lengths)).toBeGreaterThan(37);
  });
});
