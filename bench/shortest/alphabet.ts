/** The operations that programs are made of when it is asked how short they can be: the surroundings of a known program. */
import { type Entry, entry, P, RW } from '../../models/x86/entry.js';
import type { Candidate } from '../../src/program/candidate.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine, standardMachine } from '../../src/program/machine.js';
import {
  type Environment,
  INTERRUPTIBLE_KINDS,
  normalUpdate,
  type Operation,
  type Request,
} from '../../src/program/operation.js';
import { draftOf } from '../../src/shrink/draft.js';
import { isInterrupted } from '../../src/shrink/events.js';
import { indexOf, visit, windowAddress } from '../../src/shrink/names.js';

/** So many races are won at most before one is lost. */
const CONTEND_MAX = 1;
/** Slots that are named at least. */
const SLOTS = 2;

/** What operations name. */
export interface Names {
  readonly machine: Machine;
  /** Tables that are written, pinned and named by entries. */
  readonly mfns: readonly number[];
  readonly slots: readonly number[];
  /** Flags of entries that are not zero. */
  readonly flags: readonly number[];
  readonly kinds: ReadonlySet<Request['kind']>;
  /** What comes besides what the guest asks for, each by itself. */
  readonly environments: readonly Environment[];
}

/** Kinds that short programs have, whatever the known one has. */
const MANY: readonly Request['kind'][] = [
  'mmu_update',
  'update_va',
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'write_cr3',
  'clear_page',
  'copy_page',
  'set_gdt',
  'decrease_reservation',
  'destroy',
  'resume',
];
/** Those of longer ones. */
const FEW: readonly Request['kind'][] = ['mmu_update', 'update_va', 'pin', 'unpin', 'new_baseptr'];
/** Frames that are named at least, and after how many units of work events arrive at most. */
const SHORT = { frames: 3, kinds: MANY, preemptMax: 3 };
const LONGER = { frames: 2, kinds: FEW, preemptMax: 2 };
/** Most operations of a short program: with an event or translations, which make many states, and without. */
const EVENTFUL_MAX = 3;
const PLAIN_MAX = 4;

/** What programs are tried with that are shorter than the known one, of this length. */
export function namesOf(known: Candidate, length: number): Names {
  const draft = draftOf(known);
  const isEventful = draft.operations.some((one) => isInterrupted(one) || one.kind === 'touch');
  const scope = length <= (isEventful ? EVENTFUL_MAX : PLAIN_MAX) ? SHORT : LONGER;
  const mfns = new Set<number>();
  const windows = new Set<number>();
  const slots = new Set<number>(upTo(SLOTS - 1));
  visit(draft, {
    frame: (mfn) => (mfns.add(mfn), mfn),
    window: (index) => (windows.add(index), index),
    slot: (_, slot) => (slots.add(slot), slot),
  });
  mfns.delete(0);
  const own = [...windows, ...[...mfns].map(indexOf)];
  const frames = Math.max(scope.frames, ...own.map((last) => last + 1));
  const { B1, B2, B3, B4 } = BOOT_MFN;
  for (const mfn of known.machine.arch === 'x86_64' ? [B1, B2, B3, B4] : [B1, B2, B3]) mfns.add(mfn);
  for (const i of upTo(frames - 1)) mfns.add(FIRST_FRAME_MFN + i);
  const parts = draft.operations.flatMap((one): readonly Request[] =>
    one.kind === 'multicall' ? one.items : [one],
  );
  const flags = parts.flatMap((one) => ('entry' in one ? [one.entry.flags] : []));
  return {
    machine: standardMachine(known.machine, frames),
    mfns: sorted(mfns),
    slots: sorted(slots),
    flags: sorted(new Set([P, P | RW, ...flags.filter((some) => some !== 0)])),
    kinds: new Set([...scope.kinds, ...parts.map(({ kind }) => kind)]),
    environments: [
      {},
      ...(draft.operations.some(isInterrupted) ? upTo(scope.preemptMax).map((preempt) => ({ preempt })) : []),
      ...(draft.operations.some(({ contend }) => contend !== undefined)
        ? upTo(CONTEND_MAX).map((contend) => ({ contend }))
        : []),
    ],
  };
}

/** Every operation with these names. */
export function alphabetOf(names: Names): Operation[] {
  const { machine, kinds, environments } = names;
  const requests = [...kinds].flatMap((kind) => requestsOf(kind, names));
  return upTo(machine.vcpus - 1).flatMap((cpu) =>
    requests.flatMap((request) =>
      (INTERRUPTIBLE_KINDS.has(request.kind) ? environments : [{}]).map((environment): Operation => ({
        ...request,
        ...environment,
        ...(cpu === 0 ? {} : { cpu }),
      })),
    ),
  );
}

function requestsOf(kind: Request['kind'], names: Names): Request[] {
  const { machine, mfns, slots, flags } = names;
  const { arch, frames, vcpus } = machine;
  const windows = Array.from({ length: frames }, (_, i) => windowAddress(i, 0, arch));
  const named = (mfn: number): Entry[] => flags.map((some) => entry(mfn, some));
  const entries = [entry(0, 0), ...mfns.flatMap(named)];
  const each = (make: (mfn: number) => Request): Request[] => mfns.map((mfn) => make(mfn));
  switch (kind) {
    case 'mmu_update':
      return mfns.flatMap((mfn) =>
        (mfn === BOOT_MFN.B1 ? sorted(new Set([...upTo(frames - 1), ...slots])) : slots).flatMap((slot) =>
          entries.map((value) => normalUpdate(mfn, slot, value)),
        ),
      );
    case 'update_va':
      return windows.flatMap((va) =>
        entries.map((value) => ({ kind, va, entry: value, flush: 'none', badBitmap: false, fd: 'self' })),
      );
    case 'store_frame':
      return mfns.flatMap((mfn) =>
        slots.flatMap((slot) => entries.map((value) => ({ kind, mfn, slot, part: 'entry', entry: value }))),
      );
    case 'pin':
      return mfns.flatMap((mfn) =>
        (arch === 'x86_64' ? ([1, 2, 3, 4] as const) : ([1, 2, 3] as const)).map((level) => ({
          kind,
          level,
          mfn,
        })),
      );
    case 'new_user_baseptr':
      return arch === 'x86_64' ? [...each((mfn) => ({ kind, mfn })), { kind, mfn: 0 }] : [];
    case 'unpin':
    case 'new_baseptr':
    case 'clear_page':
    case 'write_cr3':
    case 'decrease_reservation':
    case 'release':
      return each((mfn) => ({ kind, mfn }));
    case 'copy_page':
      return mfns.flatMap((mfn) => mfns.map((source) => ({ kind, mfn, source })));
    case 'set_gdt':
      return [...each((mfn) => ({ kind, frames: [mfn], entries: 1 })), { kind, frames: [], entries: 0 }];
    case 'set_ldt':
      return windows.map((va) => ({ kind, va, entries: 1 }));
    case 'access_ldt':
      return [{ kind, page: 0 }];
    case 'touch':
      return windows.map((va) => ({ kind, va }));
    case 'store_cached':
      return windows.flatMap((va) => entries.map((value) => ({ kind, va, entry: value })));
    case 'reset_vcpu':
      return upTo(vcpus - 1).map((vcpu) => ({ kind, vcpu }));
    case 'initialise':
      return mfns.flatMap((mfn) =>
        [0, ...mfns].flatMap((user) =>
          [false, true].map((userMode) => ({ kind, vcpu: vcpus - 1, mfn, user, userMode })),
        ),
      );
    case 'iret_user':
      return arch === 'x86_64' ? [{ kind }] : [];
    case 'destroy':
    case 'resume':
      return [{ kind }];
    default:
      return []; // lists and multicalls: what they hold is tried by itself
  }
}

/** 0 to `last`. */
function upTo(last: number): number[] {
  return Array.from({ length: last + 1 }, (_, i) => i);
}

function sorted(numbers: ReadonlySet<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}
