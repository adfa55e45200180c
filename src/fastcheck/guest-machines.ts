import { KEYS, type GuestMachine, MACHINE_KEYS } from '../../models/linux/machine.js';
import type { Arch } from '../program/machine.js';
import { fc } from './index.js';

/** Machines of Linux guests: any numbers in their ranges, shrinking to the simplest. */
export function guestMachines(arch: Arch): fc.Arbitrary<GuestMachine> {
  const numbers = Object.fromEntries(
    MACHINE_KEYS.map((key) => [key, fc.integer({ min: KEYS[key][0], max: KEYS[key][1] })]),
  );
  return fc.record(
    { arch: fc.constant(arch), ...numbers },
    { noNullPrototype: true },
  ) as fc.Arbitrary<GuestMachine>;
}

/**
 * The smallest machine that fast-check finds from this one on which `fails` still holds.
 *
 * @param budget most machines that are tried
 */
export function shrinkMachine(
  machine: GuestMachine,
  fails: (machine: GuestMachine) => boolean,
  budget: number,
): GuestMachine {
  let left = budget;
  const property = fc.property(guestMachines(machine.arch), (candidate) => left-- <= 0 || !fails(candidate));
  const details = fc.check(property, { numRuns: 1, examples: [[machine]] });
  return details.counterexample?.[0] ?? machine;
}
