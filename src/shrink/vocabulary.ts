/** The plain operations that `substitute` and `regrow` put in the place of others. */
import { type Entry, P, PSE, RW, US, ZERO } from '../../models/x86/entry.js';
import { BAD_MFN, BOOT_MFN } from '../program/machine.js';
import {
  type Environment,
  INTERRUPTIBLE_KINDS,
  normalUpdate,
  type Operation,
  type Request,
} from '../program/operation.js';
import type { Draft } from './draft.js';
import { isInterrupted } from './events.js';
import { visit, windowAddress } from './names.js';
import { BOOT_TABLES } from './simpler.js';
import { sceneOf } from './simplify.js';

/** A domain that ends does more between two looks for an event than any hypercall. */
const EARLY = [0, 1];
const EARLY_IN_DESTROY = [0, 1, 2, 3, 4, 5];
const FIRST_XEN_SLOT = 256;
/** Of the boot L2: the entry over the windows' L1. */
const WINDOWS_SLOT = 1;

/** Plain requests on the program's frames, one more, and the boot tables. */
export function plainRequests(draft: Draft): Request[] {
  const { arch } = draft.machine;
  const used = usedIn(draft);
  const bad = used.frames.has(BAD_MFN[arch]) ? [BAD_MFN[arch]] : [];
  const tables = [...sceneOf(draft).frames, ...BOOT_TABLES[arch], ...bad];
  const slots = new Set([0, 1, ...used.slots]);
  if (Math.max(...slots) > FIRST_XEN_SLOT) slots.add(FIRST_XEN_SLOT);
  const entries: Entry[] = [ZERO];
  for (const mfn of [...tables, 0])
    for (const flags of [P, P | RW, P | RW | US | PSE]) entries.push({ mfn, flags });
  const requests: Request[] = [{ kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false }];
  for (const mfn of tables)
    for (const slot of slots) for (const entry of entries) requests.push(normalUpdate(mfn, slot, entry));
  for (const mfn of tables) {
    for (const level of [1, 2, 3, 4] as const) requests.push({ kind: 'pin', level, mfn });
    for (const kind of [
      'unpin',
      'new_baseptr',
      'new_user_baseptr',
      'release',
      'decrease_reservation',
    ] as const)
      requests.push({ kind, mfn });
  }
  for (const window of new Set([0, 1, ...used.windows])) requests.push(...throughWindow(window, draft));
  return [...requests, { kind: 'new_user_baseptr', mfn: 0 }, { kind: 'destroy' }];
}

/**
 * What tables are built and taken down with, on the program's own frames: entries in the slots that it uses
 * (without rights where something is interrupted: there it takes more of them), pins, base pointers, and the windows' mappings away, all or the first.
 */
export function nearRequests(draft: Draft): Request[] {
  const { frames, slots } = usedIn(draft);
  const root = BOOT_TABLES[draft.machine.arch].at(-1)!;
  const tables = [...frames].filter((mfn) => mfn !== 0);
  const rights = draft.operations.some(isInterrupted) ? [P] : [P, P | RW];
  const children = new Set([...tables, ...BOOT_TABLES[draft.machine.arch]]);
  const requests: Request[] = [
    normalUpdate(BOOT_MFN.B2, WINDOWS_SLOT, ZERO),
    normalUpdate(BOOT_MFN.B1, 0, ZERO),
    { kind: 'resume' },
    { kind: 'destroy' },
  ];
  for (const mfn of tables) {
    for (const slot of slots) {
      requests.push(normalUpdate(mfn, slot, ZERO));
      for (const to of children)
        for (const flags of rights) requests.push(normalUpdate(mfn, slot, { mfn: to, flags }));
    }
    for (const level of [1, 2, 3, 4] as const) requests.push({ kind: 'pin', level, mfn });
  }
  for (const mfn of new Set([...tables, root]))
    requests.push({ kind: 'unpin', mfn }, { kind: 'new_baseptr', mfn }, { kind: 'new_user_baseptr', mfn });
  return requests;
}

function* throughWindow(window: number, { machine: { arch } }: Draft): Generator<Request> {
  const va = windowAddress(window, 0, arch);
  for (const flush of ['none', 'flush', 'invlpg'] as const)
    for (const badBitmap of flush === 'none' ? [false] : [false, true])
      for (const fd of ['self', 'own'] as const)
        yield { kind: 'update_va', va, entry: ZERO, flush, badBitmap, fd };
  yield { kind: 'touch', va };
  yield { kind: 'store_cached', va, entry: ZERO };
}

function usedIn(draft: Draft) {
  const used = { frames: new Set<number>(), windows: new Set<number>(), slots: new Set<number>() };
  visit(draft, {
    frame: (mfn) => (used.frames.add(mfn), mfn),
    window: (index) => (index < draft.machine.frames && used.windows.add(index), index),
    slot: (_, slot) => (used.slots.add(slot), slot),
  });
  return used;
}

/** The words on each vCPU that runs one of the operations. */
export function onCpusOf(
  operations: readonly Operation[],
  words: readonly Operation[],
): readonly Operation[] {
  const cpus = new Set(operations.flatMap(({ cpu }) => cpu ?? []));
  return [...words, ...[...cpus].flatMap((cpu) => words.map((word) => ({ ...word, cpu })))];
}

/** The requests with an early event or lost race, or one of the program's own, where they can be interrupted. */
export function interruptedForms(requests: readonly Request[], { operations }: Draft): Operation[] {
  const preempts = operations.flatMap(({ preempt }) => preempt ?? []);
  const contends = operations.flatMap(({ contend }) => contend ?? []);
  const forms: Operation[] = [];
  for (const request of requests) {
    if (!INTERRUPTIBLE_KINDS.has(request.kind)) continue;
    const early = request.kind === 'destroy' ? EARLY_IN_DESTROY : EARLY;
    const environments: Environment[] = [
      ...[...new Set([...early, ...preempts])].map((preempt) => ({ preempt })),
      ...[...new Set([...early, ...contends])].map((contend) => ({ contend })),
    ];
    for (const environment of environments) forms.push({ ...request, ...environment });
  }
  return forms;
}
