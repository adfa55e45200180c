import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { compareStates } from '../../properties/agreement.js';
import { lockstepOf } from '../../src/fuzz/trials.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import { beginAlike, ByStart, takeStart } from '../../src/program/alike.js';
import { standardMachine, type Machine } from '../../src/program/machine.js';
import { operationStarts } from '../../src/program/record.js';

const COURT = { defects: new Set<never>(), alone: false, quirks: 'intended' } as const;
const PROGRAMS = 60;

/** Programs on all sorts of machines, one after the other. */
function programs(arch: Machine['arch']): { machine: Machine; code: Int32Array }[] {
  const draw = stream(`alike ${arch}`);
  const scout = new OptimizedModel();
  return Array.from({ length: PROGRAMS }, (_, i) => {
    const machine = drawMachine(draw, arch, i % 3 === 0 ? 'shipped' : 'intended');
    return { machine, code: drawProgram(draw, machine, 60, scout) };
  });
}

test.each(['x86_64', 'x86_32'] as const)(
  '%s: a model that goes over from machine to machine is as one that was started for the last',
  (arch) => {
    const kept = new ByStart(() => [new OptimizedModel(), new ReferenceModel()] as const);
    let goneOver = 0;
    for (const { machine, code } of programs(arch)) {
      const fresh = new OptimizedModel();
      fresh.start(machine);
      for (const model of kept.of(machine)) {
        if (model.machine && model.machine !== machine) goneOver++;
        takeStart(model, machine);
        expect(model.machine).toBe(machine);
        expect(compareStates(model, fresh)).toBeUndefined();
      }
      const answers = [...kept.of(machine), fresh].map((model) => {
        const results = new Int32Array(code.length / 8);
        for (const at of operationStarts(code)) model.run(code, at, results);
        return results;
      });
      expect(answers[0]).toEqual(answers[2]);
      expect(answers[1]).toEqual(answers[2]);
    }
    expect(goneOver).toBeGreaterThan(PROGRAMS);
  },
);

test.each(['x86_64', 'x86_32'] as const)(
  '%s: a lockstep that goes over from machine to machine judges as a new one',
  (arch) => {
    const kept = new ByStart(() => lockstepOf(COURT));
    for (const { machine, code } of programs(arch)) {
      const before = kept.of(machine);
      const fresh = lockstepOf(COURT);
      expect(before.run(machine, code)).toEqual(fresh.run(machine, code));
      expect(before.answers).toEqual(fresh.answers);
    }
  },
);

test('machines whose start states differ do not begin alike', () => {
  const machine = standardMachine(
    {
      arch: 'x86_32',
      hardwareDomain: true,
      writablePagetables: true,
      paeXenSlot: 428,
      debugBuild: false,
      quirks: 'intended',
      vcpus: 1,
      linear: true,
    },
    8,
  );
  const { frames: _frames, start: _start, ...options } = machine;
  expect(beginAlike(machine, standardMachine({ ...options, debugBuild: true, linear: false }, 8))).toBe(true);
  expect(beginAlike(machine, standardMachine(options, 7))).toBe(false);
  expect(beginAlike(machine, standardMachine({ ...options, vcpus: 2 }, 8))).toBe(false);
  expect(beginAlike(machine, standardMachine({ ...options, paeXenSlot: 510 }, 8))).toBe(false);
  expect(beginAlike(machine, standardMachine({ ...options, arch: 'x86_64' }, 8))).toBe(false);
  // Spelled out, options may decide what the start state's entries refer to.
  expect(beginAlike({ ...machine, frames: 0 }, { ...machine, frames: 0, hardwareDomain: false })).toBe(false);
});
