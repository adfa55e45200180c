/**
 * Every operation of the text format as a command of fast-check, arguments uniform over a few plain values and
 * chosen without a look at any state: what someone has who reaches for `fc.commands` and goes no further.
 */
import { A, type Entry, entry, P, PCD, PSE, PWT, RW, US } from '../models/x86/entry.js';
import type { Level } from '../models/x86/page-type.js';
import { fc } from '../src/fastcheck/index.js';
import { machineOf } from '../src/generate/machines.js';
import {
  type Arch,
  BAD_MFN,
  BOOT_MFN,
  DEFAULT_PAE_XEN_SLOT,
  frameMfns,
  type Machine,
  WINDOW_0,
} from '../src/program/machine.js';
import {
  type DomainId,
  type Environment,
  type Flush,
  type Hypercall,
  type ListOptions,
  MMU_COMMANDS,
  type MmuCommand,
  type Mmuext,
  MMUEXT_COMMANDS,
  type MmuextCommand,
  type MmuUpdate,
  type Operation,
  type Request,
  type StorePart,
  type Word64,
} from '../src/program/operation.js';
import { encode } from '../src/program/codec.js';

/** A command that adds its operation to the program that the sequence is. It has no precondition. */
class Command implements fc.Command<object, number[]> {
  constructor(private readonly operation: Operation) {}

  check(): boolean {
    return true;
  }

  run(_model: object, code: number[]): void {
    encode(this.operation, code);
  }

  toString(): string {
    return this.operation.kind;
  }
}

/** A machine, and a sequence of at most `most` commands for it that make a program. */
export function sequences(arch: Arch, most: number) {
  return sequencesOf(arch, most, (operation) => new Command(operation));
}

/** A machine, and a sequence of at most `most` commands for it, each made of an operation. */
export function sequencesOf<Model extends object, Real>(
  arch: Arch,
  most: number,
  commandOf: (operation: Operation) => fc.Command<Model, Real>,
) {
  const byVcpus = new Map<number, fc.Arbitrary<Iterable<fc.Command<Model, Real>>>>();
  const commandsFor = (machine: Machine) => {
    const { vcpus } = machine;
    if (!byVcpus.has(vcpus)) {
      const kinds = operations(arch, vcpus).map((kind) => kind.map(commandOf));
      // Without `size` fast-check would stop at ten commands, whatever `maxCommands` says.
      byVcpus.set(vcpus, fc.commands(kinds, { maxCommands: most, size: 'max', disableReplayLog: true }));
    }
    return byVcpus.get(vcpus)!;
  };
  return machines(arch).chain((machine) => fc.tuple(fc.constant(machine), commandsFor(machine)));
}

/** The records of the program that a sequence of commands is. */
export function programOf(commands: Iterable<fc.Command<object, number[]>>): Int32Array {
  const code: number[] = [];
  fc.modelRun(() => ({ model: {}, real: code }), commands);
  return Int32Array.from(code);
}

function machines(arch: Arch): fc.Arbitrary<Machine> {
  return fc
    .record({
      arch: fc.constant(arch),
      hardwareDomain: fc.boolean(),
      writablePagetables: fc.boolean(),
      paeXenSlot: fc.constantFrom(DEFAULT_PAE_XEN_SLOT, ...(arch === 'x86_32' ? [510] : [])),
      debugBuild: fc.boolean(),
      quirks: fc.constant('intended' as const),
      vcpus: fc.integer({ min: 1, max: 4 }),
      linear: fc.boolean(),
    })
    .map(machineOf);
}

/** One arbitrary for each kind of operation, on any vCPU. */
function operations(arch: Arch, vcpus: number): fc.Arbitrary<Operation>[] {
  const cpu = fc.nat(vcpus - 1);
  return requests(arch, vcpus).map(([disturbed, request]) =>
    fc
      .tuple(cpu, disturbed ? DISTURBANCES : CALM, request)
      .map(([cpu, environment, request]) => ({ cpu, ...environment, ...request })),
  );
}

const CALM = fc.constant<Environment>({});
/** Nothing, an event or a lost race; early, as the tables of a short program hold few entries. */
const DISTURBANCES = fc.oneof(
  CALM,
  fc.nat(7).map((preempt): Environment => ({ preempt })),
  fc.nat(7).map((contend): Environment => ({ contend })),
);

const DOMAINS = fc.constantFrom<DomainId>('self', 'own', 'io', 'xen', 'none');
const PARTS = fc.constantFrom<StorePart>('entry', 'low', 'high');
const SLOTS = fc.constantFrom(0, 1, 2, 3, 255, 256, 511);
const FLAGS = fc.subarray([P, RW, US, PSE, PCD, PWT, A]).map((flags) => flags.reduce((a, b) => a | b, 0));
/** None, one descriptor, a page of them and one more, all there are and one more. */
const DESCRIPTOR_COUNTS = fc.constantFrom(0, 1, 512, 513, 8192, 8193);
/** Zero, flat data, flat code, a call gate. */
const DESCRIPTORS = fc.constantFrom<Word64>(
  { low: 0, high: 0 },
  { low: 0xffff, high: 0x00cff200 },
  { low: 0xffff, high: 0x00af9a00 },
  { low: 0x00080000, high: 0x0000ec00 },
);
const LIST_MAX = 4;

function options(): fc.Arbitrary<ListOptions> {
  const element = fc.option(fc.nat(LIST_MAX - 1), { freq: 1, nil: undefined });
  return fc.tuple(DOMAINS, fc.boolean(), element, element).map(([fd, badList, unreadable, continued]) => ({
    fd,
    badList,
    ...(unreadable === undefined ? {} : { unreadable }),
    ...(continued === undefined ? {} : { continued }),
  }));
}

/** The boot tables, `F0` to `F7`, frame 0 and a number beyond memory. */
function frameNumbers(arch: Arch): fc.Arbitrary<number> {
  const { B1, B2, B3, B4 } = BOOT_MFN;
  const boot = arch === 'x86_64' ? [B1, B2, B3, B4] : [B1, B2, B3];
  return fc.constantFrom(0, BAD_MFN[arch], ...boot, ...frameMfns(8));
}

/** The windows of `F0` to `F7`, address 0 and the lowest one that is not canonical. */
function pages(arch: Arch): fc.Arbitrary<Word64> {
  const { low, high } = WINDOW_0[arch];
  const windows = Array.from({ length: 8 }, (_, i): Word64 => ({ low: (low + i * 4096) | 0, high }));
  const uncanonical = arch === 'x86_64' ? [{ low: 0, high: 0x8000 }] : [];
  return fc.constantFrom<Word64>({ low: 0, high: 0 }, ...uncanonical, ...windows);
}

/** Every kind of operation, and whether an event or a lost race can disturb it (docs/format.md). */
function requests(arch: Arch, vcpus: number): (readonly [boolean, fc.Arbitrary<Request>])[] {
  const mfn = frameNumbers(arch);
  const slot = SLOTS;
  const page = pages(arch);
  const va = fc.tuple(page, slot).map(([{ low, high }, slot]): Word64 => ({ low: low + slot * 8, high }));
  const value = fc.tuple(mfn, FLAGS).map(([mfn, flags]): Entry => entry(mfn, flags));
  const vcpu = fc.nat(vcpus - 1);

  const mmuUpdates: fc.Arbitrary<MmuUpdate>[] = [
    of('mmu_update', {
      command: fc.constantFrom(...(Object.keys(MMU_COMMANDS) as MmuCommand[])),
      mfn,
      slot,
      entry: value,
    }),
    of('machphys', { mfn, value: fc.nat(15).map((low): Word64 => ({ low, high: 0 })) }),
  ];
  const mmuexts: fc.Arbitrary<Mmuext>[] = [
    of('pin', { level: fc.constantFrom<Level>(1, 2, 3, 4), mfn }),
    of('unpin', { mfn }),
    of('new_baseptr', { mfn }),
    of('new_user_baseptr', { mfn }),
    of('clear_page', { mfn }),
    of('copy_page', { mfn, source: mfn }),
    of('set_ldt', { va: page, entries: DESCRIPTOR_COUNTS }),
    of('mmuext', {
      command: fc.constantFrom(...(Object.keys(MMUEXT_COMMANDS) as MmuextCommand[])),
      badBitmap: fc.boolean(),
    }),
  ];
  const lists: fc.Arbitrary<Hypercall>[] = [
    of('mmu_update_list', {
      options: options(),
      pfd: fc.constantFrom('self', 'own', 'none'),
      items: fc.array(fc.oneof(...mmuUpdates), { maxLength: LIST_MAX }),
    }),
    of('mmuext_op_list', {
      options: options(),
      items: fc.array(fc.oneof(...mmuexts), { maxLength: LIST_MAX }),
    }),
  ];
  const atOnce: fc.Arbitrary<Hypercall>[] = [
    fc
      .tuple(page, value, fc.constantFrom<Flush>('none', 'flush', 'invlpg'), fc.boolean(), DOMAINS)
      // Only a flush has a bitmap.
      .map(([va, entry, flush, bad, fd]) => {
        return { kind: 'update_va', va, entry, flush, badBitmap: bad && flush !== 'none', fd };
      }),
    of('set_gdt', { frames: fc.array(mfn, { maxLength: 2 }), entries: DESCRIPTOR_COUNTS }),
    of('update_descriptor', { mfn, slot, descriptor: DESCRIPTORS, misaligned: fc.boolean() }),
    fc.constant({ kind: 'iret_user' }),
  ];
  const calls = fc.oneof(...mmuUpdates, ...mmuexts, ...lists, ...atOnce);
  const interruptible: fc.Arbitrary<Request>[] = [
    ...mmuUpdates,
    ...mmuexts,
    ...lists,
    of('write_cr3', { mfn }),
    fc.constant({ kind: 'resume' }),
    of('initialise', { vcpu, mfn, user: mfn, userMode: fc.boolean() }),
    of('reset_vcpu', { vcpu }),
    fc.constant({ kind: 'destroy' }),
  ];
  const others: fc.Arbitrary<Request>[] = [
    ...atOnce,
    of('multicall', { items: fc.array(calls, { maxLength: LIST_MAX }) }),
    of('store', { va, part: PARTS, entry: value }),
    of('store_frame', { mfn, slot, part: PARTS, entry: value }),
    of('fill', {
      mfn,
      entries: fc.uniqueArray(fc.record({ slot, entry: value }), {
        maxLength: LIST_MAX,
        selector: ({ slot }) => slot,
      }),
    }),
    of('access_ldt', { page: fc.nat(3) }),
    of('release', { mfn }),
    of('receive', { mfn, count: fc.constant(1) }),
    of('touch', { va: page }),
    of('store_cached', { va, entry: value }),
    of('decrease_reservation', { mfn }),
  ];
  return [
    ...interruptible.map((request) => [true, request] as const),
    ...others.map((request) => [false, request] as const),
  ];
}

/** Operations of a kind, every argument drawn by itself. */
function of<K extends Request['kind'], T extends object>(
  kind: K,
  shape: { [N in keyof T]: fc.Arbitrary<T[N]> },
): fc.Arbitrary<{ kind: K } & T> {
  return fc.record(shape).map((values) => ({ kind, ...(values as T) }));
}
