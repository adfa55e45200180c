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

/**
 * A machine of the standard layout. The same options give the same object, so that models can be kept by it.
 * With the losses of Xen 4.17 it has one vCPU: what is known of them is known of that (rules 14).
 */
export function drawMachine(draw: Draw, arch: Arch, quirks: MachineOptions['quirks']): Machine {
  const several = quirks === 'intended' && oneIn(draw, 2);
  return machineOf({
    arch,
    hardwareDomain: !oneIn(draw, 3),
    writablePagetables: oneIn(draw, 2),
    paeXenSlot: arch === 'x86_32' ? pick(draw, [DEFAULT_PAE_XEN_SLOT, 510]) : DEFAULT_PAE_XEN_SLOT,
    debugBuild: oneIn(draw, 4),
    quirks,
    vcpus: several ? 2 + draw.below(2) : 1,
    linear: !oneIn(draw, 10),
  });
}

export function machineOf(options: MachineOptions): Machine {
  const { arch, hardwareDomain, writablePagetables, paeXenSlot, debugBuild, quirks, vcpus, linear } = options;
  const key = `${arch} ${hardwareDomain} ${writablePagetables} ${paeXenSlot} ${debugBuild} ${quirks} ${vcpus} ${linear}`;
  let machine = made.get(key);
  if (machine === undefined) made.set(key, (machine = standardMachine(options, FRAMES)));
  return machine;
}
