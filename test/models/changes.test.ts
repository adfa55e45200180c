import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import { operationStarts } from '../../src/program/record.js';

/** What the model says of its vCPUs and the domain's end, as far as invariants look at it. */
function factsOf(model: OptimizedModel): string {
  const ofCpu = (cpu: number) => [
    model.kernelBase(cpu),
    model.userBase(cpu),
    model.loadedBase(cpu),
    model.deferred(cpu),
    model.deferredWhole(cpu),
    model.deferredParent(cpu),
    Array.from({ length: model.gdtFrames(cpu) }, (_, i) => model.gdtFrame(i, cpu)),
    model.ldtEntries(cpu),
    Array.from({ length: 16 }, (_, page) => model.ldtFrame(page, cpu)),
    Array.from({ length: model.tlbSize(cpu) }, (_, i) => [
      model.tlbLow(i, cpu),
      model.tlbHigh(i, cpu),
      model.tlbFrame(i, cpu),
      model.tlbWritable(i, cpu),
    ]),
  ];
  return JSON.stringify([model.dying(), Array.from({ length: model.machine.vcpus }, (_, cpu) => ofCpu(cpu))]);
}

test.each(['x86_64', 'x86_32'] as const)(
  '%s: the optimized model names vCPUs among the changes whenever one has changed, and not after most operations',
  (arch) => {
    const draw = stream(`changes of vCPUs ${arch}`);
    let [operations, named] = [0, 0];
    for (let i = 0; i < 120; i++) {
      const machine = drawMachine(draw, arch, i % 2 === 0 ? 'shipped' : 'intended');
      const model = new OptimizedModel();
      const code = drawProgram(draw, machine, 150, model);
      model.reset();
      let before = factsOf(model);
      for (const at of operationStarts(code)) {
        model.run(code, at, new Int32Array(code.length / 8));
        const after = factsOf(model);
        if (after !== before) expect(model.changes.vcpus, `operation at ${at} of program ${i}`).toBe(true);
        before = after;
        operations++;
        if (model.changes.vcpus) named++;
      }
    }
    expect(named / operations).toBeLessThan(0.5);
  },
);
