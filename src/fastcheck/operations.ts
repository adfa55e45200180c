/** Arbitrary operations of every kind that know nothing of a machine's state: for tests of text and records. */
import { entry, MFN_MAX, type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN, MAX_VCPUS, WINDOW_0, type Machine } from '../program/machine.js';
import {
  INTERRUPTIBLE_KINDS,
  MMU_COMMANDS,
  MMUEXT_COMMANDS,
  type DomainId,
  type Environment,
  type Flush,
  type Hypercall,
  type ListOptions,
  type MmuCommand,
  type Mmuext,
  type MmuextCommand,
  type MmuUpdate,
  type Operation,
  type Request,
  type StorePart,
  type Word64,
} from '../program/operation.js';
import { CONTEND_MAX, PREEMPT_MAX } from '../program/record.js';
import { fc } from './index.js';

const MFN_32_MAX = 0xffffffff;

/** Plain objects, which decoded operations are compared with. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const slots = () => fc.integer({ min: 0, max: 511 });
const words = () => fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const words64 = (): fc.Arbitrary<Word64> =>
  record({ low: words(), high: fc.oneof(fc.constantFrom(0, -1), words()) });
const counts = () => fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }));
const domains = () => fc.constantFrom<DomainId>('self', 'own', 'io', 'xen', 'none');
const levels = () => fc.constantFrom<Level>(1, 2, 3, 4);
const parts = () => fc.constantFrom<StorePart>('entry', 'low', 'high');

/** Frames of the machine, those with names more often, and any other number. */
export function frameNumbers(machine: Machine, most = MFN_32_MAX): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: FIRST_FRAME_MFN, max: FIRST_FRAME_MFN + Math.max(machine.frames, 1) }),
    fc.constantFrom(0, BAD_MFN[machine.arch], ...Object.values(BOOT_MFN)),
    fc.integer({ min: 0, max: 0xfffff }),
    fc.integer({ min: 0, max: most }),
  );
}

/** Entries with any frame number and any flags. */
export function entries(machine: Machine): fc.Arbitrary<Entry> {
  const flags = fc.oneof(fc.constantFrom(0, 1, 3, 7, 0x67), fc.integer({ min: 0, max: 2 ** 24 - 1 }));
  return fc.tuple(frameNumbers(machine, MFN_MAX), flags).map(([mfn, bits]) => entry(mfn, bits));
}

/** Virtual addresses: windows, and any other address that the architecture has. */
export function addresses(machine: Machine): fc.Arbitrary<Word64> {
  const base = WINDOW_0[machine.arch];
  const window = fc
    .integer({ min: 0, max: 511 })
    .map((i): Word64 => ({ low: (base.low + i * 4096) | 0, high: base.high }));
  const any = machine.arch === 'x86_64' ? words64() : words().map((low): Word64 => ({ low, high: 0 }));
  return fc.oneof(window, any);
}

/** Addresses of entries: multiples of eight. */
function entryAddresses(machine: Machine): fc.Arbitrary<Word64> {
  return fc
    .tuple(addresses(machine), slots())
    .map(([va, slot]) => ({ low: (va.low & ~0xfff) | (slot * 8), high: va.high }));
}

export function mmuUpdates(machine: Machine): fc.Arbitrary<MmuUpdate> {
  return fc.oneof(
    record({
      kind: fc.constant('mmu_update' as const),
      command: fc.constantFrom(...(Object.keys(MMU_COMMANDS) as MmuCommand[])),
      mfn: frameNumbers(machine),
      slot: slots(),
      entry: entries(machine),
    }),
    record({ kind: fc.constant('machphys' as const), mfn: frameNumbers(machine), value: words64() }),
  );
}

export function mmuexts(machine: Machine): fc.Arbitrary<Mmuext> {
  const mfn = frameNumbers(machine);
  return fc.oneof(
    record({ kind: fc.constant('pin' as const), level: levels(), mfn }),
    {
      weight: 4,
      arbitrary: record({
        kind: fc.constantFrom('unpin', 'new_baseptr', 'new_user_baseptr', 'clear_page'),
        mfn,
      }),
    },
    record({ kind: fc.constant('copy_page' as const), mfn, source: frameNumbers(machine) }),
    record({ kind: fc.constant('set_ldt' as const), va: addresses(machine), entries: counts() }),
    record({
      kind: fc.constant('mmuext' as const),
      command: fc.constantFrom(...(Object.keys(MMUEXT_COMMANDS) as MmuextCommand[])),
      badBitmap: fc.boolean(),
    }),
  );
}

function listOptions(): fc.Arbitrary<ListOptions> {
  return fc.record(
    {
      fd: domains(),
      badList: fc.boolean(),
      unreadable: fc.integer({ min: 0, max: 70_000 }),
      continued: fc.integer({ min: 0, max: 2 ** 23 - 2 }),
    },
    { requiredKeys: ['fd', 'badList'], noNullPrototype: true },
  );
}

function updateVas(machine: Machine): fc.Arbitrary<Hypercall> {
  return (
    fc
      .record({
        va: addresses(machine),
        entry: entries(machine),
        flush: fc.constantFrom<Flush>('none', 'flush', 'invlpg'),
        badBitmap: fc.boolean(),
        fd: domains(),
      })
      // Only a flush has a bitmap.
      .map((call) => ({ kind: 'update_va', ...call, badBitmap: call.badBitmap && call.flush !== 'none' }))
  );
}

export function hypercalls(machine: Machine): fc.Arbitrary<Hypercall> {
  return fc.oneof<fc.MaybeWeightedArbitrary<Hypercall>[]>(
    mmuUpdates(machine),
    { weight: 3, arbitrary: mmuexts(machine) },
    updateVas(machine),
    record({
      kind: fc.constant('mmu_update_list' as const),
      options: listOptions(),
      pfd: fc.constantFrom('self', 'own', 'none'),
      items: fc.array(mmuUpdates(machine), { maxLength: 6 }),
    }),
    record({
      kind: fc.constant('mmuext_op_list' as const),
      options: listOptions(),
      items: fc.array(mmuexts(machine), { maxLength: 6 }),
    }),
    record({
      kind: fc.constant('set_gdt' as const),
      frames: fc.array(frameNumbers(machine), { maxLength: 16 }),
      entries: counts(),
    }),
    record({
      kind: fc.constant('update_descriptor' as const),
      mfn: frameNumbers(machine),
      slot: slots(),
      descriptor: words64(),
      misaligned: fc.boolean(),
    }),
    record({ kind: fc.constant('iret_user' as const) }),
  );
}

/** When an event arrives, if one does; what does not happen is left out, as `decode` does. */
function interruptions(): fc.Arbitrary<Environment> {
  return fc.record(
    {
      preempt: fc.integer({ min: 0, max: PREEMPT_MAX }),
      contend: fc.integer({ min: 0, max: CONTEND_MAX }),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
}

/** Any operation that the format can express for the machine. */
export function operations(machine: Machine): fc.Arbitrary<Operation> {
  return fc
    .tuple(requests(machine), fc.integer({ min: 0, max: machine.vcpus - 1 }), interruptions())
    .map(([request, cpu, interruption]) => ({
      ...request,
      ...(cpu > 0 ? { cpu } : {}),
      ...(INTERRUPTIBLE_KINDS.has(request.kind) ? interruption : {}),
    }));
}

function requests(machine: Machine): fc.Arbitrary<Request> {
  const mfn = frameNumbers(machine);
  const stored = { part: parts(), entry: entries(machine) };
  const filled = fc.uniqueArray(record({ slot: slots(), entry: entries(machine) }), {
    maxLength: 8,
    selector: ({ slot }) => slot,
  });
  return fc.oneof<fc.MaybeWeightedArbitrary<Request>[]>(
    { weight: 6, arbitrary: hypercalls(machine) },
    record({
      kind: fc.constant('multicall' as const),
      items: fc.array(hypercalls(machine), { maxLength: 5 }),
    }),
    record({ kind: fc.constant('store' as const), va: entryAddresses(machine), ...stored }),
    record({ kind: fc.constant('store_frame' as const), mfn, slot: slots(), ...stored }),
    record({ kind: fc.constant('fill' as const), mfn, entries: filled }),
    record({ kind: fc.constant('access_ldt' as const), page: fc.integer({ min: 0, max: 15 }) }),
    record({ kind: fc.constantFrom('write_cr3', 'release', 'decrease_reservation'), mfn }),
    fc
      .tuple(mfn, fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2 ** 31 - 1 })))
      // A run ends with the last frame number at the latest.
      .map(([first, count]) => ({
        kind: 'receive',
        mfn: first,
        count: Math.min(count, MFN_32_MAX - first + 1),
      })),
    record({ kind: fc.constantFrom('resume', 'destroy') }),
    record({ kind: fc.constant('touch' as const), va: addresses(machine) }),
    record({
      kind: fc.constant('store_cached' as const),
      va: entryAddresses(machine),
      entry: entries(machine),
    }),
    record({
      kind: fc.constant('initialise' as const),
      vcpu: fc.integer({ min: 0, max: machine.vcpus - 1 }),
      mfn,
      user: fc.oneof(fc.constant(0), mfn),
      userMode: fc.boolean(),
    }),
    record({ kind: fc.constant('reset_vcpu' as const), vcpu: fc.integer({ min: 0, max: MAX_VCPUS - 1 }) }),
  );
}
