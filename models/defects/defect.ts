import type { Arch } from '../../src/program/machine.js';
import type { DefectId } from './ids.js';

/**
 * What a defect can be seen by: the invariants of `properties/`, and besides
 * - `agreement`: the comparison with the reference model, where nothing else need see it;
 * - `assertion`: Xen would stop the host (BUG_ON, or an access beyond its own memory);
 * - `work`: more work than one table's between two looks for a pending event;
 * - `recursion`: more nested calls than there are levels, plus one;
 * - `progress`: a hypercall that goes on and gets nowhere.
 */
export type InvariantName =
  | 'no-writable-pagetable'
  | 'hardware-walk'
  | 'tlb'
  | 'table-tree'
  | 'legal-entries'
  | 'xen-slots'
  | 'loaded-base'
  | 'owned-tables'
  | 'owned-mappings'
  | 'reference-counts'
  | 'linear-counts'
  | 'legal-state'
  | 'dead-domain'
  | 'agreement'
  | 'assertion'
  | 'work'
  | 'recursion'
  | 'progress';

/**
 * What it takes to see a defect in these models: `S` one vCPU and no interruption; `S+T` besides a TLB;
 * `P1` one vCPU whose hypercalls are interrupted; `P2` several vCPUs, taking turns where one is interrupted;
 * `K` a type reference that loses its race while an event is pending (rules 16.1, `contend`).
 */
export type DefectClass = 'S' | 'S+T' | 'P1' | 'P2' | 'K';

/** A mistake that Xen once had, or nearly, which the optimized model can be told to make. */
export interface Defect {
  /** Unique, in kebab case. */
  readonly id: DefectId;
  /** Number of the root cause, 1 to 90; one root cause may be re-created in several ways. */
  readonly cause: number;
  /** `XSA-182`; several are separated by a comma and a blank. */
  readonly advisory?: string;
  readonly cve?: string;
  readonly title: string;
  /** Versions of Xen that had it. */
  readonly versions: string;
  /** Commit of Xen that ended it; several are separated by a comma and a blank. */
  readonly fix: string;
  /** Machines on which the model can make the mistake. */
  readonly arches: readonly Arch[];
  readonly class: DefectClass;
  /** What went wrong and what a guest could do with it, for someone who never saw it. */
  readonly story: string;
  /** What the model does differently, in the terms of the section named in `rules`. */
  readonly rule: string;
  /** Section of docs/xen-mmu-rules.md. */
  readonly rules: string;
  readonly breaks: readonly InvariantName[];
  /**
   * Machine line and operations of the shortest program known to show the defect by any of `breaks` or by the
   * comparison with the reference model. Its answers are those of a Xen without the defect.
   */
  readonly shortest?: string;
}

export const BOTH: readonly Arch[] = ['x86_64', 'x86_32'];
export const ONLY_64: readonly Arch[] = ['x86_64'];
export const ONLY_32: readonly Arch[] = ['x86_32'];

/** A program's text from the machine line on; `machine` is its architecture and keys beyond the usual ones. */
export function on(machine: string, ...operations: string[]): string {
  const [arch, ...keys] = machine.split(' ');
  return [`machine ${[arch, 'frames=8', 'domain=hardware', ...keys].join(' ')}`, ...operations].join('\n');
}
