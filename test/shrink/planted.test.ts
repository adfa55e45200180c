import { describe, expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import type { Arch, Machine } from '../../src/program/machine.js';
import type { Lockstep } from '../../src/lockstep/lockstep.js';
import type { Candidate } from '../../src/program/candidate.js';
import { reduce, type Reduction } from '../../src/shrink/reduce.js';
import { candidateText } from '../../src/shrink/text.js';
import { GivesUp, KeepsPins, PinsTwice, planted } from './planted.js';

const FINDS = 15;

/** The first programs of an architecture that fail with the mistake, shrunk. */
function shrunkFinds(arch: Arch, model: new () => OptimizedModel): Reduction[] {
  const scout = new OptimizedModel();
  const pairs = new Map<Machine, Lockstep>();
  const run = ({ machine, code }: Candidate) => {
    if (!pairs.has(machine)) pairs.set(machine, planted(model));
    return pairs.get(machine)!.run(machine, code, false);
  };
  const finds: Reduction[] = [];
  for (let i = 0; finds.length < FINDS; i++) {
    const draw = stream(`planted ${arch} ${i}`);
    const machine = drawMachine(draw, arch, 'shipped');
    const program = { machine, code: drawProgram(draw, machine, 200, scout) };
    const failure = run(program);
    if (failure) finds.push(reduce(program, failure, run));
  }
  return finds;
}

const CASES: [string, new () => OptimizedModel, string][] = [
  ['that keeps L2 tables pinned', KeepsPins, 'pin L2 B2 -> ?\nunpin B2 -> ?\n'],
  ['that answers a second pin with success', PinsTwice, 'pin L4 B4 -> ?\n'],
  ['that gives up', GivesUp, 'pin L3 B3 -> ?\n'],
];

describe.each(CASES)('finds of a model %s', (_, model, operations) => {
  test('all shrink to the same operations on a plain machine, with nothing left to leave out', () => {
    for (const { program, minimal, proof, failure } of shrunkFinds('x86_64', model)) {
      expect(candidateText(program)).toBe(
        `pvmmu 1\n\nprogram counterexample\nmachine x86_64 frames=8 domain=hardware\n${operations}`,
      );
      expect(minimal).toBe(true);
      expect(proof).toHaveLength(operations.split('\n').length - 1);
      expect(proof.map((removal) => removal.failure?.kind)).not.toContain(failure.kind);
    }
  });
});
