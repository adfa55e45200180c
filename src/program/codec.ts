/** Operations to records and back (`record.ts`). */
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

import {
  CONTEND_MASK,
  CONTEND_SHIFT,
  CPU_MASK,
  CPU_SHIFT,
  ENVIRONMENT_MASK,
  OPT_BAD,
  OPT_DONE_SHIFT,
  OPT_FD,
  OPT_FLUSH_SHIFT,
  OPT_PFD_SHIFT,
  OP_ACCESS_LDT,
  OP_CLEAR_PAGE,
  OP_COPY_PAGE,
  OP_DECREASE_RESERVATION,
  OP_DESTROY,
  OP_FILL,
  OP_FILL_ENTRY,
  OP_GDT_FRAME,
  OP_INITIALISE,
  OP_IRET_USER,
  OP_MACHPHYS,
  OP_MMUEXT,
  OP_MMUEXT_LIST,
  OP_MMU_UPDATE,
  OP_MMU_UPDATE_LIST,
  OP_MULTICALL,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_PIN,
  OP_RECEIVE,
  OP_RELEASE,
  OP_RESET_VCPU,
  OP_RESUME,
  OP_SET_GDT,
  OP_SET_LDT,
  OP_STORE,
  OP_STORE_CACHED,
  OP_STORE_FRAME,
  OP_TOUCH,
  OP_UNPIN,
  OP_UPDATE_DESCRIPTOR,
  OP_UPDATE_VA,
  OP_WRITE_CR3,
  PREEMPT_MASK,
  PREEMPT_SHIFT,
  RECORD,
  VARIANT_MASK,
  VARIANT_SHIFT,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_ITEMS,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  itemsAt,
} from './record.js';

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
