/** A guest's end as text. */
import { startMachine } from '../../models/linux/builder.js';
import { profileOf } from '../../models/linux/kernels.js';
import { Layout } from '../../models/linux/layout.js';
import type { GuestMachine } from '../../models/linux/machine.js';
import type { Machine } from '../program/machine.js';
import { candidateText } from '../shrink/text.js';
import type { Guest } from './boot.js';
import type { GuestFind } from './find.js';
import { programOf } from './steps.js';

/** What the domain builder leaves for the guest on this machine. */
export function startOf({ family, changes }: Guest, machine: GuestMachine): Machine {
  return startMachine(new Layout(machine, { ...profileOf(family, machine.arch), ...changes }));
}

/** The steps that are left, as lines of program text; the domain builder's tables are not spelled out. */
export function stepsText(guest: Guest, { machine, steps }: GuestFind): string[] {
  if (steps === undefined) return [];
  const { code, expected } = programOf(steps);
  const text = candidateText({ machine: startOf(guest, machine), code }, 'steps', expected);
  return text.split('\n').filter((line) => !/^(pvmmu|program|machine|ram|io|shared|table|base|$)/.test(line));
}
