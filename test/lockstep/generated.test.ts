import { describe, test } from 'vitest';
import type { Machine } from '../../src/program/machine.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { checkProperty } from '../../src/fastcheck/check.js';
import { programs } from '../../src/fastcheck/generated.js';
import { Lockstep } from '../../src/lockstep/lockstep.js';

const FILE = 'test/lockstep/generated.test.ts';
const RUNS = Number(process.env['PVMMU_RUNS'] ?? 1500);

describe.each(['x86_64', 'x86_32'] as const)('%s', (arch) => {
  const name = `on generated ${arch} programs both models agree and every invariant holds after each operation`;
  test(name, () => {
    const pairs = new Map<Machine, Lockstep>();
    const lockstepFor = (machine: Machine) => {
      const pair = pairs.get(machine) ?? new Lockstep(new ReferenceModel(), new OptimizedModel());
      pairs.set(machine, pair);
      return pair;
    };
    checkProperty({ file: FILE, name }, RUNS, programs(arch), ({ machine, code }) => {
      const failure = lockstepFor(machine).run(machine, code);
      return failure && `After operation ${failure.operation + 1}: ${failure.message}`;
    });
  });
});
