import type { Arch } from '../program/machine.js';

/** The Xen that a lab runs on. */
export interface XenBuild {
  readonly arch: Arch;
  /** As Xen says it, such as `4.17.7 (Debian …)`. */
  readonly version: string;
  readonly debug: boolean;
  /** x86_32: first slot of the slot-3 L2 that belongs to Xen. */
  readonly paeXenSlot: number;
  /** Its frame table can be seen (frame-table.ts). */
  readonly showsCounts: boolean;
  /** Races can be lost (src/xen/races.ts). */
  readonly races: boolean;
}

export function buildName(debug: boolean): string {
  return debug ? 'debug' : 'release';
}
