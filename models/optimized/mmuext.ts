/** HYPERVISOR_mmuext_op (rules 3.8), the base pointers (rules 5) and MOV to CR3. */
import { INFO_PINNED, TYPE_L3, TYPE_L4, type Level } from '../x86/page-type.js';
import { EACCES, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, ESRCH, FAULT, OK } from '../x86/result.js';
import {
  FD_SELF,
  OP_CLEAR_PAGE,
  OP_COPY_PAGE,
  OP_MMUEXT,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_PIN,
  OP_SET_LDT,
  OP_UNPIN,
  OPT_BAD,
  OPT_FD,
  W_COUNT,
  W_FRAME,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  VARIANT_MASK,
  VARIANT_SHIFT,
} from '../../src/program/record.js';
import { MMUEXT_COMMANDS } from '../../src/program/operation.js';
import { dropLdt, setLdt } from './descriptors.js';
import { findsDomain, hasPrivilege, runElements } from './mmu-update.js';
import type { State } from './state.js';
import { cleanup, defer, putTypeAndPage, take } from './tables.js';
import { fillRoMpt } from './xen-slots.js';

/** One element; `fd` other than oneself owns none of the frames that can be named. */
export function mmuext(s: State, code: Int32Array, at: number, fd: number): number {
  cleanup(s);
  const result = element(s, code, at, fd);
  cleanup(s);
  return result;
}

function element(s: State, code: Int32Array, at: number, fd: number): number {
  const opcode = code[at + W_OPCODE]! & 0xff;
  const mfn = code[at + W_FRAME]!;
  const self = fd === FD_SELF;
  switch (opcode) {
    case OP_PIN:
      return pin(s, ((code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK) as Level, mfn, self);
    case OP_UNPIN:
      return self ? unpin(s, mfn) : EINVAL;
    case OP_CLEAR_PAGE:
      return self ? clearPage(s, mfn) : EINVAL;
    case OP_COPY_PAGE:
      return self ? copyPage(s, mfn, code[at + W_LOW]!) : EINVAL;
    case OP_NEW_BASEPTR:
      return self ? newBase(s, mfn) : EPERM;
    case OP_NEW_USER_BASEPTR:
      if (s.compat) return EINVAL;
      return self ? newUserBase(s, mfn) : EPERM;
    case OP_SET_LDT:
      return self ? setLdt(s, mfn, code[at + W_SLOT]!, code[at + W_COUNT]!) : EPERM;
    case OP_MMUEXT:
      return withoutFrame(
        s,
        (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK,
        (code[at + W_OPTIONS]! & OPT_BAD) !== 0,
        self,
      );
    default:
      throw new Error(`opcode ${opcode} is not a mmuext operation`);
  }
}

/** Commands that touch no frame. */
function withoutFrame(s: State, command: number, badBitmap: boolean, self: boolean): number {
  switch (command) {
    case MMUEXT_COMMANDS.tlb_flush_local:
    case MMUEXT_COMMANDS.invlpg_local:
    case MMUEXT_COMMANDS.tlb_flush_all:
    case MMUEXT_COMMANDS.invlpg_all:
      return self ? OK : EPERM;
    case MMUEXT_COMMANDS.tlb_flush_multi:
    case MMUEXT_COMMANDS.invlpg_multi:
      if (!self) return EPERM;
      return badBitmap ? EINVAL : OK;
    case MMUEXT_COMMANDS.flush_cache:
      if (!self) return EPERM;
      return s.hardware ? OK : EACCES;
    case MMUEXT_COMMANDS.flush_cache_global:
      if (!self) return EPERM;
      return s.hardware ? OK : EINVAL;
    case MMUEXT_COMMANDS.mark_super:
    case MMUEXT_COMMANDS.unmark_super:
      return EOPNOTSUPP;
    default:
      return ENOSYS;
  }
}

/** MMUEXT_PIN_Ln_TABLE. A pin is one reference of each kind and does not nest. */
function pin(s: State, level: Level, mfn: number, self: boolean): number {
  if (level === TYPE_L4 && s.compat && self) return OK;
  if (!self) return EINVAL;
  const code = take(s, mfn, level, false);
  if (code !== OK) return code;
  if ((s.info[mfn]! & INFO_PINNED) !== 0) {
    putTypeAndPage(s, mfn);
    return EINVAL;
  }
  s.info[mfn]! |= INFO_PINNED;
  return OK;
}

/** MMUEXT_UNPIN_TABLE, whatever the level. */
function unpin(s: State, mfn: number): number {
  if (!s.owned(mfn) || (s.info[mfn]! & INFO_PINNED) === 0) return EINVAL;
  s.touch(mfn);
  s.info[mfn]! &= ~INFO_PINNED;
  putTypeAndPage(s, mfn);
  return OK;
}

function clearPage(s: State, mfn: number): number {
  if (!s.owned(mfn) || !s.getWritable(mfn)) return EINVAL;
  s.zeroFrame(mfn);
  s.putWritable(mfn);
  return OK;
}

function copyPage(s: State, mfn: number, source: number): number {
  if (!s.owned(source) || !s.owned(mfn) || !s.getWritable(mfn)) return EINVAL;
  s.copyFrame(mfn, source);
  s.putWritable(mfn);
  return OK;
}

/** mm.c: new_guest_cr3 (rules 5.1): the new base is taken before the old one is let go. */
function newBase(s: State, mfn: number): number {
  const old = s.kernelBase;
  const code = loadBase(s, mfn);
  if (code === OK && old !== s.kernelBase) putTypeAndPage(s, old);
  return code;
}

function loadBase(s: State, mfn: number): number {
  if (mfn === s.kernelBase) {
    if (s.compat) dropLdt(s);
    return OK;
  }
  const code = take(s, mfn, s.compat ? TYPE_L3 : TYPE_L4, false);
  if (code !== OK) return code;
  dropLdt(s);
  if (!s.compat) fillRoMpt(s, mfn);
  s.setKernelBase(mfn);
  return OK;
}

/** MMUEXT_NEW_USER_BASEPTR (rules 5.2). */
function newUserBase(s: State, mfn: number): number {
  const old = s.userBase;
  if (mfn === old) return OK;
  if (mfn !== 0) {
    const code = take(s, mfn, TYPE_L4, false);
    if (code !== OK) return code;
  }
  s.userBase = mfn;
  if (old !== 0) putTypeAndPage(s, old);
  return OK;
}

/**
 * pv/emul-priv-op.c: write_cr (rules 5.4). What waits for its cleanup afterwards goes on waiting; for a 32-bit
 * guest it was not cleaned up before either, and the replaced base waits too.
 */
export function writeCr3(s: State, mfn: number): number {
  if (!s.owned(mfn)) return FAULT;
  if (!s.compat) cleanup(s);
  const old = s.kernelBase;
  s.leftover = s.deferred;
  const code = loadBase(s, mfn);
  if (code === OK && old !== s.kernelBase) {
    if (s.compat) defer(s, old, true);
    else putTypeAndPage(s, old);
  }
  if (!s.leaks) cleanup(s);
  return code === OK ? OK : FAULT;
}

/** mm.c: do_mmuext_op, the list; for a 32-bit guest compat_mmuext_op stops at the first new_user_baseptr. */
export function mmuextList(s: State, code: Int32Array, at: number): number {
  cleanup(s);
  const options = code[at + W_OPTIONS]!;
  const fd = options & OPT_FD;
  if ((options & OPT_BAD) !== 0) return EFAULT;
  if (!findsDomain(fd)) return ESRCH;
  if (!hasPrivilege(s, fd)) return EPERM;
  return runElements(s, code, at, mmuext);
}
