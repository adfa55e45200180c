/** HYPERVISOR_mmu_update and HYPERVISOR_update_va_mapping (rules 3.1, 3.2, 3.7). */
import { A, D } from '../x86/entry.js';
import { INFO_OWNER, INFO_TYPE, INFO_VALIDATED, TYPE_L1, TYPE_L4, TYPE_WRITABLE } from '../x86/page-type.js';
import { INFO_OWNER_SHIFT, OWNER_IO } from '../x86/page-type.js';
import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH, OK } from '../x86/result.js';
import {
  FD_IO,
  FD_SELF,
  OP_MACHPHYS,
  OPT_BAD,
  OPT_FD,
  OPT_FLUSH_SHIFT,
  W_FRAME,
  W_HIGH,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  VARIANT_MASK,
  VARIANT_SHIFT,
} from '../../src/program/record.js';
import { modL1Entry } from './l1.js';
import { OWNED } from './frame-table.js';
import type { State } from './state.js';
import { modTableEntry } from './table-update.js';
import { findsDomain, hasPrivilege } from './domains.js';
import { inXenHole, l1SlotOf, walkWindow } from './walk.js';

const CMD_NORMAL = 0;
const CMD_PRESERVE_AD = 2;
const CMD_NO_TRANSLATE = 3;
const FLUSH_ALL = 1;

/** mm.c: do_mmu_update, one request (rules 3.2). */
export function mmuUpdateRequest(s: State, code: Int32Array, at: number, fd: number): number {
  const word = code[at + W_OPCODE]!;
  return (word & 0xff) === OP_MACHPHYS ? machphys(s, code, at, fd) : updateEntry(s, code, at, word, fd);
}

/** The request whose first word this is, to update an entry of a table or of any other page. */
export function updateEntry(s: State, code: Int32Array, at: number, word: number, fd: number): number {
  const command = (word >> VARIANT_SHIFT) & VARIANT_MASK;
  if (command !== CMD_NORMAL && command !== CMD_PRESERVE_AD && command !== CMD_NO_TRANSLATE) return ENOSYS;
  if (fd !== FD_IO && !hasPrivilege(s, fd)) return EPERM;
  const mfn = s.named(code[at + W_FRAME]!);
  if (!s.owned(mfn)) return s.notFound(mfn);
  const info = s.info(mfn);
  if ((info & INFO_TYPE) !== TYPE_WRITABLE && s.typeCount(mfn) !== 0)
    return updateTyped(s, code, at, info, command === CMD_PRESERVE_AD ? A | D : 0, fd);
  s.makeWritable(mfn);
  s.setEntry(mfn, code[at + W_SLOT]!, code[at + W_LOW]!, code[at + W_HIGH]!);
  return OK;
}

/** An entry of a frame that is in use as what its type says. */
function updateTyped(s: State, code: Int32Array, at: number, info: number, kept: number, fd: number): number {
  const type = info & INFO_TYPE;
  if ((info & INFO_VALIDATED) === 0 || type > TYPE_L4) return EINVAL;
  const mfn = code[at + W_FRAME]!;
  const slot = code[at + W_SLOT]!;
  const low = code[at + W_LOW]!;
  const high = code[at + W_HIGH]!;
  if (type === TYPE_L1) return modL1Entry(s, mfn, slot, low, high, fd, kept);
  if (fd !== FD_SELF && !s.bug('foreigndom-ignored-update')) return EINVAL;
  return modTableEntry(s, mfn, slot, low, high, kept);
}

/** MMU_MACHPHYS_UPDATE. */
function machphys(s: State, code: Int32Array, at: number, fd: number): number {
  if (fd !== FD_IO && !hasPrivilege(s, fd)) return EPERM;
  const mfn = code[at + W_FRAME]!;
  if (!s.exists(mfn)) return EINVAL;
  const io = (s.info(mfn) & INFO_OWNER) === OWNER_IO << INFO_OWNER_SHIFT;
  if (fd === FD_SELF ? !s.owned(mfn) : fd !== FD_IO || !io) return EINVAL;
  s.touch(mfn);
  s.setM2p(mfn, code[at + W_LOW]!, code[at + W_HIGH]!);
  return OK;
}

/** mm.c: __do_update_va_mapping. The flush comes only after a success. */
export function updateVa(s: State, code: Int32Array, at: number): number {
  const options = code[at + W_OPTIONS]!;
  const result = updateVaEntry(s, code, at, options & OPT_FD);
  if (result === OK ? !s.translates && (options & OPT_BAD) === 0 : !s.bug('inval-bad-address')) return result;
  const flush = (options >> OPT_FLUSH_SHIFT) & 3;
  if (flush === 0) return result;
  if ((options & OPT_BAD) !== 0) return EFAULT;
  if (result !== OK && flush !== FLUSH_ALL)
    s.bugOn(inXenHole(s, code[at + W_SLOT]!), 0, 'is flushed by an address that is not canonical');
  if (s.translates) flushAfter(s, flush, code[at + W_FRAME]!, code[at + W_SLOT]!);
  return result;
}

function updateVaEntry(s: State, code: Int32Array, at: number, fd: number): number {
  if (!findsDomain(fd)) return ESRCH;
  if (!hasPrivilege(s, fd)) return EPERM;
  const va = code[at + W_FRAME]!;
  if (!walkWindow(s, va, code[at + W_SLOT]!)) return EINVAL;
  const table = s.walkTable;
  const info = s.info(table);
  const isL1 = (info & (INFO_OWNER | INFO_TYPE | INFO_VALIDATED)) === (OWNED | TYPE_L1 | INFO_VALIDATED);
  if (!isL1 || s.typeCount(table) === 0) return EINVAL;
  return modL1Entry(s, table, l1SlotOf(va), code[at + W_LOW]!, code[at + W_HIGH]!, fd, 0);
}

/** The flush that update_va_mapping asks for, on this vCPU. */
function flushAfter(s: State, flush: number, vaLow: number, vaHigh: number): void {
  s.changes.vcpus = true;
  const { pages } = s.v.tlb;
  if (flush === FLUSH_ALL) s.v.tlb.flush();
  else pages.remove(pages.find(vaLow & ~0xfff, vaHigh));
}
