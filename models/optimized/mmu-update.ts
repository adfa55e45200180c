/** HYPERVISOR_mmu_update and HYPERVISOR_update_va_mapping (rules 3.1, 3.2, 3.7). */
import { A, D } from '../x86/entry.js';
import { INFO_OWNER, INFO_TYPE, INFO_VALIDATED, TYPE_L1, TYPE_L4, TYPE_SEG_DESC } from '../x86/page-type.js';
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
  const mfn = code[at + W_FRAME]!;
  const low = code[at + W_LOW]!;
  const high = code[at + W_HIGH]!;
  if ((code[at + W_OPCODE]! & 0xff) === OP_MACHPHYS) return machphys(s, mfn, low, high, fd);
  const command = (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK;
  if (command !== CMD_NORMAL && command !== CMD_PRESERVE_AD && command !== CMD_NO_TRANSLATE) return ENOSYS;
  if (fd !== FD_IO && !hasPrivilege(s, fd)) return EPERM;
  if (!s.owned(s.named(mfn))) return s.notFound(mfn);
  const slot = code[at + W_SLOT]!;
  const info = s.info[mfn]!;
  if ((info & INFO_VALIDATED) !== 0 && s.typeCount[mfn] !== 0) {
    const type = info & INFO_TYPE;
    const kept = command === CMD_PRESERVE_AD ? A | D : 0;
    if (type === TYPE_L1) return modL1Entry(s, mfn, slot, low, high, fd, kept);
    if (type <= TYPE_L4)
      return fd === FD_SELF || s.bug('foreigndom-ignored-update')
        ? modTableEntry(s, mfn, slot, low, high, kept)
        : EINVAL;
    if (type === TYPE_SEG_DESC) return EINVAL;
  }
  if (!s.getWritable(mfn)) return EINVAL;
  s.setEntry(mfn, slot, low, high);
  s.putWritable(mfn);
  return OK;
}

/** MMU_MACHPHYS_UPDATE. */
function machphys(s: State, mfn: number, low: number, high: number, fd: number): number {
  if (fd !== FD_IO && !hasPrivilege(s, fd)) return EPERM;
  const io = (s.info[mfn]! & INFO_OWNER) === OWNER_IO << INFO_OWNER_SHIFT;
  if (fd === FD_SELF ? !s.owned(mfn) : fd !== FD_IO || !io) return EINVAL;
  s.touch(mfn);
  s.m2pLow[mfn] = low;
  s.m2pHigh[mfn] = high;
  return OK;
}

/** mm.c: __do_update_va_mapping. The flush comes only after a success. */
export function updateVa(s: State, code: Int32Array, at: number): number {
  const result = updateVaEntry(s, code, at);
  const flush = (code[at + W_OPTIONS]! >> OPT_FLUSH_SHIFT) & 3;
  if (flush === 0 || (result !== OK && !s.bug('inval-bad-address'))) return result;
  if ((code[at + W_OPTIONS]! & OPT_BAD) !== 0) return EFAULT;
  if (result !== OK && flush !== FLUSH_ALL)
    s.bugOn(inXenHole(s, code[at + W_SLOT]!), 0, 'is flushed by an address that is not canonical');
  if (s.translates) flushAfter(s, flush, code[at + W_FRAME]!, code[at + W_SLOT]!);
  return result;
}

function updateVaEntry(s: State, code: Int32Array, at: number): number {
  const fd = code[at + W_OPTIONS]! & OPT_FD;
  if (!findsDomain(fd)) return ESRCH;
  if (!hasPrivilege(s, fd)) return EPERM;
  if (!walkWindow(s, code[at + W_FRAME]!, code[at + W_SLOT]!)) return EINVAL;
  const table = s.walkTable;
  const held = s.owned(table) && s.typeCount[table] !== 0;
  if (!held || (s.info[table]! & (INFO_TYPE | INFO_VALIDATED)) !== (TYPE_L1 | INFO_VALIDATED)) return EINVAL;
  const slot = l1SlotOf(code[at + W_FRAME]!);
  return modL1Entry(s, table, slot, code[at + W_LOW]!, code[at + W_HIGH]!, fd, 0);
}

/** The flush that update_va_mapping asks for, on this vCPU. */
function flushAfter(s: State, flush: number, vaLow: number, vaHigh: number): void {
  const { pages } = s.v.tlb;
  if (flush === FLUSH_ALL) s.v.tlb.flush();
  else pages.remove(pages.find(vaLow & ~0xfff, vaHigh));
}
