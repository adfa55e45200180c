/** Guests on one machine after another; what ends one of them is shrunk to the smallest machine and the steps that it takes. */
import type { Crash } from '../../models/linux/crash.js';
import { profileOf } from '../../models/linux/kernels.js';
import { Layout } from '../../models/linux/layout.js';
import { drawGuestMachine, type GuestMachine } from '../../models/linux/machine.js';
import { shrinkMachine } from '../fastcheck/guest-machines.js';
import { stream } from '../generate/streams.js';
import type { Arch } from '../program/machine.js';
import { boot, type Guest, type Outcome } from './boot.js';
import { conflictOf, writableHolders } from './refusal.js';
import { neededSteps } from './needed.js';
import { ModelFailure, type Session } from './session.js';
import { type Step, stepsOf } from './steps.js';
import { consoleWords } from './words.js';

/** Machines that a shrinking tries at most, if nothing else is said. */
const SHRINK_RUNS = 1500;

export interface GuestFind {
  readonly machine: GuestMachine;
  readonly crash: Crash;
  /** Operations from the kernel's start to its end. */
  readonly operations: number;
  /** Those that it takes; undefined where the end is none's answer. */
  readonly steps: readonly Step[] | undefined;
  readonly words: readonly string[];
  /** Entries through which the page that was to be a table is writable, where that is the reason. */
  readonly holders: readonly { readonly mfn: number; readonly slot: number }[];
}

/** The machine that run number k of a seed has. */
export function machineOfRun(seed: string, run: number, arch: Arch): GuestMachine {
  return drawGuestMachine(stream(`boot ${arch} ${seed}.${run}`), arch);
}

/** What makes two ends the same: how, and in which function on which way. */
export function signature(outcome: Outcome): string {
  if (outcome === undefined) return '';
  if (outcome instanceof ModelFailure) return `model ${outcome.failure.kind}`;
  const { why: cause, path } = outcome;
  const what =
    cause.kind === 'refused'
      ? cause.call.kind
      : cause.kind === 'fault'
        ? `${cause.access} ${cause.present}`
        : cause.kind === 'invariant'
          ? cause.message.replaceAll(/0x[0-9a-f]+/g, '')
          : cause.message;
  return [cause.kind, what, path[0], path.at(-1)].join(' ');
}

/** Shrinks a machine on which the guest ends so, and says how it ends there. */
export function shrinkFind(
  session: Session,
  guest: Guest,
  machine: GuestMachine,
  crash: Crash,
  budget = SHRINK_RUNS,
): GuestFind {
  const wanted = signature(crash);
  const least = shrinkMachine(
    machine,
    (candidate) => signature(boot(session, guest, candidate)) === wanted,
    budget,
  );
  return describeFind(session, guest, least);
}

/** The end of the guest on this machine, on which it is known to end. */
export function describeFind(session: Session, guest: Guest, machine: GuestMachine): GuestFind {
  const crash = boot(session, guest, machine);
  if (!crash || crash instanceof ModelFailure) throw new Error('the guest does not end on this machine');
  const layout = new Layout(machine, { ...profileOf(guest.family, machine.arch), ...guest.changes });
  const { code, results, operations } = session;
  const words = consoleWords(crash, session.state, layout);
  const call = crash.why.kind === 'refused' ? crash.why.call : undefined;
  const conflict = call && conflictOf(session.state, call, () => 0);
  const holders = conflict?.kind === 'type' ? writableHolders(session.state, conflict.mfn) : [];
  const steps = neededSteps(layout, stepsOf(code, results), crash);
  return { machine, crash, operations, steps, words, holders };
}
