/** Operations to records and back (`record.ts`). */
import { entryOf } from '../../models/x86/entry.js';
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
  VARIANT_MASK,
  VARIANT_SHIFT,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  itemsAt,
} from './record.js';
import { RecordWriter } from './writer.js';

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

const scratch = new RecordWriter();

/** What the environment does around the operation, as bits of word 0. */
export function environmentBits({ cpu = 0, preempt, contend }: Environment): number {
  return (
    (cpu << CPU_SHIFT) |
    ((contend === undefined ? 0 : contend + 1) << CONTEND_SHIFT) |
    ((preempt === undefined ? 0 : preempt + 1) << PREEMPT_SHIFT)
  );
}

/** What the environment does around the operation at `at`. */
export function environmentOf(code: Int32Array, at: number): Environment & { readonly cpu: number } {
  const word = code[at + W_OPCODE]!;
  const preempt = (word >> PREEMPT_SHIFT) & PREEMPT_MASK;
  const contend = (word >> CONTEND_SHIFT) & CONTEND_MASK;
  return {
    cpu: (word >> CPU_SHIFT) & CPU_MASK,
    preempt: preempt > 0 ? preempt - 1 : undefined,
    contend: contend > 0 ? contend - 1 : undefined,
  };
}

/** Appends the operation's records to `code`. */
export function encode(operation: Operation, code: number[]): void {
  scratch.length = 0;
  write(operation, scratch);
  for (let i = 0; i < scratch.length; i++) code.push(scratch.code[i]!);
}

/** Writes the operation's records. */
function write(operation: Operation, to: RecordWriter): void {
  const at = to.length;
  writeRequest(operation, to);
  to.environment(at, environmentBits(operation));
}

function writeRequest(request: Request, to: RecordWriter): void {
  switch (request.kind) {
    case 'store':
      return to.store(request.va, PARTS.indexOf(request.part), request.entry);
    case 'store_frame':
      return to.storeFrame(request.mfn, request.slot, PARTS.indexOf(request.part), request.entry);
    case 'fill': {
      const at = to.begin(OP_FILL, request.mfn);
      for (const { slot, entry } of request.entries) to.fillEntry(slot, entry);
      return to.end(at);
    }
    case 'mmu_update':
      return to.mmuUpdate(MMU_COMMANDS[request.command], request.mfn, request.slot, request.entry);
    case 'machphys':
      return to.machphys(request.mfn, request.value);
    case 'update_va': {
      const { va, entry, badBitmap } = request;
      const flush = FLUSHES.indexOf(request.flush);
      return to.updateVa(va, entry, flush, badBitmap, DOMAIN_IDS.indexOf(request.fd));
    }
    case 'pin':
      return to.pin(request.level, request.mfn);
    case 'unpin':
      return to.unpin(request.mfn);
    case 'new_baseptr':
      return to.newBaseptr(request.mfn);
    case 'new_user_baseptr':
      return to.newUserBaseptr(request.mfn);
    case 'clear_page':
      return to.clearPage(request.mfn);
    case 'copy_page':
      return to.copyPage(request.mfn, request.source);
    case 'set_ldt':
      return to.setLdt(request.va, request.entries);
    case 'mmuext':
      return to.mmuext(MMUEXT_COMMANDS[request.command], request.badBitmap);
    case 'set_gdt': {
      const at = to.begin(OP_SET_GDT);
      for (const mfn of request.frames) to.gdtFrame(mfn);
      to.entries(at, request.entries);
      return to.end(at);
    }
    case 'update_descriptor':
      return to.updateDescriptor(request.mfn, request.slot, request.descriptor, request.misaligned);
    case 'access_ldt':
      return to.accessLdt(request.page);
    case 'write_cr3':
      return to.writeCr3(request.mfn);
    case 'release':
      return to.release(request.mfn);
    case 'receive':
      return to.receive(request.mfn, request.count);
    case 'decrease_reservation':
      return to.decreaseReservation(request.mfn);
    case 'mmu_update_list':
      return writeList(OP_MMU_UPDATE_LIST, request, PFDS.indexOf(request.pfd), to);
    case 'mmuext_op_list':
      return writeList(OP_MMUEXT_LIST, request, 0, to);
    case 'multicall': {
      const at = to.begin(OP_MULTICALL);
      for (const item of request.items) write(item, to);
      return to.end(at);
    }
    case 'resume':
      return to.resume();
    case 'touch':
      return to.touch(request.va);
    case 'store_cached':
      return to.storeCached(request.va, request.entry);
    case 'iret_user':
      return to.iretUser();
    case 'initialise':
      return to.initialise(request.vcpu, request.mfn, request.user, request.userMode);
    case 'reset_vcpu':
      return to.resetVcpu(request.vcpu);
    case 'destroy':
      return to.destroy();
  }
}

function writeList(
  opcode: number,
  { options, items }: { readonly options: ListOptions; readonly items: readonly Request[] },
  pfd: number,
  to: RecordWriter,
): void {
  const { fd, badList, unreadable = -1, continued = -1 } = options;
  const at = to.begin(opcode);
  for (const item of items) write(item, to);
  to.listOptions(at, DOMAIN_IDS.indexOf(fd), pfd, badList, unreadable, continued);
  to.end(at);
}

/** The operation whose records begin at `at`, without what is as usual around it. */
export function decode(code: Int32Array, at: number): Operation {
  const request = decodeRequest(code, at);
  if ((code[at + W_OPCODE]! & ENVIRONMENT_MASK) === 0) return request;
  const { cpu, preempt, contend } = environmentOf(code, at);
  return {
    ...request,
    ...(cpu > 0 ? { cpu } : {}),
    ...(preempt === undefined ? {} : { preempt }),
    ...(contend === undefined ? {} : { contend }),
  };
}

/** What is asked for there, by itself: for who reads every operation of a program, at a fraction of the cost. */
export function decodeRequest(code: Int32Array, at: number): Request {
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
