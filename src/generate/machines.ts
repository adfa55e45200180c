import {
  type Arch,
  DEFAULT_PAE_XEN_SLOT,
  type Machine,
  type MachineOptions,
  standardMachine,
} from '../program/machine.js';
import { type Draw, oneIn, pick } from './draw.js';

/** Frames of a generated machine: few, so that programs meet their own tables again. */
const FRAMES = 8;

const made = new Map<string, Machine>();

/** A machine of the standard layout. The same options give the same object, so that models can be kept by it. */
export function drawMachine(draw: Draw, arch: Arch): Machine {
  return machineOf({
    arch,
    hardwareDomain: !oneIn(draw, 3),
    writablePagetables: oneIn(draw, 2),
    paeXenSlot: arch === 'x86_32' ? pick(draw, [DEFAULT_PAE_XEN_SLOT, 510]) : DEFAULT_PAE_XEN_SLOT,
    debugBuild: oneIn(draw, 4),
    quirks: oneIn(draw, 4) ? 'intended' : 'shipped',
    vcpus: 1,
    linear: true,
  });
}

export function machineOf(options: MachineOptions): Machine {
  const key = JSON.stringify(Object.entries(options).sort());
  let machine = made.get(key);
  if (machine === undefined) made.set(key, (machine = standardMachine(options, FRAMES)));
  return machine;
}
