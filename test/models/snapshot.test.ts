import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import { OP_DESTROY, operationStarts, RECORD, W_OPCODE } from '../../src/program/record.js';

const PROGRAMS = 8;
const LENGTH = 60;

test.each(['x86_64', 'x86_32'] as const)('%s: an operation that is undone leaves nothing behind', (arch) => {
  const draw = stream(`snapshot ${arch}`);
  const scout = new OptimizedModel();
  const model = new OptimizedModel();
  const exact = new StateDigest(model);
  const snapshot = model.snapshot();
  for (let i = 0; i < PROGRAMS; i++) {
    const machine = drawMachine(draw, arch, i % 2 === 0 ? 'shipped' : 'intended');
    const code = drawProgram(draw, machine, LENGTH, scout);
    const starts = operationStarts(code).filter((at) => (code[at + W_OPCODE]! & 0xff) !== OP_DESTROY);
    const results = new Int32Array(code.length / RECORD);
    const answers = results.slice();
    model.start(machine);
    for (const at of starts) {
      snapshot.take();
      exact.read();
      const before = String(exact);
      // What another operation would have done, and then this one twice: the same answer, the same state.
      for (const other of [starts[draw.below(starts.length)]!, at]) {
        model.run(code, other, answers);
        snapshot.restore();
        exact.read();
        expect(String(exact)).toBe(before);
      }
      model.run(code, at, results);
      expect(results[at / RECORD]).toBe(answers[at / RECORD]);
    }
  }
});
