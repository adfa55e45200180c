/** How a guest's run ends early. */
import type { Entry } from '../x86/entry.js';
import type { Hypercall, Word64 } from '../../src/program/operation.js';

export type Cause =
  /** Xen refused a hypercall. */
  | { readonly kind: 'refused'; readonly call: Hypercall; readonly answer: number; readonly batch?: Batch }
  /** A store or load got a page fault; `stale` where the tables would allow it and the TLB need not. */
  | {
      readonly kind: 'fault';
      readonly va: Word64;
      readonly access: 'read' | 'write' | 'stale';
      readonly present: boolean;
      readonly value?: Entry;
    }
  /** The kernel gave up, with these words. */
  | { readonly kind: 'panic' | 'bug'; readonly message: string }
  /** A guest invariant (docs/linux-guest.md) does not hold. */
  | {
      readonly kind: 'invariant';
      readonly invariant: GuestInvariant;
      readonly message: string;
      readonly pfn?: number;
    };

/** Where in a multicall the refused call was, from 0. */
export interface Batch {
  readonly index: number;
  readonly calls: readonly Hypercall[];
}

export type GuestInvariant = 'free-page' | 'direct-map' | 'page-pinned' | 'isa-range' | 'kernel-mapping';

/** The end of a guest; `path` is the way from the kernel's start to the function that did it. */
export class Crash extends Error {
  constructor(
    readonly why: Cause,
    readonly path: readonly string[],
    /** The kernel could say something itself. */
    readonly late: boolean,
  ) {
    super(describe(why));
  }
}

function describe(cause: Cause): string {
  switch (cause.kind) {
    case 'refused':
      return `Xen refuses ${cause.call.kind}`;
    case 'fault':
      return cause.access === 'stale'
        ? 'a store to a page that just became writable, which the TLB need not know'
        : `a ${cause.access} ${cause.present ? 'to a read-only page' : 'of an address that is not mapped'}`;
    default:
      return cause.message;
  }
}
