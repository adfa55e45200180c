// The frame table: who owns a frame, what is in it, and what Xen itself writes there (arch/x86/mm.c).
import { XEN_MFN, type Machine, type Range } from '../../src/program/machine.js';
import type { Word64 } from '../../src/program/operation.js';
import { frameName } from '../../src/text/naming.js';
import { Changes, WHOLE_FRAME } from '../x86/changes.js';
import { ZERO, isSame, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { TYPE_L3, TYPE_L4, TYPE_WRITABLE } from '../x86/page-type.js';
import * as xs from '../x86/xen-entries.js';
import * as rules from './entries.js';
import { ALLOCATION, LOST, Page, TYPE_L2_PAE, XEN_SHARE, assert, strike } from './page.js';
import type { Vcpu } from './vcpu.js';

const IO_REFS = { typeRefs: [XEN_SHARE], generalRefs: [XEN_SHARE] };
const IO = Object.assign(new Page(-1), IO_REFS, { owner: t.OWNER_IO, type: TYPE_WRITABLE, validated: true });
const XENS = Object.assign(new Page(-1), { owner: t.OWNER_XEN });
const NOBODYS = new Page(-1);

export class Frames {
  readonly changes = new Changes();
  machine!: Machine;
  frameLimit = 0;
  m2p = new Map<number, Word64>();
  pages: (Page | undefined)[] = [];
  touched: Page[] = [];
  vcpus: Vcpu[] = [];
  // Hears what a debug build of Xen prints where it refuses something (`printk.ts`); mostly nobody does.
  printk: ((line: string) => void) | undefined;
  nameOf = ({ mfn }: { readonly mfn: number }): string => frameName(mfn, this.machine);
  isIntended = (): boolean => this.machine.quirks === 'intended'; // rules 16.8
  is32bit = (): boolean => this.machine.arch === 'x86_32';
  isPaeL3 = (table: Page): boolean => this.is32bit() && table.type === TYPE_L3;
  isReadOnlyIo = (mfn: number): boolean => isIn(mfn, this.machine.start.ioReadOnly);
  // What is known of a frame. What never was the guest's is dom_io's, Xen's or nobody's (rules 1.1).
  page(mfn: number): Page {
    const isThere = mfn < this.frameLimit;
    if (isThere && this.pages[mfn]) return this.pages[mfn];
    if (this.isReadOnlyIo(mfn) || isIn(mfn, this.machine.start.io)) return IO;
    return isThere && mfn === XEN_MFN ? XENS : NOBODYS;
  }
  // Has to be told before a page changes.
  changing(page: Page): Page {
    this.changes.frame(page.mfn);
    if (!page.atStart) this.touched.push(page);
    page.atStart ??= page.clone();
    return page;
  }
  setEntry(page: Page, slot: number, e: Entry): void {
    if (isSame(e, page.read(slot))) return;
    this.changes.slot(page.mfn, slot);
    if (e.mfn === 0 && e.flags === 0) this.changing(page).memory.delete(slot);
    else this.changing(page).memory.set(slot, e);
  }
  setMemory(page: Page, memory?: ReadonlyMap<number, Entry>): void {
    this.changes.slot(page.mfn, WHOLE_FRAME);
    this.changing(page).memory = new Map(memory);
  }
  // assign_pages, free_domheap_page. No type when it comes, and no M2P entry when it goes (rules 1.2).
  // `| 0`: as frame numbers of entries need not fit 32 bits, V8 would keep this one and all holders made of it as doubles.
  allocate(mfn: number): void {
    const page = this.changing((this.pages[mfn] ??= new Page(mfn | 0)));
    Object.assign(page, { owner: t.OWNER_GUEST, generalRefs: [ALLOCATION] });
  }
  free(page: Page): void {
    const isUnused = page.typeRefs.every((holder) => holder === XEN_SHARE || holder === LOST);
    assert(isUnused, `frame 0x${page.mfn.toString(16)} is freed with a type reference`);
    this.changing(page).setType(t.TYPE_NONE);
    Object.assign(page, { owner: t.OWNER_NOBODY, special: false, typeRefs: [], generalRefs: [] });
    this.m2p.delete(page.mfn);
  }
  // put_page. With its last reference the frame goes back to Xen (rules 1.2).
  putPage(page: Page, holder: number): void {
    strike(this.changing(page).generalRefs, holder);
    if (page.generalRefs.length === 0) this.free(page);
  }
  // flush_tlb_mask, of all of the domain's processors (rules 16.6).
  flushAllTlbs(): void {
    for (const { tlb } of this.vcpus) tlb.flush();
  }
  // is_guest_l4_slot, is_guest_l2_slot. L4 256..271 and the end of a slot-3 L2 are Xen's (rules 5.3, 6.4).
  isGuestSlot(table: Page, slot: number): boolean {
    if (table.type === TYPE_L4) return slot < xs.XEN_L4_FIRST || slot > xs.XEN_L4_LAST;
    return table.type !== TYPE_L2_PAE || slot < this.machine.paeXenSlot;
  }
  // init_xen_l4_slots; pv/mm.c: init_xen_pae_l2_slots. Whatever was there before (rules 5.3, 6.4).
  writeXenSlots(table: Page): void {
    const isL4 = table.type === TYPE_L4;
    const first = isL4 ? xs.XEN_L4_FIRST : table.type === TYPE_L2_PAE ? this.machine.paeXenSlot : 512;
    for (let i = first; i < 512 && !this.isGuestSlot(table, i); i++) {
      this.setEntry(table, i, isL4 ? xs.xenL4Entry(table.mfn, i) : i === first ? xs.PAE_XEN_ENTRY : ZERO);
    }
  }
  // fill_ro_mpt. An L4 that becomes the kernel's base lets the guest read the M2P (rules 5.1, 5.3).
  fillRoMpt(table: Page): void {
    if (table.read(xs.RO_MPT_SLOT) === ZERO) this.setEntry(table, xs.RO_MPT_SLOT, xs.RO_MPT_ENTRY);
  }
  unadjust(table: Page, slot: number): void {
    if (this.isPaeL3(table)) this.setEntry(table, slot, rules.unadjustGuestL3e(table.read(slot)));
  }
}
const isIn = (mfn: number, ranges: readonly Range[]) =>
  ranges.some((r) => mfn >= r.mfn && mfn < r.mfn + r.count);
