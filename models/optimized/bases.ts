/** The base pointers of a vCPU: NEW_BASEPTR, NEW_USER_BASEPTR, MOV to CR3, and the return to user mode (rules 5, 16.4, 16.7). */
import { TYPE_L3, TYPE_L4 } from '../x86/page-type.js';
import { FAULT, INTERRUPTED, OK, RESTART } from '../x86/result.js';
import { W_FRAME } from '../../src/program/record.js';
import { interrupted, NOT_YET } from './continuation.js';
import { cleanup } from './cleanup.js';
import { defer, deferDrop } from './deferred.js';
import { dropLdt } from './descriptors.js';

import type { State } from './state.js';
import { putTypeAndPage, take } from './types.js';
import { fillRoMpt } from './xen-slots.js';

/** A root table for a base pointer; RESTART where that has to go on. */
export function takeRoot(s: State, mfn: number): number {
  const code = take(s, mfn, s.compat ? TYPE_L3 : TYPE_L4, false, true, false);
  return code === INTERRUPTED ? RESTART : code;
}

/** A base pointer's table is let go; RESTART where the deferred place has to end that. */
export function dropRoot(s: State, mfn: number): number {
  const code = putTypeAndPage(s, mfn, true);
  if (code === OK) return OK;
  deferDrop(s, mfn, code);
  return RESTART;
}

/** mm.c: new_guest_cr3. The new base is taken before the old one is let go. */
export function newBase(s: State, mfn: number): number {
  const { v } = s;
  if (!s.compat && cleanup(s) !== OK) return RESTART;
  const old = v.kernelBase;
  if (mfn === old) {
    if (s.compat) dropLdt(s);
    v.tlb.flush();
    return OK;
  }
  const code = takeRoot(s, s.named(mfn));
  if (code !== OK) return code;
  dropLdt(s);
  if (!s.compat) fillRoMpt(s, mfn);
  s.setKernelBase(mfn);
  if (!s.bug('cr3-no-flush')) v.tlb.flush();
  if (s.bug('non-preemptible-new-cr3')) return s.uninterrupted(() => putTypeAndPage(s, old, false));
  if (!s.compat) return dropRoot(s, old);
  defer(s, old, true, 0);
  return OK;
}

/** MMUEXT_NEW_USER_BASEPTR. */
export function newUserBase(s: State, mfn: number): number {
  const { v } = s;
  const old = v.userBase;
  if (mfn === old) return OK;
  if (mfn !== 0) {
    const code = takeRoot(s, s.named(mfn));
    if (code !== OK) return code;
  }
  v.userBase = mfn;
  if (old === 0) return OK;
  if (s.bug('non-preemptible-new-user-cr3')) return s.uninterrupted(() => putTypeAndPage(s, old, false));
  return dropRoot(s, old);
}

/**
 * pv/emul-priv-op.c: write_cr (rules 5.4). What waits for its cleanup afterwards goes on waiting; for a 32-bit
 * guest it was not cleaned up before either, and the replaced base waits too.
 */
export function writeCr3(s: State, code: Int32Array, at: number): number {
  const mfn = code[at + W_FRAME]!;
  if (!s.owned(mfn)) return FAULT;
  if ((!s.compat || !s.leaks) && cleanup(s) !== OK) return interrupted(s, code, at, 0, 0, NOT_YET);
  s.v.leftover = s.v.deferred;
  const result = newBase(s, mfn);
  s.v.leftover = 0;
  if (result === RESTART) return interrupted(s, code, at, 0, 0, NOT_YET);
  if (!s.leaks) cleanup(s);
  return result === OK ? OK : FAULT;
}

/** HYPERVISOR_iret to user mode (pv/iret.c: do_iret); without a user base the domain would be crashed. */
export function returnToUser(s: State): number {
  const { v } = s;
  if (s.compat) return OK;
  if (v.userBase === 0) return FAULT;
  v.userMode = true;
  s.ready = -1;
  v.loadedBase = v.userBase;
  v.tlb.flush();
  return OK;
}

/** Whatever the guest does next begins in its kernel (pv/domain.c: toggle_guest_mode). */
export function enterKernel(s: State): void {
  const { v } = s;
  v.userMode = false;
  v.loadedBase = v.kernelBase;
  v.tlb.flush();
}
