/**
 * What an operation answers, as a small number: 0 for success, Xen's error number
 * (include/public/errno.h), or FAULT when the guest got a page fault or general protection fault instead.
 *
 * The answer of a list of requests carries its `done` count too: bits 0..7 the code, bits 8.. the count plus
 * one, zero where Xen left the guest's count untouched.
 */
export const OK = 0;
export const EPERM = 1;
export const ESRCH = 3;
/** Xen's internal "nothing was changed"; no guest may see it. */
export const EINTR = 4;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EINVAL = 22;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
/** The domain is being destroyed and runs no more. */
export const DEAD = 252;
/** An event interrupted the hypercall; the guest may let it go on (`resume`) or not. */
export const PREEMPTED = 253;
/** decrease_reservation released no extent (the hypercall returns 0 extents done). */
export const NONE = 254;
export const FAULT = 255;

/** Within a model only: nothing was changed (EINTR), or part of the work is done (ERESTART; rules 16.1). */
export const INTERRUPTED = 250;
export const RESTART = 251;

/** Expected result of an operation whose text gives none. */
export const UNKNOWN = -1;

export const RESULT_NAMES = new Map<number, string>([
  [OK, 'ok'],
  [EPERM, 'EPERM'],
  [ESRCH, 'ESRCH'],
  [EINTR, 'EINTR'],
  [EACCES, 'EACCES'],
  [EFAULT, 'EFAULT'],
  [EBUSY, 'EBUSY'],
  [EEXIST, 'EEXIST'],
  [EINVAL, 'EINVAL'],
  [ENOSYS, 'ENOSYS'],
  [EOPNOTSUPP, 'EOPNOTSUPP'],
  [DEAD, 'dead'],
  [PREEMPTED, 'preempted'],
  [NONE, 'none'],
  [FAULT, 'fault'],
]);

export function codeOf(result: number): number {
  return result & 0xff;
}

/** The list's `done` count, or undefined where Xen did not write it. */
export function doneOf(result: number): number | undefined {
  return result >> 8 === 0 ? undefined : (result >> 8) - 1;
}

export function withDone(code: number, done: number): number {
  return code | ((done + 1) << 8);
}
