import { machineOf } from '../generate/machines.js';
import { BAD_MFN, BOOT_MFN, DEFAULT_PAE_XEN_SLOT } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import type { Draft } from './draft.js';
import { renamed } from './names.js';
import type { Steps } from './pass.js';
import { otherNumbers } from './events.js';

/** Most operations of a program of which one is left out on the way. */
const LENGTH_MAX = 8;

/**
 * The pass from x86_32 to x86_64, which more people know and can try: the program as it is, and with the uppermost
 * table and level for the uppermost, events a little sooner or later, as four levels take other work than three; and
 * one operation less, with lost races for events.
 */
export function* architecture(draft: Draft): Steps {
  const { start: _start, frames, ...options } = draft.machine;
  if (options.arch === 'x86_64' || frames === 0) return;
  const machine = machineOf({ ...options, arch: 'x86_64', paeXenSlot: DEFAULT_PAE_XEN_SLOT });
  const { x86_32: bad } = BAD_MFN;
  const moved = renamed(draft, { frame: (mfn) => (mfn === bad ? BAD_MFN.x86_64 : mfn) }, machine);
  const raised = renamed(moved, { frame: (mfn) => (mfn === BOOT_MFN.B3 ? BOOT_MFN.B4 : mfn) });
  const pins = raised.operations.map((operation): Operation =>
    operation.kind === 'pin' && operation.level === 3 ? { ...operation, level: 4 } : operation,
  );
  for (const { operations } of [moved, raised, { operations: pins }]) {
    for (const timed of [operations, ...otherNumbers(operations)])
      if (yield { machine, operations: timed }) return;
    if (operations.length > LENGTH_MAX) continue;
    for (let i = 0; i < operations.length; i++) {
      const fewer = operations.toSpliced(i, 1);
      for (const timed of [...otherNumbers(fewer), ...otherNumbers(asRaces(fewer))])
        if (yield { machine, operations: timed }) return;
    }
  }
}

/** With lost races in the place of events. */
function asRaces(operations: readonly Operation[]): Operation[] {
  return operations.map(({ preempt, ...rest }) =>
    preempt === undefined ? rest : { ...rest, contend: preempt },
  );
}
