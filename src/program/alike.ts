/**
 * Machines that begin in the same state. They differ in what Xen allows, not in what is there, so a model that has been
 * started for one of them takes the start state of another at the cost of a reset; and what one model touches stays in
 * the processor's caches where the models of a hundred machines would not.
 */
import type { Model } from '../../models/model.js';
import type { Machine, StartState } from './machine.js';

/** References by each vCPU's base pointer and the slots of Xen's own are part of the state. */
export function beginAlike(a: Machine, b: Machine): boolean {
  if (a === b) return true;
  const isStandard = a.frames > 0 && a.start === b.start;
  return isStandard && a.arch === b.arch && a.vcpus === b.vcpus && a.paeXenSlot === b.paeXenSlot;
}

/** The model takes the machine's start state. */
export function takeStart(model: Model, machine: Machine): void {
  const { machine: last } = model as { machine?: Machine };
  if (last && beginAlike(last, machine)) model.reset(machine);
  else model.start(machine);
}

/** Keeps one of something for all machines that begin alike. */
export class ByStart<T> {
  private readonly kept = new Map<StartState, { readonly machine: Machine; readonly value: T }[]>();

  constructor(private readonly make: () => T) {}

  of(machine: Machine): T {
    let values = this.kept.get(machine.start);
    if (!values) this.kept.set(machine.start, (values = []));
    let found = values.find((one) => beginAlike(one.machine, machine));
    if (!found) values.push((found = { machine, value: this.make() }));
    return found.value;
  }
}
