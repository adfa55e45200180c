// struct page_info (rules 1.1), the frame's memory, and the ledger of its references: one list says who holds
// each type reference, one who holds each general reference. Every count is the length of a list.
import { ZERO, type Entry } from '../x86/entry.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, OWNER_NOBODY, TYPE_L2, TYPE_NONE } from '../x86/page-type.js';

// Holders (rules 2.10): PGC_allocated, PGT_pinned, the two base pointers, Xen (of a page that it shares);
export const [ALLOCATION, PIN, KERNEL_BASE, USER_BASE, XEN_SHARE] = [0, 1, 2, 3, 4];
// PGT_partial, old_guest_table, nobody (lost: rules 14, 5.4), a running hypercall; GDT, LDT, table slots.
export const [PARTIAL, QUEUE, LOST, HYPERCALL, GDT_SLOT, LDT_PAGE, ENTRY] = [5, 6, 7, 8, 16, 32, 64];
// A slot of a table as holder, odd for a linear entry (rules 2.5).
export const entryHolder = (table: Page, slot: number, linear = 0) =>
  ENTRY + table.mfn * 1024 + slot * 2 + linear;
export const isLinear = (holder: number): boolean => holder >= ENTRY && holder % 2 === 1;
// Takes one reference of the holder's out of the ledger, where it must be.
export function strike(refs: number[], holder: number): void {
  const at = refs.lastIndexOf(holder);
  if (at < 0) throw new Error(`reference model: ${holder} drops a reference that it does not hold`);
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
  from = 0; // nr_validated_ptes: the slot where validation stopped
  handed = false; // partial_flags: that slot's child is partial too, and its general reference is held
  typeRefs: number[] = [];
  generalRefs: number[] = [];
  memory = new Map<number, Entry>(); // without the slots that are zero
  atStart: Page | undefined; // what reset() puts back
  constructor(readonly mfn: number) {}
  clone(): Page {
    const refs = { typeRefs: [...this.typeRefs], generalRefs: [...this.generalRefs] };
    return Object.assign(new Page(this.mfn), this, refs, { memory: new Map(this.memory) });
  }
  read(slot: number): Entry {
    return this.memory.get(slot) ?? ZERO;
  }
  slots(): number[] {
    return [...this.memory.keys()].sort((a, b) => a - b);
  }
  setType(type: number, validated = false): void {
    Object.assign(this, { type, validated, from: 0, handed: false });
  }
}
export const TYPE_L2_PAE = TYPE_L2 | INFO_PAE_XEN_L2;
export const levelOf = (page: Page): number => page.type & INFO_TYPE;
export const isPinned = (page: Page): boolean => page.typeRefs.includes(PIN);
export const isPartial = (page: Page): boolean => page.typeRefs[0] === PARTIAL;
export const ledgers = (page: Page): number[][] => [page.typeRefs, page.generalRefs];
