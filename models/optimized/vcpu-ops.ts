/** vCPUs that go down and come up (arch/x86/domain.c: arch_vcpu_reset, arch_set_info_guest; rules 16.7). */
import { EEXIST, EINTR, EINVAL, INTERRUPTED, OK, PREEMPTED, RESTART } from '../x86/result.js';
import { OPT_BAD, W_COUNT, W_FRAME, W_LOW, W_OPTIONS } from '../../src/program/record.js';
import { dropRoot, takeRoot } from './bases.js';
import { interrupted, NOT_YET } from './continuation.js';
import { cleanup } from './cleanup.js';
import { defer, deferDrop } from './deferred.js';
import { dropGdt, dropLdt } from './descriptors.js';
import type { State } from './state.js';
import { putTypeAndPage } from './types.js';
import type { Vcpu } from './vcpu.js';
import { fillRoMpt } from './xen-slots.js';

/** The toolstack resets a vCPU that is not the one that runs. */
export function resetVcpu(s: State, index: number): number {
  const target = s.vcpus[index];
  if (target === undefined || target === s.v) return EINVAL;
  target.up = false;
  target.inReset = true;
  const code = on(s, target, () => dropTables(s));
  if (code !== OK) return code === RESTART ? PREEMPTED : code;
  target.clear();
  return OK;
}

/** Runs with another vCPU's tables, as the toolstack does. */
export function on(s: State, vcpu: Vcpu, what: () => number): number {
  const before = s.v;
  s.v = vcpu;
  const code = what();
  s.v = before;
  s.forgetWalk();
  return code;
}

/** GDT and LDT, then mm.c: vcpu_destroy_pagetables. RESTART where it has to be called again. */
export function dropTables(s: State): number {
  const { v } = s;
  v.tlb.flush();
  v.loadedBase = 0;
  dropGdt(s);
  dropLdt(s);
  v.ldtEntries = 0;
  v.ldtLow = 0;
  v.ldtHigh = 0;
  if (cleanup(s) !== OK) return RESTART;
  const code = dropBase(s, v.kernelBase, () => (v.kernelBase = 0));
  return code === OK ? dropBase(s, v.userBase, () => (v.userBase = 0)) : code;
}

function dropBase(s: State, mfn: number, forget: () => void): number {
  if (mfn === 0) return OK;
  const goesOn = s.bug('destroy-vcpu-partial');
  if (!goesOn) forget();
  if (s.bug(s.dying ? 'non-preemptible-destroy-vcpu' : 'non-preemptible-vcpu-reset'))
    return s.uninterrupted(() => putTypeAndPage(s, mfn, false));
  if (!goesOn && !s.bug('eintr-to-caller')) return dropRoot(s, mfn);
  const code = putTypeAndPage(s, mfn, true);
  if (code === OK && goesOn) forget();
  if (code === OK || goesOn) return code === OK ? OK : RESTART;
  deferDrop(s, mfn, code);
  return code === INTERRUPTED ? EINTR : RESTART;
}

/** VCPUOP_initialise, as far as tables are concerned (rules 16.7). */
export function initialise(s: State, code: Int32Array, at: number): number {
  const target = s.vcpus[code[at + W_COUNT]!];
  if (target === undefined) return EINVAL;
  if (target.up || target.inReset) return EEXIST;
  const userMode = !s.compat && (code[at + W_OPTIONS]! & OPT_BAD) !== 0;
  const user = s.compat ? 0 : code[at + W_LOW]!;
  if (userMode && user === 0 && !s.bug('user-mode-without-root')) return EINVAL;
  let result = cleanup(s) === OK ? takeKernelBase(s, target, code[at + W_FRAME]!) : RESTART;
  if (result === OK && user !== 0) result = takeUserBase(s, target, user);
  if (result === RESTART) {
    s.bugOn(s.bug('vcpuop-continuation'), code[at + W_FRAME]!, 'cannot be gone on with by VCPUOP_initialise');
    return interrupted(s, code, at, 0, 0, NOT_YET);
  }
  if (result !== OK) return result;
  target.up = true;
  target.userMode = userMode;
  target.loadedBase = userMode ? user : target.kernelBase;
  return OK;
}

function takeBase(s: State, mfn: number): number {
  if (!s.bug('non-preemptible-set-info')) return takeRoot(s, mfn);
  return s.uninterrupted(() => takeRoot(s, mfn));
}

/** An attempt that an event stopped has left the table deferred, one that failed in the vCPU itself. */
function takeKernelBase(s: State, target: Vcpu, mfn: number): number {
  if (!s.leaks && target.kernelBase !== 0 && on(s, target, () => dropKernelBase(s)) !== OK) return RESTART;
  if (target.deferred === mfn && target.deferredWhole) {
    target.clearDeferred();
  } else {
    if (!s.compat && on(s, target, () => cleanup(s)) !== OK) return RESTART;
    const code = takeBase(s, mfn);
    if (code !== OK) return code;
    if (!s.compat) fillRoMpt(s, mfn);
  }
  if (target.kernelBase !== 0) forgetKernelBase(s, target);
  target.kernelBase = mfn;
  return OK;
}

/** An earlier attempt's, where nothing is forgotten (rules 16.8). */
function dropKernelBase(s: State): number {
  const mfn = s.v.kernelBase;
  s.v.kernelBase = 0;
  return dropRoot(s, mfn);
}

/** An earlier attempt's: Xen writes over it (rules 16.7). */
function forgetKernelBase(s: State, target: Vcpu): void {
  const mfn = target.kernelBase;
  s.touch(mfn);
  s.loseType(mfn);
  s.loseGeneral(mfn);
}

function deferOn(s: State, target: Vcpu, mfn: number): void {
  on(s, target, () => {
    defer(s, mfn, true, 0);
    return OK;
  });
}

function takeUserBase(s: State, target: Vcpu, mfn: number): number {
  const code = takeBase(s, mfn);
  if (code === OK) target.userBase = mfn;
  if (code !== RESTART) return code;
  const kernel = target.kernelBase;
  target.kernelBase = 0;
  deferOn(s, target, kernel);
  return RESTART;
}
