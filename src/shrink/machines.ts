import { machineOf } from '../generate/machines.js';
import { DEFAULT_PAE_XEN_SLOT, type Machine, type MachineOptions } from '../program/machine.js';

/** The machine that every find is brought to as far as it goes: Xen 4.17 as it is, its dom0, one vCPU. */
const PLAIN = {
  hardwareDomain: true,
  writablePagetables: false,
  debugBuild: false,
  quirks: 'shipped',
  linear: true,
  paeXenSlot: DEFAULT_PAE_XEN_SLOT,
} as const;
const OPTIONS = Object.keys(PLAIN) as (keyof typeof PLAIN)[];

/**
 * Machines plainer than this one that have at least `vcpus` virtual CPUs, the plainest first. Xen as it is stands
 * for Xen as intended only where nothing is `interrupted`: there the two differ in more than known losses (rules 16.8).
 */
export function* plainerMachines(machine: Machine, vcpus: number, interrupted: boolean): Generator<Machine> {
  const kept = interrupted ? { quirks: machine.quirks } : {};
  yield withOptions(machine, { ...PLAIN, ...kept, vcpus });
  for (let fewer = vcpus; fewer < machine.vcpus; fewer++) yield withOptions(machine, { vcpus: fewer });
  for (const option of OPTIONS) {
    if (option === 'quirks' && interrupted) continue;
    if (machine[option] !== PLAIN[option]) yield withOptions(machine, { [option]: PLAIN[option] });
  }
}

/** How many options differ from the plain machine's, virtual CPUs beyond the first, and the architecture that few still use. */
export function distanceFromPlain(machine: Machine): number {
  const others = OPTIONS.filter((option) => machine[option] !== PLAIN[option]).length;
  const rare = machine.arch === 'x86_32' ? 1 : 0;
  return (
    rare + others + machine.vcpus - 1 + (machine.frames > 0 && machine.frames !== STANDARD_FRAMES ? 1 : 0)
  );
}

/** The options that differ from the plain machine's, by name: later options leave the words of older machines alone. */
export function unusualOptions(machine: Machine): (readonly [string, unknown])[] {
  const all = [...OPTIONS, 'vcpus'] as const;
  return all
    .filter((option) => machine[option] !== { ...PLAIN, vcpus: 1 }[option])
    .sort()
    .map((option) => [option, machine[option]] as const);
}

/**
 * The machine with some options changed, in the standard layout also with the usual number of frames. The same
 * options give the same object, so that models can be kept by it.
 */
function withOptions(machine: Machine, changes: Partial<MachineOptions>): Machine {
  const { start, frames, ...options } = machine;
  const wanted = { ...options, ...changes };
  if (frames > 0) return machineOf(wanted);
  const key = JSON.stringify(wanted);
  let made = spelledOut.get(start);
  if (made === undefined) spelledOut.set(start, (made = new Map()));
  let found = made.get(key);
  if (found === undefined) made.set(key, (found = { ...wanted, frames, start }));
  return found;
}

const spelledOut = new WeakMap<Machine['start'], Map<string, Machine>>();

const STANDARD_FRAMES = machineOf({ ...PLAIN, arch: 'x86_64', vcpus: 1 }).frames;
