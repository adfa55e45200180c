/** Passes towards a plain machine on which nothing interrupts the guest. */
import type { Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { type Draft, replaced } from './draft.js';
import { isInterrupted } from './events.js';
import { plainerMachines } from './machines.js';
import { renamed } from './names.js';
import type { Steps } from './pass.js';
import { smallerNumbers } from './simpler.js';

/** Most operations that are shared out between vCPUs in every way. */
const SHARED_MAX = 7;

export function* machine(draft: Draft): Steps {
  for (const plainer of machinesFor(draft)) draft = (yield { ...draft, machine: plainer }) ?? draft;
}

/** Plainer machines on which the program makes sense, the plainest first. */
export function machinesFor(draft: Draft): Iterable<Machine> {
  const cpus = cpusOf(draft);
  const interrupted =
    cpus > 1 || draft.operations.some((operation) => isInterrupted(operation) || operation.kind === 'resume');
  return plainerMachines(draft.machine, cpus, interrupted);
}

/** Events, contended references and other vCPUs: none at all, then fewer, then earlier and lower ones. */
export function* environment(draft: Draft): Steps {
  const calm = draft.operations.map(({ cpu: _cpu, preempt: _preempt, contend: _contend, ...rest }) => rest);
  draft = (yield { ...draft, operations: calm }) ?? draft;
  for (let i = 0; i < draft.operations.length; i++) {
    for (const operation of calmer(draft.operations[i]!))
      draft = (yield replaced(draft, i, operation)) ?? draft;
  }
  yield* cpus(draft);
}

function* calmer(operation: Operation): Generator<Operation> {
  const { cpu, preempt, contend, ...request } = operation;
  const { preempt: _preempt, ...uninterrupted } = operation;
  const { contend: _contend, ...uncontended } = operation;
  const { cpu: _cpu, ...onFirst } = operation;
  if (cpu === undefined && preempt === undefined && contend === undefined) return;
  yield request;
  if (contend !== undefined) yield uncontended;
  if (preempt !== undefined) yield uninterrupted;
  if (cpu !== undefined) yield onFirst;
  for (const earlier of smallerNumbers(preempt ?? 0)) yield { ...operation, preempt: earlier };
  for (const earlier of smallerNumbers(contend ?? 0)) yield { ...operation, contend: earlier };
}

/** One vCPU becomes another, or the two change places, in the whole program. */
function* cpus(draft: Draft): Steps {
  for (let from = draft.machine.vcpus - 1; from > 0; from--) {
    for (let to = 0; to < from; to++) {
      draft = (yield renamed(draft, { cpu: (cpu) => (cpu === from ? to : cpu) })) ?? draft;
      const swapped = (cpu: number) => (cpu === from ? to : cpu === to ? from : cpu);
      draft = (yield renamed(draft, { cpu: swapped })) ?? draft;
    }
  }
  yield* sharedOut(draft);
}

/** Every way to share the operations out between the first vCPU and another. */
function* sharedOut({ machine, operations }: Draft): Steps {
  if (operations.length > SHARED_MAX) return;
  for (const cpu of new Set(operations.flatMap(({ cpu }) => cpu ?? []))) {
    for (let others = 0; others < 1 << operations.length; others++) {
      const shared = operations.map(({ cpu: _cpu, ...rest }, i) =>
        (others >> i) & 1 ? { ...rest, cpu } : rest,
      );
      if (yield { machine, operations: shared }) return;
    }
  }
}

/** Fewest virtual CPUs with which the program makes sense. */
function cpusOf({ operations }: Draft): number {
  return 1 + Math.max(0, ...operations.map(({ cpu = 0 }) => cpu));
}
