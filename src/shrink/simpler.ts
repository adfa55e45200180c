/** Simpler forms of one operation: of a simpler kind, with fewer flags and options, with smaller operands. */
import { type Entry, P, PWT, RW, US, ZERO, entryOf } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import { type Arch, BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN, type Machine } from '../program/machine.js';
import type { Environment, ListOptions, Operation, Request, Word64 } from '../program/operation.js';
import {
  INTERRUPTIBLE_KINDS,
  MMU_COMMANDS,
  MMU_UPDATE_KINDS,
  MMUEXT_COMMANDS,
  MMUEXT_KINDS,
  type MmuCommand,
  type MmuextCommand,
} from '../program/operation.js';
import { indexOf, offsetOf, windowAddress, windowOf } from './names.js';

/** What the rest of the program offers as simpler operands. */
export interface Scene {
  readonly machine: Machine;
  /** Frame numbers and windows that the program uses. */
  readonly frames: readonly number[];
  readonly windows: readonly number[];
  /** Its single updates of entries. */
  readonly updates: readonly Update[];
}

/** The boot tables that both architectures have, from level 1 up to the root. */
export const BOOT_TABLES: Record<Arch, readonly number[]> = {
  x86_64: [BOOT_MFN.B1, BOOT_MFN.B2, BOOT_MFN.B3, BOOT_MFN.B4],
  x86_32: [BOOT_MFN.B1, BOOT_MFN.B2, BOOT_MFN.B3],
};

export type Update = Extract<Operation, { kind: 'mmu_update' }>;

/** Whole numbers below this one: the first few, then down by halves, so that a limit is found in a few steps. */
export function* smallerNumbers(number: number): Generator<number> {
  for (let small = 0; small < 4 && small < number; small++) yield small;
  for (let step = 2 ** 31; step >= 1; step /= 2) if (number - step >= 4) yield number - step;
}

/** Simpler forms of the operation, the boldest first. What is none after all is for the caller to leave out. */
export function* simplerForms(operation: Operation, scene: Scene): Generator<Operation> {
  for (const request of otherKinds(operation, scene)) yield withEnvironmentOf(operation, request);
  yield* smallerOperands(operation, scene);
}

/** The request in the same environment, so far as that kind of request has one. */
export function withEnvironmentOf({ cpu, preempt, contend }: Environment, request: Request): Operation {
  const interruptible = INTERRUPTIBLE_KINDS.has(request.kind);
  return {
    ...request,
    ...(cpu ? { cpu } : {}),
    ...(interruptible && preempt !== undefined ? { preempt } : {}),
    ...(interruptible && contend !== undefined ? { contend } : {}),
  };
}

/** A hypercall that changes nothing, but for what any hypercall does: it is counted, and cleans up (rules 2.11). */
const NOTHING: Request = { kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false };

/** Other kinds of request that may do the same. */
function* otherKinds(operation: Operation, { machine, frames, updates }: Scene): Generator<Request> {
  yield NOTHING;
  const update = (mfn: number, slot: number, entry: Entry): Request => ({
    kind: 'mmu_update',
    command: 'normal',
    mfn,
    slot,
    entry,
  });
  if (machine.frames > 0) for (const mfn of frames) yield update(BOOT_MFN.B1, indexOf(mfn), ZERO);
  switch (operation.kind) {
    case 'update_va': {
      const window = windowOf(operation.va, machine.arch);
      if (window >= 0) yield update(BOOT_MFN.B1, window, operation.entry);
      break;
    }
    case 'store':
    case 'store_cached': {
      const { va, entry } = operation;
      const part = operation.kind === 'store' ? operation.part : 'entry';
      for (const mfn of behind(windowOf(va, machine.arch), updates)) {
        const slot = offsetOf(va) >> 3;
        yield update(mfn, slot, entry);
        yield { kind: 'store_frame', mfn, slot, part, entry };
      }
      if (operation.kind === 'store_cached') yield { kind: 'store', va, part, entry };
      break;
    }
    case 'store_frame':
      yield update(operation.mfn, operation.slot, operation.entry);
      break;
    case 'fill':
      for (const { slot, entry } of operation.entries) yield update(operation.mfn, slot, entry);
      break;
    case 'update_descriptor': {
      const { low, high } = operation.descriptor;
      yield update(operation.mfn, operation.slot, entryOf(low, high));
      break;
    }
    case 'copy_page':
      for (const { mfn, slot, entry } of updates)
        if (mfn === operation.source) yield update(operation.mfn, slot, entry);
      break;
    case 'initialise':
      if (operation.user !== 0) yield* onFrame(operation.user);
  }
  if ('mfn' in operation) {
    yield update(operation.mfn, 0, ZERO);
    yield* onFrame(operation.mfn);
  }
  if (operation.kind === 'set_gdt') for (const mfn of operation.frames) yield* onFrame(mfn);
}

/** Frames that the window may map: its own, and what is put behind it. */
function behind(window: number, updates: readonly Update[]): number[] {
  if (window < 0) return [];
  const mapped = updates.filter(({ mfn, slot }) => mfn === BOOT_MFN.B1 && slot === window);
  return [FIRST_FRAME_MFN + window, ...mapped.map(({ entry }) => entry.mfn)];
}

/** Requests that name a frame and nothing else, the simplest first. */
function* onFrame(mfn: number): Generator<Request> {
  for (const level of [1, 2, 3, 4] as const) yield { kind: 'pin', level, mfn };
  yield { kind: 'unpin', mfn };
  yield { kind: 'new_baseptr', mfn };
  yield { kind: 'new_user_baseptr', mfn };
  yield { kind: 'clear_page', mfn };
  yield { kind: 'write_cr3', mfn };
  yield { kind: 'release', mfn };
  yield { kind: 'decrease_reservation', mfn };
}

function* smallerOperands(operation: Operation, scene: Scene): Generator<Operation> {
  if ('options' in operation) {
    for (const options of simplerOptions(operation.options)) yield { ...operation, options };
  }
  if ('mfn' in operation) {
    for (const mfn of smallerFrames(operation.mfn, scene)) yield { ...operation, mfn };
  }
  if ('slot' in operation) {
    for (const slot of smallerNumbers(operation.slot)) yield { ...operation, slot };
  }
  if ('va' in operation) {
    for (const va of smallerAddresses(operation.va, scene)) yield { ...operation, va };
  }
  if ('entry' in operation) {
    for (const entry of simplerEntries(operation.entry, scene)) yield { ...operation, entry };
  }
  if ('part' in operation && operation.part !== 'entry') yield { ...operation, part: 'entry' };
  switch (operation.kind) {
    case 'mmu_update':
      for (const command of Object.keys(MMU_COMMANDS) as MmuCommand[]) yield { ...operation, command };
      break;
    case 'mmuext':
      for (const command of Object.keys(MMUEXT_COMMANDS) as MmuextCommand[])
        yield { ...operation, command, badBitmap: false };
      if (operation.badBitmap) yield { ...operation, badBitmap: false };
      break;
    case 'update_va':
      if (operation.badBitmap) yield { ...operation, badBitmap: false };
      if (operation.flush !== 'none') yield { ...operation, flush: 'none', badBitmap: false };
      if (operation.flush === 'invlpg') yield { ...operation, flush: 'flush' };
      for (const fd of ['self', 'own', 'io', 'xen'] as const) yield { ...operation, fd };
      break;
    case 'pin':
      for (let level = 1; level < operation.level; level++)
        for (const mfn of new Set([operation.mfn, ...scene.frames]))
          yield { ...operation, level: level as Level, mfn };
      break;
    case 'new_user_baseptr':
      if (operation.mfn !== 0) yield { ...operation, mfn: 0 };
      break;
    case 'copy_page':
      for (const source of smallerFrames(operation.source, scene)) yield { ...operation, source };
      break;
    case 'machphys':
      for (const value of smallerWords(operation.value)) yield { ...operation, value };
      break;
    case 'update_descriptor':
      if (operation.misaligned) yield { ...operation, misaligned: false };
      for (const descriptor of smallerWords(operation.descriptor)) yield { ...operation, descriptor };
      break;
    case 'set_gdt':
      for (const [i, mfn] of operation.frames.entries())
        for (const frame of smallerFrames(mfn, scene))
          yield { ...operation, frames: operation.frames.with(i, frame) };
      for (const entries of smallerNumbers(operation.entries)) yield { ...operation, entries };
      break;
    case 'set_ldt':
      for (const entries of smallerNumbers(operation.entries)) yield { ...operation, entries };
      break;
    case 'access_ldt':
      for (const page of smallerNumbers(operation.page)) yield { ...operation, page };
      break;
    case 'receive':
      for (const count of smallerNumbers(operation.count)) if (count > 0) yield { ...operation, count };
      break;
    case 'initialise':
      if (operation.userMode) yield { ...operation, userMode: false };
      if (operation.user !== 0) yield { ...operation, user: 0 };
      for (const user of smallerFrames(operation.user, scene)) yield { ...operation, user };
      for (const vcpu of smallerNumbers(operation.vcpu)) yield { ...operation, vcpu };
      break;
    case 'reset_vcpu':
      for (const vcpu of smallerNumbers(operation.vcpu)) yield { ...operation, vcpu };
      break;
    case 'fill':
      yield* simplerFills(operation, scene);
      break;
    case 'mmu_update_list':
    case 'mmuext_op_list':
    case 'multicall':
      if (operation.kind === 'mmu_update_list' && operation.pfd !== 'self') {
        yield { ...operation, pfd: 'self' };
        yield { ...operation, pfd: 'own' };
      }
      yield* simplerItems(operation, scene);
  }
}

type List = Extract<Operation, { kind: 'mmu_update_list' | 'mmuext_op_list' | 'multicall' }>;

/** The list with one of its items simpler, and of a kind that it can hold. */
function* simplerItems(list: List, scene: Scene): Generator<Operation> {
  for (let i = 0; i < list.items.length; i++) {
    for (const item of simplerForms(list.items[i]!, scene)) {
      if (holds(list, item)) yield { ...list, items: list.items.toSpliced(i, 1, item as never) } as Operation;
    }
  }
}

const OTHER_HYPERCALLS = new Set(['mmu_update_list', 'mmuext_op_list', 'update_va', 'set_gdt', 'iret_user']);

function holds(list: List, { kind }: Operation): boolean {
  if (list.kind === 'mmu_update_list') return MMU_UPDATE_KINDS.has(kind);
  if (list.kind === 'mmuext_op_list') return MMUEXT_KINDS.has(kind);
  return (
    MMU_UPDATE_KINDS.has(kind) ||
    MMUEXT_KINDS.has(kind) ||
    OTHER_HYPERCALLS.has(kind) ||
    kind === 'update_descriptor'
  );
}

function* simplerFills(fill: Extract<Operation, { kind: 'fill' }>, scene: Scene): Generator<Operation> {
  const { entries } = fill;
  for (let i = 0; i < entries.length; i++) {
    for (const entry of simplerEntries(entries[i]!.entry, scene))
      if (entry !== ZERO) yield { ...fill, entries: entries.with(i, { ...entries[i]!, entry }) };
    for (const slot of smallerNumbers(entries[i]!.slot)) {
      if (entries.every((other) => other.slot !== slot))
        yield { ...fill, entries: entries.with(i, { ...entries[i]!, slot }) };
    }
  }
}

function* simplerOptions(options: ListOptions): Generator<ListOptions> {
  yield { fd: 'self', badList: false };
  for (const fd of ['self', 'own', 'io', 'xen'] as const) yield { ...options, fd };
  yield { ...options, badList: false };
  const { unreadable, continued, ...rest } = options;
  if (unreadable !== undefined) {
    const others = continued === undefined ? rest : { ...rest, continued };
    yield others;
    for (const earlier of smallerNumbers(unreadable)) yield { ...others, unreadable: earlier };
  }
  if (continued !== undefined) {
    const others = unreadable === undefined ? rest : { ...rest, unreadable };
    yield others;
    for (const fewer of smallerNumbers(continued)) yield { ...others, continued: fewer };
  }
}

/** The program's frames; and for what is none of them zero and the boot tables. */
function* smallerFrames(mfn: number, { frames, machine }: Scene): Generator<number> {
  for (const other of frames) if (other !== mfn) yield other;
  if (machine.frames === 0 || indexOf(mfn) >= 0) return;
  yield 0;
  if (mfn !== BAD_MFN[machine.arch]) yield BAD_MFN[machine.arch];
  yield* BOOT_TABLES[machine.arch];
}

function* smallerAddresses(va: Word64, { machine: { arch }, windows }: Scene): Generator<Word64> {
  const offset = offsetOf(va);
  const window = windowOf(va, arch);
  if (window < 0) yield windowAddress(0, offset, arch);
  for (const other of new Set([0, ...windows])) {
    if (other < window) yield windowAddress(other, offset, arch);
  }
  if (window < 0) return;
  const unit = offset % 8 === 0 ? 8 : 1;
  for (const smaller of smallerNumbers(offset / unit)) yield windowAddress(window, smaller * unit, arch);
}

const FLAGS = [0, P, P | RW, P | US, P | RW | US];

function* simplerEntries({ mfn, flags }: Entry, scene: Scene): Generator<Entry> {
  if (mfn === 0 && flags === 0) return;
  yield ZERO;
  for (const other of smallerFrames(mfn, scene))
    for (const set of new Set([flags, ...FLAGS])) yield { mfn: other, flags: set };
  for (const set of FLAGS) yield { mfn, flags: set };
  for (let rest = flags; rest !== 0; rest &= rest - 1) yield { mfn, flags: flags & ~(rest & -rest) };
  for (let bit = 2 * PWT; bit <= flags; bit *= 2) {
    if ((flags & bit) === 0) continue;
    for (let lower = PWT; lower < bit; lower *= 2) yield { mfn, flags: (flags & ~bit) | lower };
  }
}

function* smallerWords({ low, high }: Word64): Generator<Word64> {
  yield { low: 0, high: 0 };
  yield { low, high: 0 };
  yield { low: 0, high };
  for (let rest = low; rest !== 0; rest &= rest - 1) yield { low: low & ~(rest & -rest), high };
  for (let rest = high; rest !== 0; rest &= rest - 1) yield { low, high: high & ~(rest & -rest) };
}
