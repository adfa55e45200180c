/** The domain that a hypercall names (rules 3.1). */
import { FD_NONE, FD_OWN, FD_SELF } from '../../src/program/record.js';
import type { State } from './state.js';

/** The domain exists and is not named by its own number (common/page_alloc.c: get_pg_owner). */
export function findsDomain(fd: number): boolean {
  return fd !== FD_OWN && fd !== FD_NONE;
}

/** The caller may act on the domain: itself, or any if it is the control domain (include/xsm/dummy.h). */
export function hasPrivilege(s: State, fd: number): boolean {
  return fd === FD_SELF || s.hardware;
}
