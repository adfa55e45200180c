/** One guest, from its domain builder to its end. */
import { startMachine } from '../../models/linux/builder.js';
import { Crash } from '../../models/linux/crash.js';
import type { GuestDefectId } from '../../models/linux/defects/ids.js';
import { Kernel } from '../../models/linux/kernel/trace-path.js';
import { type KernelFamily, profileOf } from '../../models/linux/kernels.js';
import { Layout } from '../../models/linux/layout.js';
import type { GuestMachine } from '../../models/linux/machine.js';
import type { Profile } from '../../models/linux/profile.js';
import { ModelFailure, type Session } from './session.js';

/** What boots: a kernel, and what is changed of it. */
export interface Guest {
  readonly family: KernelFamily;
  readonly defects: ReadonlySet<GuestDefectId>;
  /** Of a strategy, and of defects that are one. */
  readonly changes: Partial<Profile>;
}

export type Outcome = Crash | ModelFailure | undefined;

/** Boots the guest on the machine; what ended it before its time, if anything did. */
export function boot(
  session: Session,
  { family, defects, changes }: Guest,
  machine: GuestMachine,
  onPhase?: (phase: string) => void,
): Outcome {
  const profile = { ...profileOf(family, machine.arch), ...changes };
  const layout = new Layout(machine, profile);
  try {
    session.begin(startMachine(layout));
    const kernel = new Kernel(session, layout, profile, defects);
    if (onPhase) kernel.onPhase = onPhase;
    kernel.boot();
    session.end();
    return undefined;
  } catch (error) {
    if (error instanceof Crash || error instanceof ModelFailure) return error;
    throw error;
  }
}
