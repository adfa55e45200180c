/** HYPERVISOR_mmuext_op (rules 3.8, 16.4). */
import { INFO_PINNED, TYPE_L1, TYPE_L4, type Level } from '../x86/page-type.js';
import { EACCES, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, INTERRUPTED, OK, RESTART } from '../x86/result.js';
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
import { setLdt } from './descriptors.js';
import type { State } from './state.js';
import { dropRoot, newBase, newUserBase } from './bases.js';
import { defer } from './deferred.js';
import { putTypeAndPage, take } from './types.js';

/** mm.c: do_mmuext_op, one request; `fd` other than oneself owns none of the frames that can be named. */
export function mmuextRequest(s: State, code: Int32Array, at: number, fd: number): number {
  const opcode = code[at + W_OPCODE]! & 0xff;
  const mfn = code[at + W_FRAME]!;
  const self = fd === FD_SELF;
  const own = self || s.bug('foreigndom-ignored-mmuext');
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
      return own ? newBase(s, mfn) : EPERM;
    case OP_NEW_USER_BASEPTR:
      if (s.compat) return EINVAL;
      return own ? newUserBase(s, mfn) : EPERM;
    case OP_SET_LDT:
      return own ? setLdt(s, mfn, code[at + W_SLOT]!, code[at + W_COUNT]!) : EPERM;
    case OP_MMUEXT:
      return withoutFrame(
        s,
        (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK,
        (code[at + W_OPTIONS]! & OPT_BAD) !== 0,
        own,
      );
    default:
      throw new Error(`opcode ${opcode} is not a mmuext operation`);
  }
}

/** Commands that touch no frame. */
function withoutFrame(s: State, command: number, badBitmap: boolean, self: boolean): number {
  switch (command) {
    case MMUEXT_COMMANDS.invlpg_local:
    case MMUEXT_COMMANDS.invlpg_all:
      return self ? OK : EPERM;
    case MMUEXT_COMMANDS.tlb_flush_local:
      if (!self) return EPERM;
      s.v.tlb.flush();
      return OK;
    case MMUEXT_COMMANDS.tlb_flush_all:
      if (!self) return EPERM;
      s.flushAll();
      return OK;
    case MMUEXT_COMMANDS.tlb_flush_multi:
    case MMUEXT_COMMANDS.invlpg_multi:
      if (!self) return EPERM;
      if (badBitmap) return EINVAL;
      if (command === MMUEXT_COMMANDS.tlb_flush_multi) s.flushAll();
      return OK;
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
  const code = take(s, s.named(mfn), level, false, true, false);
  if (code !== OK) return code === INTERRUPTED ? RESTART : code;
  if ((s.info(mfn) & INFO_PINNED) !== 0) {
    if (s.bug('double-pin-keeps-ref')) return EINVAL;
    if (level === TYPE_L1) putTypeAndPage(s, mfn, false);
    else defer(s, mfn, true, 0);
    return EINVAL;
  }
  s.setInfo(mfn, s.info(mfn) | INFO_PINNED);
  return OK;
}

/** MMUEXT_UNPIN_TABLE, whatever the level. What cannot be ended now the deferred place ends. */
function unpin(s: State, mfn: number): number {
  if (!s.owned(s.named(mfn))) return s.notFound(mfn);
  if ((s.info(mfn) & INFO_PINNED) === 0) return EINVAL;
  s.touch(mfn);
  s.setInfo(mfn, s.info(mfn) & ~INFO_PINNED);
  if (s.bug('non-preemptible-unpin')) s.uninterrupted(() => putTypeAndPage(s, mfn, false));
  else dropRoot(s, mfn);
  return OK;
}

function clearPage(s: State, mfn: number): number {
  if (!s.owned(s.named(mfn))) return s.notFound(mfn);
  if (!s.makeWritable(mfn)) return EINVAL;
  s.zeroFrame(mfn);
  return OK;
}

function copyPage(s: State, mfn: number, source: number): number {
  if (!s.owned(s.named(source))) return s.notFound(source);
  if (!s.owned(s.named(mfn))) return s.notFound(mfn);
  if (!s.makeWritable(mfn)) return EINVAL;
  s.copyFrame(mfn, source);
  return OK;
}
