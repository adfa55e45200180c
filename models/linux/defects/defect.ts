import type { Arch } from '../../../src/program/machine.js';
import type { Profile } from '../profile.js';
import type { GuestDefectId } from './ids.js';

/** A mistake that Linux once had, or nearly, in the pagetables of a Xen guest. */
export interface GuestDefect {
  /** Unique, in kebab case. */
  readonly id: GuestDefectId;
  readonly title: string;
  /** Kernels that had it. */
  readonly versions: string;
  /** Linux's commit that ended it; several are separated by a comma and a blank; a reason where none is known. */
  readonly fix: string;
  /** Kernel family that it is made in (`kernels.ts`). */
  readonly kernel: string;
  readonly arches: readonly Arch[];
  /** What it changes of the kernel, if it is that; else the kernel functions ask `bug(id)`. */
  readonly changes?: Partial<Profile>;
  /** What went wrong, for someone who never saw it. */
  readonly story: string;
  /** What the kernel does otherwise here. */
  readonly knob: string;
  /** What its reporters saw, as far as this world has it: lines, in which `…` stands for any number. */
  readonly seen: readonly string[];
}

export const BOTH: readonly Arch[] = ['x86_64', 'x86_32'];
export const ONLY_64: readonly Arch[] = ['x86_64'];
export const ONLY_32: readonly Arch[] = ['x86_32'];

/** Words that many reports have. */
export const PINNING = {
  mappedWritable: 'Bad type (saw 7400000000000001 != exp 1000000000000000) for mfn … (pfn …)',
  errorWhilePinning: 'Error while pinning mfn …',
  emulation: 'ptwr_emulate: could not get_page_from_l1e()',
  protection: 'Oops: 0003',
} as const;
