// struct page_info (rules 1.1), the frame's memory, and the ledger of its references: one list says who holds
// each type reference, one who holds each general reference. Every count is the length of a list.
import { ZERO, type Entry } from '../x86/entry.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, OWNER_NOBODY, TYPE_L2, TYPE_NONE } from '../x86/page-type.js';

// Holders (rules 2.10, 16.5): PGC_allocated, PGT_pinned, Xen (of a page that it shares), PGT_partial, nobody
// (lost: rules 14, 5.4), a running hypercall.
export const [ALLOCATION, PIN, XEN_SHARE, PARTIAL, LOST, HYPERCALL] = [0, 1, 2, 3, 4, 5];
// Of each vCPU: its base pointers, old_guest_table, the slots of its GDT, the pages of its LDT.
export const [KERNEL_BASE, USER_BASE, DEFERRED, GDT_SLOT, LDT_PAGE] = [0, 1, 2, 16, 32];
export const vcpuHolder = (cpu: number, what: number): number => 64 + cpu * 64 + what;
// A slot of a table. Its name stays with a reference that an interruption makes it forget (rules 16.5).
export const entryHolder = (table: Page, slot: number): number => 512 + table.mfn * 512 + slot;

/** What Xen asserts, and what the ledger needs to add up: a program that gets here is a find. */
export function assert(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`reference model: ${otherwise}`);
}
// Takes one reference of the holder's out of the ledger, where it must be.
export function strike(refs: number[], holder: number): void {
  const at = refs.lastIndexOf(holder);
  if (at < 0) throw new Error(`reference model: holder ${holder} drops a reference that it does not hold`);
  refs.splice(at, 1);
}
export function handOver(refs: number[], from: number, to: number): void {
  strike(refs, from);
  refs.push(to);
}
export class Page {
  owner = OWNER_NOBODY;
  special = false; // PGC_xen_heap
  type: number = TYPE_NONE; // the type field of type_info, with PGT_pae_xen_l2
  validated = false;
  partial = false;
  nr = 0; // nr_validated_ptes: the slot where the work on a partial table stopped
  set = false; // PTF_partial_set: that slot's child is partial too, and its general reference is held
  linear = 0; // linear_pt_count
  typeRefs: number[] = [];
  generalRefs: number[] = [];
  memory = new Map<number, Entry>(); // without the slots that are zero
  atStart: Page | undefined; // what reset() puts back
  constructor(readonly mfn: number) {}
  clone(): Page {
    const copy = new Page(this.mfn);
    copy.owner = this.owner;
    copy.special = this.special;
    copy.type = this.type;
    copy.validated = this.validated;
    copy.partial = this.partial;
    copy.nr = this.nr;
    copy.set = this.set;
    copy.linear = this.linear;
    copy.typeRefs = this.typeRefs.slice();
    copy.generalRefs = this.generalRefs.slice();
    for (const [slot, entry] of this.memory) copy.memory.set(slot, entry);
    return copy;
  }
  read(slot: number): Entry {
    return this.memory.get(slot) ?? ZERO;
  }
  slots(): number[] {
    return [...this.memory.keys()].sort((a, b) => a - b);
  }
  setType(type: number, validated = false): void {
    this.type = type;
    this.validated = validated;
    this.partial = false;
  }
  // Where the work on a table goes on, or begins.
  stopAt(nr: number, set: boolean): void {
    this.nr = nr;
    this.set = set;
  }
}
export const TYPE_L2_PAE = TYPE_L2 | INFO_PAE_XEN_L2;
export const levelOf = (page: Page): number => page.type & INFO_TYPE;
export const isPinned = (page: Page): boolean => page.typeRefs.includes(PIN);
export const ledgers = (page: Page): number[][] => [page.typeRefs, page.generalRefs];
