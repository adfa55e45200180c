/**
 * mmu_update and mmuext_op as calls: a list of requests, or one by itself, that events interrupt and that go on
 * where they were (mm.c: do_mmu_update, do_mmuext_op; rules 16.4).
 */
import { EFAULT, EINVAL, EPERM, ESRCH, NONE, OK, PREEMPTED, RESTART, withDone } from '../x86/result.js';
import {
  FD_SELF,
  OP_INITIALISE,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_WRITE_CR3,
  OP_MACHPHYS,
  OP_MMU_UPDATE,
  OP_NEW_USER_BASEPTR,
  OPT_BAD,
  OPT_DONE_SHIFT,
  OPT_FD,
  OPT_PFD_SHIFT,
  PFD_NONE,
  RECORD,
  W_COUNT,
  W_ITEMS,
  W_OPCODE,
  W_OPTIONS,
} from '../../src/program/record.js';
import { interrupted, NOT_YET } from './continuation.js';
import { cleanup } from './cleanup.js';
import { findsDomain, hasPrivilege } from './domains.js';
import { writeCr3 } from './bases.js';
import { mmuextRequest } from './mmuext.js';
import { mmuUpdateRequest, updateEntry } from './mmu-update.js';
import type { State } from './state.js';
import { initialise } from './vcpu-ops.js';

/** One request by itself, whose first word is `word`. */
export function single(s: State, code: Int32Array, at: number, word: number): number {
  const opcode = word & 0xff;
  if (opcode === OP_MMU_UPDATE) return singleUpdate(s, code, at, word);
  if (cleanup(s) !== OK) return interrupted(s, code, at, 0, 0, NOT_YET);
  const isUpdate = opcode === OP_MACHPHYS;
  const result = isUpdate ? mmuUpdateRequest(s, code, at, FD_SELF) : mmuextRequest(s, code, at, FD_SELF);
  return ended(s, code, at, result);
}

/** The same of the request that is made most. */
export function singleUpdate(s: State, code: Int32Array, at: number, word: number): number {
  if (cleanup(s) !== OK) return interrupted(s, code, at, 0, 0, NOT_YET);
  return ended(s, code, at, updateEntry(s, code, at, word, FD_SELF));
}

/** Ends the call of a single request with this result. */
function ended(s: State, code: Int32Array, at: number, result: number): number {
  if (s.v.deferred === 0 && !s.updatedUpper && result !== RESTART) return result;
  if (result === OK) s.work--;
  return settle(s, code, at, 0, 0, result) ? result : PREEMPTED;
}

/** The list at `at`, of which the requests before `first` have been done; `begun` if any attempt has got to them. */
export function list(
  s: State,
  code: Int32Array,
  at: number,
  first: number,
  done: number,
  begun: boolean,
): number {
  const updates = (code[at + W_OPCODE]! & 0xff) === OP_MMU_UPDATE_LIST;
  // x86_64/compat/mm.c: a 32-bit guest's list is translated in pieces, and of an empty one there is none.
  if (!updates && s.compat && code[at + W_ITEMS] === 0) return OK;
  s.v.callBegun = begun;
  if (cleanup(s) !== OK) {
    interrupted(s, code, at, first, done, NOT_YET);
    return begun ? withDone(PREEMPTED, done) : PREEMPTED;
  }
  s.v.callBegun = true;
  const options = code[at + W_OPTIONS]!;
  const fd = options & OPT_FD;
  if ((options & OPT_BAD) !== 0 && !s.compat) return EFAULT; // a 32-bit guest has no such address
  if (updates) {
    if (((options >> OPT_PFD_SHIFT) & 3) === PFD_NONE) return ESRCH;
    if (!findsDomain(fd)) return withDone(ESRCH, done);
  } else {
    if (!findsDomain(fd)) return ESRCH;
    if (!hasPrivilege(s, fd)) return EPERM;
  }
  return requests(s, code, at, first, done);
}

/** What `done` counts from: the guest's own value where bit 31 of the count says so. */
export function firstDone(code: Int32Array, at: number): number {
  const options = code[at + W_OPTIONS]!;
  return options >> OPT_DONE_SHIFT === 0 ? 0 : (options >> OPT_DONE_SHIFT) - 1;
}

/** The list's requests from `first` on, up to one that fails. What a request has deferred is cleaned up before the next. */
function requests(s: State, code: Int32Array, at: number, first: number, done: number): number {
  const updates = (code[at + W_OPCODE]! & 0xff) === OP_MMU_UPDATE_LIST;
  const count = code[at + W_ITEMS]!;
  const options = code[at + W_OPTIONS]!;
  const fd = options & OPT_FD;
  const unreadable = (options & OPT_BAD) !== 0 ? 0 : code[at + W_COUNT]! - 1;
  const end = s.compat && !updates ? pieceEnd(code, at, first, unreadable) : count;
  let result = OK;
  let begun = first; // where the call was last begun: there no event is looked for
  let i = first;
  for (; i < end; i++) {
    if (i > begun) {
      if (s.v.deferred !== 0) {
        if (s.preempted || cleanup(s) !== OK) result = RESTART;
        begun = i;
      } else if (s.preempted) result = RESTART;
      if (result !== OK) break;
    }
    const request = at + (i + 1) * RECORD;
    if (i === unreadable) result = EFAULT;
    else result = updates ? mmuUpdateRequest(s, code, request, fd) : mmuextRequest(s, code, request, fd);
    if (result !== OK) break;
    s.work--;
  }
  const reached = done + i - first;
  // A call that has only to clean up goes on with the answer of its piece: the refusal is forgotten.
  const forgotten = s.leaks && s.v.deferred !== 0;
  const refused = result === OK && end < count && !forgotten;
  const answer = refused ? (end === unreadable ? EFAULT : EINVAL) : result;
  return withDone(settle(s, code, at, i, reached, answer) ? answer : PREEMPTED, reached);
}

/** compat_mmuext_op hands on what stands before a request that it cannot read, or refuses, as a list of its own (rules 3.8). */
function pieceEnd(code: Int32Array, at: number, first: number, unreadable: number): number {
  const count = code[at + W_ITEMS]!;
  for (let i = first; i < count; i++) {
    const opcode = code[at + (i + 1) * RECORD]! & 0xff;
    if (i === unreadable || opcode === OP_NEW_USER_BASEPTR) return i;
  }
  return count;
}

/** Ends a call after request `next`: false where it has to go on (mm.c: the end of do_mmu_update, do_mmuext_op). */
function settle(s: State, code: Int32Array, at: number, next: number, done: number, result: number): boolean {
  if (s.updatedUpper) {
    s.updatedUpper = false;
    s.flushAll();
  }
  if (result === RESTART) {
    interrupted(s, code, at, next, done, NOT_YET);
    return false;
  }
  if (result !== OK && s.bug('non-preemptible-error-path')) s.uninterrupted(() => cleanup(s));
  if (s.v.deferred === 0 || (!s.preempted && cleanup(s) === OK)) return true;
  interrupted(s, code, at, next, done, result);
  return false;
}

/** The call that was interrupted last goes on. */
export function resume(s: State): number {
  const { v } = s;
  const { call } = v;
  if (!v.isInterrupted) return NONE;
  v.isInterrupted = false;
  const opcode = call[W_OPCODE]! & 0xff;
  if (opcode === OP_WRITE_CR3) return writeCr3(s, call, 0);
  if (opcode === OP_INITIALISE) return initialise(s, call, 0);
  const isList = opcode === OP_MMU_UPDATE_LIST || opcode === OP_MMUEXT_LIST;
  if (v.callAnswer !== NOT_YET) {
    if (cleanup(s) === OK) return v.callAnswer;
    return interrupted(s, call, 0, v.callNext, v.callDone, v.callAnswer);
  }
  return isList ? list(s, call, 0, v.callNext, v.callDone, v.callBegun) : single(s, call, 0, call[W_OPCODE]!);
}
