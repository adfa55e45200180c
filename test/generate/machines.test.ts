import { expect, test } from 'vitest';
import { machineOf } from '../../src/generate/machines.js';
import type { MachineOptions } from '../../src/program/machine.js';

const OPTIONS: MachineOptions = {
  arch: 'x86_32',
  hardwareDomain: true,
  writablePagetables: true,
  paeXenSlot: 428,
  debugBuild: false,
  quirks: 'intended',
  vcpus: 1,
  linear: true,
};
const OTHERS: MachineOptions = {
  arch: 'x86_64',
  hardwareDomain: false,
  writablePagetables: false,
  paeXenSlot: 510,
  debugBuild: true,
  quirks: 'shipped',
  vcpus: 2,
  linear: false,
};

test('the same options give the same machine, in whatever order', () => {
  const reversed = Object.fromEntries(Object.entries(OPTIONS).toReversed()) as unknown as MachineOptions;
  expect(machineOf(reversed)).toBe(machineOf(OPTIONS));
});

test.each(Object.keys(OTHERS) as (keyof MachineOptions)[])('another %s gives another machine', (option) => {
  const other = { ...OPTIONS, [option]: OTHERS[option] };
  expect(machineOf(other)).not.toBe(machineOf(OPTIONS));
  expect(machineOf(other)).toMatchObject(other);
});
