import { expect, test } from 'vitest';
import { defectsNamed } from '../../models/defects/index.js';
import { Fuzzer, type FuzzSettings } from '../../src/fuzz/fuzzer.js';
import { hunt } from '../../src/zoo/hunt.js';

const [chain] = defectsNamed('linear-chain');

test('a hunt is given up after the operations it may take', () => {
  const { find, operations } = hunt(chain!, { seed: 'short', alone: true, limit: { operations: 1000 } });
  expect(find).toBeUndefined();
  expect(operations).toBeGreaterThanOrEqual(1000);
  expect(operations).toBeLessThan(1400);
});

test('a hunt is given up after the time it may take', () => {
  const limit = { operations: Infinity, milliseconds: 1 };
  expect(hunt(chain!, { seed: 'short', alone: true, limit }).find).toBeUndefined();
});

test('a fuzzer that is told an option of the machine draws the machines that it would draw, with that option', () => {
  const settings: FuzzSettings = {
    arches: ['x86_64', 'x86_32'],
    seed: 'machines',
    quirks: 'intended',
    defects: new Set(),
    alone: true,
  };
  const any = new Fuzzer(settings);
  const without = new Fuzzer({ ...settings, machine: { linear: false } });
  const numbers = Array.from({ length: 60 }, (_, i) => i);
  const machines = numbers.map((i) => any.draw(i).program.machine);
  expect(new Set(machines.map(({ linear }) => linear)).size).toBe(2);
  expect(numbers.map((i) => without.draw(i).program.machine)).toEqual(
    machines.map((machine) => ({ ...machine, linear: false })),
  );
});
