/** The flat form of operations: constants of the record layout drawn in `operation.ts`, and both ways between the forms. */
import { highWord, lowWord, entryOf, type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import {
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
} from './operation.js';

/** Words of a record. */
export const RECORD = 8;
/** Its binary logarithm: a shift where a division would be slow. */
export const RECORD_SHIFT = 3;

export const W_OPCODE = 0;
/** Frame number, low half of a virtual address, or page of the LDT. */
export const W_FRAME = 1;
/** Slot, or high half of a virtual address. */
export const W_SLOT = 2;
/** Low word of an entry, descriptor or M2P value; source frame of copy_page. */
export const W_LOW = 3;
export const W_HIGH = 4;
/** Descriptor entries or number of frames; for a list, the first unreadable element plus one. */
export const W_COUNT = 5;
export const W_ITEMS = 6;
/** Options, below; for a list, bits 8.. hold the value that `done` starts from, plus one. */
export const W_OPTIONS = 7;

export const OP_STORE = 1;
export const OP_STORE_FRAME = 2;
export const OP_FILL = 3;
export const OP_MMU_UPDATE = 4;
export const OP_MACHPHYS = 5;
export const OP_UPDATE_VA = 6;
export const OP_PIN = 7;
export const OP_UNPIN = 8;
export const OP_NEW_BASEPTR = 9;
export const OP_NEW_USER_BASEPTR = 10;
export const OP_CLEAR_PAGE = 11;
export const OP_COPY_PAGE = 12;
export const OP_SET_LDT = 13;
export const OP_MMUEXT = 14;
export const OP_SET_GDT = 15;
export const OP_UPDATE_DESCRIPTOR = 16;
export const OP_ACCESS_LDT = 17;
export const OP_WRITE_CR3 = 18;
export const OP_RELEASE = 19;
export const OP_RECEIVE = 20;
export const OP_DECREASE_RESERVATION = 21;
export const OP_MMU_UPDATE_LIST = 22;
export const OP_MMUEXT_LIST = 23;
export const OP_MULTICALL = 24;
/** Items of a fill and of set_gdt. */
export const OP_FILL_ENTRY = 25;
export const OP_GDT_FRAME = 26;
export const OP_RESUME = 27;
export const OP_TOUCH = 28;
export const OP_STORE_CACHED = 29;
export const OP_IRET_USER = 30;
export const OP_INITIALISE = 31;
export const OP_RESET_VCPU = 32;
export const OP_DESTROY = 33;

/** Words of the operations in the text, by opcode. */
export const OPCODE_NAMES: readonly string[] = [
  '',
  'store',
  'store frame',
  'fill',
  'mmu_update',
  'mmu_update.machphys',
  'update_va',
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'clear_page',
  'copy_page',
  'set_ldt',
  'mmuext',
  'set_gdt',
  'update_descriptor',
  'access_ldt',
  'write_cr3',
  'release',
  'receive',
  'decrease_reservation',
  'mmu_update_list',
  'mmuext_op_list',
  'multicall',
  '',
  '',
  'resume',
  'touch',
  'store.cached',
  'iret_user',
  'initialise',
  'reset_vcpu',
  'destroy',
];

/** Bits of word 0 besides the opcode: its variant, and what the environment does (drawn in `operation.ts`). */
export const VARIANT_SHIFT = 8;
export const VARIANT_MASK = 0xff;
export const CPU_SHIFT = 16;
export const CPU_MASK = 3;
/** 0 for none, else the number of the contended reference plus one. */
export const CONTEND_SHIFT = 18;
export const CONTEND_MASK = 0x3f;
/** 0 for none, else the units of work before the event plus one. */
export const PREEMPT_SHIFT = 24;
export const PREEMPT_MASK = 0x7f;
/** All of what the environment does. */
export const ENVIRONMENT_MASK = 0x7fff0000;
export const CONTEND_MAX = CONTEND_MASK - 1;
export const PREEMPT_MAX = PREEMPT_MASK - 1;

/** Options, bits 0..2: the domain the hypercall names (FD). */
export const OPT_FD = 7;
/** Options, bits 3..4: the domain that owns the tables (PFD). */
export const OPT_PFD_SHIFT = 3;
/** Options, bit 5: a list, bitmap or address that cannot be used. */
export const OPT_BAD = 1 << 5;
/** Options, bits 6..7: flush of update_va. */
export const OPT_FLUSH_SHIFT = 6;
export const OPT_DONE_SHIFT = 8;

export const FD_SELF = 0;
export const FD_OWN = 1;
export const FD_IO = 2;
export const FD_XEN = 3;
export const FD_NONE = 4;

const DOMAIN_IDS: readonly DomainId[] = ['self', 'own', 'io', 'xen', 'none'];
const PFDS = ['self', 'own', 'none'] as const;
const FLUSHES: readonly Flush[] = ['none', 'flush', 'invlpg'];
const PARTS: readonly StorePart[] = ['entry', 'low', 'high'];
const COMMAND_NAMES = new Map(
  Object.entries(MMU_COMMANDS).map(([name, number]) => [number as number, name as MmuCommand]),
);
const MMUEXT_NAMES = new Map(
  Object.entries(MMUEXT_COMMANDS).map(([name, number]) => [number as number, name as MmuextCommand]),
);

/** Records of the operation that begins at `at`, itself included. */
export function span(code: Int32Array, at: number): number {
  return 1 + (code[at + W_ITEMS] as number);
}

/** What the environment does around the operation, as bits of word 0. */
function environmentBits({ cpu = 0, preempt, contend }: Environment): number {
  return (
    (cpu << CPU_SHIFT) |
    ((contend === undefined ? 0 : contend + 1) << CONTEND_SHIFT) |
    ((preempt === undefined ? 0 : preempt + 1) << PREEMPT_SHIFT)
  );
}

/** The environment of the operation at `at`, without what is as usual. */
export function environmentOf(code: Int32Array, at: number): Environment {
  const word = code[at + W_OPCODE]!;
  const cpu = (word >> CPU_SHIFT) & CPU_MASK;
  const preempt = (word >> PREEMPT_SHIFT) & PREEMPT_MASK;
  const contend = (word >> CONTEND_SHIFT) & CONTEND_MASK;
  return {
    ...(cpu > 0 ? { cpu } : {}),
    ...(preempt > 0 ? { preempt: preempt - 1 } : {}),
    ...(contend > 0 ? { contend: contend - 1 } : {}),
  };
}

/** Appends the operation's records to `code`. */
export function encode(operation: Operation, code: number[]): void {
  const at = code.length;
  code.push(0, 0, 0, 0, 0, 0, 0, 0);
  const put = (opcode: number, frame = 0, slot = 0, value?: Word64) => {
    code[at + W_OPCODE] = opcode | environmentBits(operation);
    code[at + W_FRAME] = frame | 0;
    code[at + W_SLOT] = slot;
    if (value) {
      code[at + W_LOW] = value.low;
      code[at + W_HIGH] = value.high;
    }
  };
  switch (operation.kind) {
    case 'store':
      put(
        OP_STORE | (PARTS.indexOf(operation.part) << 8),
        operation.va.low,
        operation.va.high,
        words(operation.entry),
      );
      break;
    case 'store_frame':
      put(
        OP_STORE_FRAME | (PARTS.indexOf(operation.part) << 8),
        operation.mfn,
        operation.slot,
        words(operation.entry),
      );
      break;
    case 'fill':
      put(OP_FILL, operation.mfn);
      for (const { slot, entry } of operation.entries) {
        const { low, high } = words(entry);
        code.push(OP_FILL_ENTRY, 0, slot, low, high, 0, 0, 0);
      }
      break;
    case 'mmu_update':
      put(
        OP_MMU_UPDATE | (MMU_COMMANDS[operation.command] << 8),
        operation.mfn,
        operation.slot,
        words(operation.entry),
      );
      break;
    case 'machphys':
      put(OP_MACHPHYS, operation.mfn, 0, operation.value);
      break;
    case 'update_va':
      put(OP_UPDATE_VA, operation.va.low, operation.va.high, words(operation.entry));
      code[at + W_OPTIONS] =
        DOMAIN_IDS.indexOf(operation.fd) |
        (FLUSHES.indexOf(operation.flush) << OPT_FLUSH_SHIFT) |
        (operation.badBitmap ? OPT_BAD : 0);
      break;
    case 'pin':
      put(OP_PIN | (operation.level << 8), operation.mfn);
      break;
    case 'unpin':
      put(OP_UNPIN, operation.mfn);
      break;
    case 'new_baseptr':
      put(OP_NEW_BASEPTR, operation.mfn);
      break;
    case 'new_user_baseptr':
      put(OP_NEW_USER_BASEPTR, operation.mfn);
      break;
    case 'clear_page':
      put(OP_CLEAR_PAGE, operation.mfn);
      break;
    case 'copy_page':
      put(OP_COPY_PAGE, operation.mfn);
      code[at + W_LOW] = operation.source | 0;
      break;
    case 'set_ldt':
      put(OP_SET_LDT, operation.va.low, operation.va.high);
      code[at + W_COUNT] = operation.entries;
      break;
    case 'mmuext':
      put(OP_MMUEXT | (MMUEXT_COMMANDS[operation.command] << 8));
      code[at + W_OPTIONS] = operation.badBitmap ? OPT_BAD : 0;
      break;
    case 'set_gdt':
      put(OP_SET_GDT);
      code[at + W_COUNT] = operation.entries;
      for (const mfn of operation.frames) code.push(OP_GDT_FRAME, mfn | 0, 0, 0, 0, 0, 0, 0);
      break;
    case 'update_descriptor':
      put(OP_UPDATE_DESCRIPTOR, operation.mfn, operation.slot, operation.descriptor);
      code[at + W_OPTIONS] = operation.misaligned ? OPT_BAD : 0;
      break;
    case 'access_ldt':
      put(OP_ACCESS_LDT, operation.page);
      break;
    case 'write_cr3':
      put(OP_WRITE_CR3, operation.mfn);
      break;
    case 'release':
      put(OP_RELEASE, operation.mfn);
      break;
    case 'receive':
      put(OP_RECEIVE, operation.mfn);
      code[at + W_COUNT] = operation.count;
      break;
    case 'decrease_reservation':
      put(OP_DECREASE_RESERVATION, operation.mfn);
      break;
    case 'mmu_update_list':
      put(OP_MMU_UPDATE_LIST);
      putList(code, at, operation.options, PFDS.indexOf(operation.pfd));
      for (const item of operation.items) encode(item, code);
      break;
    case 'mmuext_op_list':
      put(OP_MMUEXT_LIST);
      putList(code, at, operation.options, 0);
      for (const item of operation.items) encode(item, code);
      break;
    case 'multicall':
      put(OP_MULTICALL);
      for (const item of operation.items) encode(item, code);
      break;
    case 'resume':
      put(OP_RESUME);
      break;
    case 'touch':
      put(OP_TOUCH, operation.va.low, operation.va.high);
      break;
    case 'store_cached':
      put(OP_STORE_CACHED, operation.va.low, operation.va.high, words(operation.entry));
      break;
    case 'iret_user':
      put(OP_IRET_USER);
      break;
    case 'initialise':
      put(OP_INITIALISE, operation.mfn);
      code[at + W_LOW] = operation.user | 0;
      code[at + W_COUNT] = operation.vcpu;
      code[at + W_OPTIONS] = operation.userMode ? OPT_BAD : 0;
      break;
    case 'reset_vcpu':
      put(OP_RESET_VCPU);
      code[at + W_COUNT] = operation.vcpu;
      break;
    case 'destroy':
      put(OP_DESTROY);
      break;
  }
  code[at + W_ITEMS] = (code.length - at) / RECORD - 1;
}

function words(entry: Entry): Word64 {
  return { low: lowWord(entry.mfn, entry.flags), high: highWord(entry.mfn, entry.flags) };
}

function putList(code: number[], at: number, options: ListOptions, pfd: number): void {
  code[at + W_COUNT] = options.unreadable === undefined ? 0 : options.unreadable + 1;
  code[at + W_OPTIONS] =
    DOMAIN_IDS.indexOf(options.fd) |
    (pfd << OPT_PFD_SHIFT) |
    (options.badList ? OPT_BAD : 0) |
    ((options.continued === undefined ? 0 : options.continued + 1) << OPT_DONE_SHIFT);
}

/** The operation whose records begin at `at`. */
export function decode(code: Int32Array, at: number): Operation {
  const request = decodeRequest(code, at);
  return (code[at + W_OPCODE]! & ENVIRONMENT_MASK) === 0
    ? request
    : { ...request, ...environmentOf(code, at) };
}

function decodeRequest(code: Int32Array, at: number): Request {
  const opcode = code[at + W_OPCODE]! & 0xff;
  const variant = (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK;
  const mfn = code[at + W_FRAME]! >>> 0;
  const slot = code[at + W_SLOT]!;
  const options = code[at + W_OPTIONS]!;
  const address: Word64 = { low: code[at + W_FRAME]!, high: code[at + W_SLOT]! };
  const value: Word64 = { low: code[at + W_LOW]!, high: code[at + W_HIGH]! };
  const entry = () => entryOf(value.low, value.high);
  const bad = (options & OPT_BAD) !== 0;
  const entries = code[at + W_COUNT]!;
  switch (opcode) {
    case OP_STORE:
      return { kind: 'store', va: address, part: PARTS[variant]!, entry: entry() };
    case OP_STORE_FRAME:
      return { kind: 'store_frame', mfn, slot, part: PARTS[variant]!, entry: entry() };
    case OP_FILL:
      return {
        kind: 'fill',
        mfn,
        entries: itemsAt(code, at).map((i) => ({
          slot: code[i + W_SLOT]!,
          entry: entryOf(code[i + W_LOW]!, code[i + W_HIGH]!),
        })),
      };
    case OP_MMU_UPDATE:
      return { kind: 'mmu_update', command: COMMAND_NAMES.get(variant)!, mfn, slot, entry: entry() };
    case OP_MACHPHYS:
      return { kind: 'machphys', mfn, value };
    case OP_UPDATE_VA:
      return {
        kind: 'update_va',
        va: address,
        entry: entry(),
        flush: FLUSHES[(options >> OPT_FLUSH_SHIFT) & 3]!,
        badBitmap: bad,
        fd: DOMAIN_IDS[options & OPT_FD]!,
      };
    case OP_PIN:
      return { kind: 'pin', level: variant as Level, mfn };
    case OP_UNPIN:
      return { kind: 'unpin', mfn };
    case OP_NEW_BASEPTR:
      return { kind: 'new_baseptr', mfn };
    case OP_NEW_USER_BASEPTR:
      return { kind: 'new_user_baseptr', mfn };
    case OP_CLEAR_PAGE:
      return { kind: 'clear_page', mfn };
    case OP_COPY_PAGE:
      return { kind: 'copy_page', mfn, source: value.low >>> 0 };
    case OP_SET_LDT:
      return { kind: 'set_ldt', va: address, entries };
    case OP_MMUEXT:
      return { kind: 'mmuext', command: MMUEXT_NAMES.get(variant)!, badBitmap: bad };
    case OP_SET_GDT:
      return { kind: 'set_gdt', frames: itemsAt(code, at).map((i) => code[i + W_FRAME]! >>> 0), entries };
    case OP_UPDATE_DESCRIPTOR:
      return { kind: 'update_descriptor', mfn, slot, descriptor: value, misaligned: bad };
    case OP_ACCESS_LDT:
      return { kind: 'access_ldt', page: mfn };
    case OP_WRITE_CR3:
      return { kind: 'write_cr3', mfn };
    case OP_RELEASE:
      return { kind: 'release', mfn };
    case OP_RECEIVE:
      return { kind: 'receive', mfn, count: entries };
    case OP_DECREASE_RESERVATION:
      return { kind: 'decrease_reservation', mfn };
    case OP_MMU_UPDATE_LIST:
      return {
        kind: 'mmu_update_list',
        options: listOptions(code, at),
        pfd: PFDS[(options >> OPT_PFD_SHIFT) & 3]!,
        items: itemsAt(code, at).map((i) => decode(code, i) as MmuUpdate),
      };
    case OP_MMUEXT_LIST:
      return {
        kind: 'mmuext_op_list',
        options: listOptions(code, at),
        items: itemsAt(code, at).map((i) => decode(code, i) as Mmuext),
      };
    case OP_MULTICALL:
      return { kind: 'multicall', items: itemsAt(code, at).map((i) => decode(code, i) as Hypercall) };
    case OP_RESUME:
      return { kind: 'resume' };
    case OP_TOUCH:
      return { kind: 'touch', va: address };
    case OP_STORE_CACHED:
      return { kind: 'store_cached', va: address, entry: entry() };
    case OP_IRET_USER:
      return { kind: 'iret_user' };
    case OP_INITIALISE:
      return { kind: 'initialise', vcpu: entries, mfn, user: value.low >>> 0, userMode: bad };
    case OP_RESET_VCPU:
      return { kind: 'reset_vcpu', vcpu: entries };
    case OP_DESTROY:
      return { kind: 'destroy' };
    default:
      throw new Error(`no operation has opcode ${opcode}`);
  }
}

/** Where each operation of a program begins. */
export function operationStarts(code: Int32Array): number[] {
  const starts: number[] = [];
  for (let at = 0; at < code.length; at += span(code, at) * RECORD) starts.push(at);
  return starts;
}

/** Where the items of the operation at `at` begin. */
export function itemsAt(code: Int32Array, at: number): number[] {
  const starts: number[] = [];
  const end = at + span(code, at) * RECORD;
  for (let i = at + RECORD; i < end; i += span(code, i) * RECORD) starts.push(i);
  return starts;
}

function listOptions(code: Int32Array, at: number): ListOptions {
  const options = code[at + W_OPTIONS]!;
  const unreadable = code[at + W_COUNT]!;
  const continued = options >> OPT_DONE_SHIFT;
  return {
    fd: DOMAIN_IDS[options & OPT_FD]!,
    badList: (options & OPT_BAD) !== 0,
    ...(unreadable > 0 ? { unreadable: unreadable - 1 } : {}),
    ...(continued > 0 ? { continued: continued - 1 } : {}),
  };
}
