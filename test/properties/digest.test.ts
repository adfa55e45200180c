import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { compareStates } from '../../properties/agreement.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import { drawMachine } from '../../src/generate/machines.js';
import { drawProgram } from '../../src/generate/program.js';
import { stream } from '../../src/generate/streams.js';
import { ARCHES } from '../../src/cli/court-options.js';
import { operationStarts, RECORD } from '../../src/program/record.js';
import { RandomStates } from './random-states.js';
import { machineOf } from './fake-state.js';

/** The digest of a state that is read as a whole. */
function digestOf(model: ConstructorParameters<typeof StateDigest>[0]): string {
  const digest = new StateDigest(model);
  digest.read();
  return digest.toString();
}

test.each(ARCHES)(
  'the digests that follow both models are those of their whole states, and equal, on %s',
  (arch) => {
    const draw = stream(`digest ${arch}`);
    const scout = new OptimizedModel();
    for (let i = 0; i < 12; i++) {
      const machine = drawMachine(draw, arch, i % 2 === 0 ? 'intended' : 'shipped');
      const code = drawProgram(draw, machine, 60, scout);
      const models = [new ReferenceModel(), new OptimizedModel()] as const;
      const digests = models.map((model) => new StateDigest(model));
      const askedOnce = models.map((model) => new StateDigest(model));
      const results = new Int32Array(code.length / RECORD);
      models.forEach((model) => model.start(machine));
      [...digests, ...askedOnce].forEach((digest) => digest.read());
      const atStart = String(digests[0]);
      for (const at of operationStarts(code)) {
        models.forEach((model) => model.run(code, at, results));
        [...digests, ...askedOnce].forEach((digest) => digest.follow());
        expect(digests.map(String)).toEqual(models.map(digestOf));
        expect(digests[0]!.equals(digests[1]!)).toBe(true);
      }
      expect(askedOnce.map(String)).toEqual(models.map(digestOf));
      models.forEach((model) => model.reset());
      [...digests, ...askedOnce].forEach((digest) => digest.reset());
      expect([...digests, ...askedOnce].map(String)).toEqual(Array(4).fill(atStart));
    }
  },
);

test.each(ARCHES)(
  'two states have the same digest exactly if a full comparison finds them equal, on %s',
  (arch) => {
    const machine = machineOf(arch);
    const before = new RandomStates('states', machine);
    const after = new RandomStates('states', machine);
    const digest = new StateDigest(after);
    digest.read();
    let equal = 0;
    for (let i = 0; i < 16; i++) {
      after.step();
      digest.follow();
      const same = compareStates(before, after) === undefined;
      if (same) equal++;
      expect(String(digest) === digestOf(before)).toBe(same);
      before.step();
      expect(String(digest)).toBe(digestOf(before));
    }
    expect(equal).toBeLessThan(16);
  },
);
