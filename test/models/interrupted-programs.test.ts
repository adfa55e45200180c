import { describe, expect, test } from 'vitest';
import { ReferenceModel } from '../../models/reference/model.js';
import { A, RW, US } from '../../models/x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED } from '../../models/x86/page-type.js';
import { codeOf, doneOf, PREEMPTED } from '../../models/x86/result.js';
import { checkProperty } from '../../src/fastcheck/check.js';
import { programs } from '../../src/fastcheck/generated.js';
import { oneIn } from '../../src/generate/draw.js';
import { machineOf } from '../../src/generate/machines.js';
import { stream } from '../../src/generate/streams.js';
import type { Machine, MachineOptions } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { decode, encode } from '../../src/program/codec.js';
import { operationStarts, RECORD } from '../../src/program/record.js';
import { ownedFrames, shown } from './guest.js';

const FILE = 'test/models/interrupted-programs.test.ts';
const PREEMPTIONS = [0, 1, 2, 3, 4, 6];

// As Xen is intended (rules 16.8); MOV to CR3 has no continuation for its cleanup (5.4).
describe.each(['x86_64', 'x86_32'] as const)('%s', (arch) => {
  const name = `on generated ${arch} programs an interrupted operation ends as an uninterrupted one, wherever the event comes`;
  test(name, () => {
    let preempted = 0;
    checkProperty({ file: FILE, name }, 200, programs(arch, 120), (program) => {
      const machine = machineOf({ ...optionsOf(program.machine), quirks: 'intended' });
      const operations = operationStarts(program.code)
        .map((at) => decode(program.code, at))
        .filter(({ kind }) => kind !== 'write_cr3' && kind !== 'resume')
        .map(({ cpu: _cpu, preempt: _preempt, contend: _contend, ...operation }): Operation => operation);
      const [whole, stopping] = [new ReferenceModel(), new ReferenceModel()];
      whole.start(machine);
      stopping.start(machine);
      for (const preempt of PREEMPTIONS) {
        whole.reset();
        stopping.reset();
        for (const [i, operation] of operations.entries()) {
          const wanted = run(whole, operation);
          const [first, got] = runToItsEnd(stopping, operation, preempt);
          const isSameDone = doneOf(got) === undefined || doneOf(got) === doneOf(wanted);
          const what = `${JSON.stringify(operation)}, preempt=${preempt}`;
          if (codeOf(got) !== codeOf(wanted) || !isSameDone)
            return `${what}: ${shown(got)}, not ${shown(wanted)}.`;
          if (codeOf(first) !== PREEMPTED) continue;
          preempted++;
          const [a, b] = [stateOf(stopping), stateOf(whole)];
          for (const [j, line] of a.entries()) if (line !== b[j]) return `${what}: ${line}, not ${b[j]}.`;
          stopping.reset(); // on from the same state, in what a guest cannot see too
          for (const before of operations.slice(0, i + 1)) run(stopping, before);
        }
      }
      return undefined;
    });
    expect(preempted).toBeGreaterThan(100);
  });
});

// Contended references and several vCPUs, where tables are taken up by others or never. What must hold then is that
// no reference is given back twice and, with quirks=intended, that none is left in the end.
describe.each(['x86_64', 'x86_32'] as const)('%s', (arch) => {
  const name = `on generated ${arch} programs two vCPUs that interrupt each other give back whatever they take`;
  test(name, () => {
    checkProperty({ file: FILE, name }, 250, programs(arch, 150), (program) => {
      const machine = machineOf({ ...optionsOf(program.machine), quirks: 'intended', vcpus: 2 });
      const draw = stream(`environments ${program.code.join()}`);
      const model = new ReferenceModel();
      model.start(machine);
      for (const at of operationStarts(program.code)) {
        const operation = decode(program.code, at);
        if (operation.kind === 'write_cr3') continue;
        const environment = { cpu: draw.below(2), preempt: draw.below(5), contend: draw.below(8) };
        run(model, { ...operation, ...environment });
        if (oneIn(draw, 4)) run(model, { kind: 'resume', ...environment, cpu: draw.below(2) });
      }
      const end = () => run(model, { kind: 'destroy', preempt: draw.below(5), contend: draw.below(8) });
      while (end() === PREEMPTED);
      const left = ownedFrames(model);
      return left.length === 0 ? undefined : `Frames ${left.join()} are left.`;
    });
  });
});

function run(model: ReferenceModel, operation: Operation): number {
  const code: number[] = [];
  encode(operation, code);
  const results = new Int32Array(code.length / RECORD);
  model.run(Int32Array.from(code), 0, results);
  return results[0]!;
}

/** The answer of the operation itself, and that of the last `resume` that it took. */
function runToItsEnd(model: ReferenceModel, operation: Operation, preempt: number): [number, number] {
  const first = run(model, { ...operation, preempt });
  let last = first;
  // The toolstack goes on by saying the same again.
  const again: Operation = /^(destroy|reset_vcpu)$/.test(operation.kind) ? operation : { kind: 'resume' };
  while (codeOf(last) === PREEMPTED) last = run(model, { ...again, preempt });
  return [first, last];
}

function optionsOf(machine: Machine): MachineOptions {
  const { arch, hardwareDomain, writablePagetables, paeXenSlot, debugBuild, quirks, vcpus, linear } = machine;
  return { arch, hardwareDomain, writablePagetables, paeXenSlot, debugBuild, quirks, vcpus, linear };
}

/**
 * What a guest can notice of a model, a line for each frame of its own. Not: a type that is left over (2.6); and what
 * an x86_32 L3 that failed at slot 0 has there in US, RW and A (2.2: after an interruption slot 0 is as any other).
 */
function stateOf(model: ReferenceModel): string[] {
  const isPae = model.machine.arch === 'x86_32';
  const mfns = Array.from({ length: model.frameLimit }, (_, mfn) => mfn).filter(
    (mfn) => model.info(mfn) !== 0,
  );
  const frames = mfns.map((mfn) => {
    const isStale = model.typeCount(mfn) === 0 && (model.info(mfn) & INFO_VALIDATED) === 0;
    const info = isStale ? model.info(mfn) & ~INFO_TYPE : model.info(mfn);
    const counts = [info, model.typeCount(mfn), model.generalCount(mfn), model.linearCount(mfn)];
    const lost = [model.partialFrom(mfn), model.lostTypeReferences(mfn), model.lostGeneralReferences(mfn)];
    const entries: number[] = [];
    for (let slot = model.nextUsed(mfn, 0); slot < 512; slot = model.nextUsed(mfn, slot + 1)) {
      const low = model.low(mfn, slot);
      entries.push(slot, isPae && slot === 0 ? low & ~(US | RW | A) : low, model.high(mfn, slot));
    }
    return `frame 0x${mfn.toString(16)}: ${[...counts, ...lost, ...entries].join(' ')}`;
  });
  const bases = [model.kernelBase(), model.userBase(), model.deferred(), model.deferredWhole()];
  const descriptors = [model.gdtFrames(), model.ldtEntries(), model.ldtFrame(0), model.interrupted()];
  return [...frames, `vCPU: ${[...bases, ...descriptors].join(' ')}`];
}
