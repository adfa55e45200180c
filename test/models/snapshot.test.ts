import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { entry, P, PCD } from '../../models/x86/entry.js';
import { EINVAL, OK } from '../../models/x86/result.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import { encode } from '../../src/program/codec.js';
import {
  DEFAULT_PAE_XEN_SLOT,
  FIRST_FRAME_MFN,
  standardMachine,
  WINDOW_0,
} from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { OP_DESTROY, operationStarts, RECORD, W_OPCODE } from '../../src/program/record.js';

const PROGRAMS = 8;
const LENGTH = 60;
const OPTIONS = {
  arch: 'x86_64',
  hardwareDomain: false,
  writablePagetables: false,
  paeXenSlot: DEFAULT_PAE_XEN_SLOT,
  debugBuild: false,
  quirks: 'intended',
  linear: true,
} as const;

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

test('what another vCPU walked through before its operation was undone is not taken for one’s own', () => {
  const machine = standardMachine({ ...OPTIONS, vcpus: 2 }, 2);
  const model = new OptimizedModel();
  model.start(machine);
  const run = (operation: Operation): number => {
    const code: number[] = [];
    encode(operation, code);
    const results = new Int32Array(1);
    model.run(Int32Array.from(code), 0, results);
    return results[0]!;
  };
  const F0 = FIRST_FRAME_MFN;
  const window = (cpu: number, mfn: number, flags: number): number =>
    run({
      cpu,
      kind: 'update_va',
      va: WINDOW_0.x86_64,
      entry: entry(mfn, flags),
      flush: 'none',
      badBitmap: false,
      fd: 'self',
    });
  expect(window(0, 0, 0)).toBe(OK);
  expect(run({ cpu: 0, kind: 'new_baseptr', mfn: F0 })).toBe(OK); // all zero: it maps nothing
  const snapshot = model.snapshot();
  snapshot.take();
  expect(window(1, F0, P | PCD)).toBe(EINVAL); // refused behind the walk, so it changes nothing
  snapshot.restore();
  expect(window(0, 0, 0)).toBe(EINVAL);
});
