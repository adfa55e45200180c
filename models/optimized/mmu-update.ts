/** HYPERVISOR_mmu_update and HYPERVISOR_update_va_mapping (rules 3.1, 3.2, 3.7). */
import { A, D } from '../x86/entry.js';
import { INFO_OWNER, INFO_TYPE, INFO_VALIDATED, TYPE_L1, TYPE_L4, TYPE_SEG_DESC } from '../x86/page-type.js';
import { INFO_OWNER_SHIFT, OWNER_IO } from '../x86/page-type.js';
import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH, OK, withDone } from '../x86/result.js';
import {
  FD_IO,
  FD_NONE,
  FD_OWN,
  FD_SELF,
  OP_MACHPHYS,
  OPT_BAD,
  OPT_DONE_SHIFT,
  OPT_FD,
  OPT_FLUSH_SHIFT,
  OPT_PFD_SHIFT,
  RECORD,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_ITEMS,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  VARIANT_MASK,
  VARIANT_SHIFT,
} from '../../src/program/record.js';
import { modL1Entry } from './l1.js';
import type { State } from './state.js';
import { cleanup, modTableEntry } from './tables.js';
import { l1SlotOf, walk } from './walk.js';

const CMD_NORMAL = 0;
const CMD_PRESERVE_AD = 2;
const CMD_NO_TRANSLATE = 3;
const PFD_NONE = 2;

/** The domain exists and is not named by its own number (common/page_alloc.c: get_pg_owner). */
export function findsDomain(fd: number): boolean {
  return fd !== FD_OWN && fd !== FD_NONE;
}

/** The caller may act on the domain: itself, or any if it is the control domain (include/xsm/dummy.h). */
export function hasPrivilege(s: State, fd: number): boolean {
  return fd === FD_SELF || s.hardware;
}

/** mm.c: do_mmu_update, one element. */
export function mmuUpdate(s: State, code: Int32Array, at: number, fd: number): number {
  cleanup(s);
  const result = element(s, code, at, fd);
  cleanup(s);
  return result;
}

function element(s: State, code: Int32Array, at: number, fd: number): number {
  const mfn = code[at + W_FRAME]!;
  const low = code[at + W_LOW]!;
  const high = code[at + W_HIGH]!;
  if ((code[at + W_OPCODE]! & 0xff) === OP_MACHPHYS) return machphys(s, mfn, low, high, fd);
  const command = (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK;
  if (command !== CMD_NORMAL && command !== CMD_PRESERVE_AD && command !== CMD_NO_TRANSLATE) return ENOSYS;
  if (fd !== FD_IO && !hasPrivilege(s, fd)) return EPERM;
  if (!s.owned(mfn)) return EINVAL;
  const slot = code[at + W_SLOT]!;
  const info = s.info[mfn]!;
  if ((info & INFO_VALIDATED) !== 0 && s.typeCount[mfn] !== 0) {
    const type = info & INFO_TYPE;
    const kept = command === CMD_PRESERVE_AD ? A | D : 0;
    if (type === TYPE_L1) return modL1Entry(s, mfn, slot, low, high, fd, kept);
    if (type <= TYPE_L4) return fd === FD_SELF ? modTableEntry(s, mfn, slot, low, high, kept) : EINVAL;
    if (type === TYPE_SEG_DESC) return EINVAL;
  }
  if (!s.getWritable(mfn)) return EINVAL;
  s.setEntry(mfn, slot, low, high);
  s.putWritable(mfn);
  return OK;
}

/** MMU_MACHPHYS_UPDATE. */
function machphys(s: State, mfn: number, low: number, high: number, fd: number): number {
  if (!hasPrivilege(s, fd)) return EPERM;
  const io = (s.info[mfn]! & INFO_OWNER) === OWNER_IO << INFO_OWNER_SHIFT;
  if (fd === FD_SELF ? !s.owned(mfn) : fd !== FD_IO || !io) return EINVAL;
  s.touch(mfn);
  s.m2pLow[mfn] = low;
  s.m2pHigh[mfn] = high;
  return OK;
}

/** mm.c: do_mmu_update, the list. */
export function mmuUpdateList(s: State, code: Int32Array, at: number): number {
  cleanup(s);
  const options = code[at + W_OPTIONS]!;
  if ((options & OPT_BAD) !== 0) return EFAULT;
  if (((options >> OPT_PFD_SHIFT) & 3) === PFD_NONE) return ESRCH;
  const fd = options & OPT_FD;
  if (!findsDomain(fd)) return withDone(ESRCH, firstDone(options));
  return runElements(s, code, at, mmuUpdate);
}

/** The elements of a list up to the first that fails, and how many were done. */
export function runElements(s: State, code: Int32Array, at: number, element: typeof mmuUpdate): number {
  const fd = code[at + W_OPTIONS]! & OPT_FD;
  const done = firstDone(code[at + W_OPTIONS]!);
  const count = code[at + W_ITEMS]!;
  const unreadable = code[at + W_COUNT]! - 1;
  for (let i = 0; i < count; i++) {
    const result = i === unreadable ? EFAULT : element(s, code, at + (i + 1) * RECORD, fd);
    if (result !== OK) return withDone(result, done + i);
  }
  return withDone(OK, done + count);
}

/** What `done` counts from: the guest's own value where bit 31 of the count says so. */
function firstDone(options: number): number {
  return options >> OPT_DONE_SHIFT === 0 ? 0 : (options >> OPT_DONE_SHIFT) - 1;
}

/** mm.c: __do_update_va_mapping. */
export function updateVa(s: State, code: Int32Array, at: number): number {
  const options = code[at + W_OPTIONS]!;
  const fd = options & OPT_FD;
  if (!findsDomain(fd)) return ESRCH;
  if (!hasPrivilege(s, fd)) return EPERM;
  if (!walk(s, code[at + W_FRAME]!, code[at + W_SLOT]!)) return EINVAL;
  const table = s.walkTable;
  const held = s.owned(table) && s.typeCount[table] !== 0;
  if (!held || (s.info[table]! & (INFO_TYPE | INFO_VALIDATED)) !== (TYPE_L1 | INFO_VALIDATED)) return EINVAL;
  const result = modL1Entry(
    s,
    table,
    l1SlotOf(code[at + W_FRAME]!),
    code[at + W_LOW]!,
    code[at + W_HIGH]!,
    fd,
    0,
  );
  const flushes = ((options >> OPT_FLUSH_SHIFT) & 3) !== 0;
  return result === OK && flushes && (options & OPT_BAD) !== 0 ? EFAULT : result;
}
