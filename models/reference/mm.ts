// The frame table, type references and the validation of tables: arch/x86/mm.c unless another file is named.
// Who takes a reference names the holder. Refusals are error numbers; an entry's check answers what to store.
import { MFN_ADDRESSABLE, XEN_MFN, type Machine, type Range } from '../../src/program/machine.js';
import type { Word64 } from '../../src/program/operation.js';
import { Changes, WHOLE_FRAME } from '../x86/changes.js';
import { CACHE_ATTRIBUTES, MFN_MAX, RW, ZERO, isSame, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { TYPE_L1, TYPE_L3, TYPE_L4, TYPE_SEG_DESC, TYPE_WRITABLE, isTable } from '../x86/page-type.js';
import { EACCES, EBUSY, EINVAL, EPERM, OK } from '../x86/result.js';
import * as xs from '../x86/xen-entries.js';
import * as rules from './entries.js';
import { ALLOCATION, LOST, PARTIAL, Page, QUEUE, TYPE_L2_PAE, XEN_SHARE } from './page.js';
import { entryHolder, handOver, isLinear, isPartial, ledgers, levelOf, strike } from './page.js';

const IO_REFS = { typeRefs: [XEN_SHARE], generalRefs: [XEN_SHARE] };
const IO = Object.assign(new Page(-1), IO_REFS, { owner: t.OWNER_IO, type: TYPE_WRITABLE, validated: true });
const XENS = Object.assign(new Page(-1), { owner: t.OWNER_XEN });
const NOBODYS = new Page(-1);

export class Mm {
  readonly changes = new Changes();
  machine!: Machine;
  frameLimit = 0;
  queued: Page | undefined; // curr->arch.old_guest_table
  m2p = new Map<number, Word64>();
  pages: (Page | undefined)[] = [];
  touched: Page[] = [];
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
  touch(page: Page): Page {
    this.changes.frame(page.mfn);
    if (!page.atStart) this.touched.push(page);
    page.atStart ??= page.clone();
    return page;
  }
  setEntry(page: Page, slot: number, e: Entry): void {
    if (isSame(e, page.read(slot))) return;
    this.changes.slot(page.mfn, slot);
    if (e.mfn === 0 && e.flags === 0) this.touch(page).memory.delete(slot);
    else this.touch(page).memory.set(slot, e);
  }
  setMemory(page: Page, memory?: ReadonlyMap<number, Entry>): void {
    this.changes.slot(page.mfn, WHOLE_FRAME);
    this.touch(page).memory = new Map(memory);
  }
  // assign_pages, free_domheap_page. No type when it comes, and no M2P entry when it goes (rules 1.2).
  allocate(mfn: number): void {
    const page = this.touch((this.pages[mfn] ??= new Page(mfn)));
    Object.assign(page, { owner: t.OWNER_GUEST, generalRefs: [ALLOCATION] });
  }
  free(page: Page): void {
    this.touch(page).setType(t.TYPE_NONE);
    Object.assign(page, { owner: t.OWNER_NOBODY, special: false, typeRefs: [], generalRefs: [] });
    this.m2p.delete(page.mfn);
  }
  // put_page. With its last reference the frame goes back to Xen (rules 1.2).
  putPage(page: Page, holder: number): void {
    strike(this.touch(page).generalRefs, holder);
    if (page.generalRefs.length === 0) this.free(page);
  }
  // _get_page_type, validate_page. A page in use keeps its type, one in no use takes any whose validation it
  // passes, a partial table's goes on. What fails is partial if it is queued, else untyped (rules 1.4, 1.5).
  getPageType(page: Page, type: number, holder: number): number {
    const isUnused = this.touch(page).typeRefs.length === 0;
    if (!isUnused && page.type !== type) return EINVAL;
    page.typeRefs.push(holder);
    if (page.type === type && page.validated) return OK;
    if (isUnused) page.setType(type);
    else for (const refs of ledgers(page)) strike(refs, PARTIAL);
    const code = type === TYPE_WRITABLE ? OK : this.promoteTable(page);
    if (code !== OK) strike(page.typeRefs, holder);
    if (code === OK || this.queued !== page) page.setType(code === OK ? type : t.TYPE_NONE, code === OK);
    else for (const refs of ledgers(page)) refs.push(PARTIAL);
    return code;
  }
  // _put_page_type. Out of use, a table gives back what its entries hold; the type field stays (rules 1.6).
  putPageType(page: Page, holder: number): void {
    strike(this.touch(page).typeRefs, holder);
    if (page.typeRefs.length === 0 && isTable(levelOf(page)))
      this.demoteTable(page, holder === PARTIAL ? page.from : 512);
  }
  // get_page_and_type_from_mfn. With `handed` the general reference is held already. A table that is queued
  // because it failed keeps its own, of which the queue can give back one (rules 2.11 TAKE).
  getPageAndType(mfn: number, type: number, holder: number, handed = false): number {
    const page = this.page(mfn);
    if (page.owner !== t.OWNER_GUEST) return EINVAL;
    if (!handed) this.touch(page).generalRefs.push(holder);
    const code = this.getPageType(page, type, holder);
    if (code === OK || handed) return code;
    if (this.queued !== page || !isTable(type & t.INFO_TYPE)) this.putPage(page, holder);
    else handOver(page.generalRefs, holder, page.generalRefs.includes(QUEUE) ? LOST : QUEUE);
    return code;
  }
  putPageAndType(page: Page, holder: number): void {
    this.putPageType(page, holder);
    this.putPage(page, holder);
  }
  // What an entry refers to is taken as its table's level demands (rules 2.1, 2.9).
  getPageFromEntry(e: Entry, table: Page, slot: number, pgOwner: number): Entry | number {
    if (table.type === TYPE_SEG_DESC) return rules.checkDescriptor(this.machine, e);
    if (rules.isForbidden(this.machine, levelOf(table), e)) return EINVAL;
    if (!rules.isPresent(e)) return e;
    if (table.type === TYPE_L1) return this.getPageFromL1e(e, entryHolder(table, slot), pgOwner);
    return this.getPageFromTableEntry(e, table, slot);
  }
  // get_page_from_l1e. Writable is only what is nothing but memory: that is the whole safety (rules 2.3).
  getPageFromL1e(e: Entry, holder: number, pgOwner: number): Entry | number {
    const page = this.page(e.mfn);
    if (page.owner === t.OWNER_IO || e.mfn >= this.frameLimit) {
      const isPermitted = this.machine.hardwareDomain && e.mfn < MFN_ADDRESSABLE && pgOwner !== t.OWNER_XEN;
      if (!isPermitted) return e.mfn === MFN_MAX ? EINVAL : EPERM;
      return rules.restrictIoMapping(e, this.isReadOnlyIo(e.mfn));
    }
    if (page.owner !== t.OWNER_GUEST || pgOwner !== t.OWNER_GUEST) return EBUSY;
    if (page.special && e.flags & CACHE_ATTRIBUTES) return EACCES;
    if (e.flags & RW) return this.getPageAndType(e.mfn, TYPE_WRITABLE, holder) === OK ? e : EBUSY;
    this.touch(page).generalRefs.push(holder);
    return e;
  }
  // get_page_from_l2e .. l4e, pae_xen_mappings_check. The child is a table of the level below, or linear.
  // If a slot-3 L2 is shared, the references just taken are never given back (rules 2.4, 6.3, 14.2).
  getPageFromTableEntry(e: Entry, table: Page, slot: number): Entry | number {
    const [holder, handed] = [entryHolder(table, slot), table.handed && slot === table.from];
    const type = this.isPaeL3(table) && slot === 3 ? TYPE_L2_PAE : levelOf(table) - 1;
    const code = this.getPageAndType(e.mfn, type, holder, handed);
    if (code === EINVAL && !this.isPaeL3(table) && this.getLinearPagetable(e, table, slot)) return e;
    const child = this.page(e.mfn);
    if (code !== OK || type !== TYPE_L2_PAE || child.typeRefs.length === 1) return code || e;
    if (this.machine.quirks === 'intended') this.putPageAndType(child, holder);
    else for (const refs of handed ? [child.typeRefs] : ledgers(child)) handOver(refs, holder, LOST);
    return EINVAL;
  }
  // put_page_from_l1e .. l4e. I/O mappings and entries for the table itself hold nothing (rules 2.3, 2.5).
  putPageFromEntry(e: Entry, table: Page, slot: number): void {
    const [page, isL1] = [this.page(e.mfn), table.type === TYPE_L1];
    const holder = entryHolder(table, slot, !isL1 && levelOf(page) === levelOf(table) ? 1 : 0);
    if (!rules.isPresent(e) || page.owner !== t.OWNER_GUEST || (page === table && !isL1)) return;
    if (!isL1 || e.flags & RW) this.putPageType(page, holder);
    this.putPage(page, holder);
  }
  // get_l2_linear_pagetable etc. An entry without RW may name a table of its level; no chains (rules 2.5).
  getLinearPagetable(e: Entry, table: Page, slot: number): boolean {
    const target = this.page(e.mfn);
    if (e.flags & RW || target === table) return !(e.flags & RW);
    if (!target.validated || levelOf(target) !== levelOf(table)) return false;
    if (this.linearPtCount(table) < 0 || this.linearPtCount(target) > 0) return false;
    for (const refs of ledgers(this.touch(target))) refs.push(entryHolder(table, slot, 1));
    return true;
  }
  // linear_pt_count. The table's linear entries, less those elsewhere that name it (rules 1.1).
  linearPtCount(table: Page): number {
    if (levelOf(table) < t.TYPE_L2 || !isTable(levelOf(table))) return 0;
    let linear = 0;
    for (const [slot, e] of table.memory)
      if (!(e.flags & RW) && this.page(e.mfn).typeRefs.includes(entryHolder(table, slot, 1))) linear++;
    return linear - table.typeRefs.filter(isLinear).length;
  }
  // is_guest_l4_slot, is_guest_l2_slot. L4 256..271 and the end of a slot-3 L2 are Xen's (rules 5.3, 6.4).
  isGuestSlot(table: Page, slot: number): boolean {
    if (table.type === TYPE_L4) return slot < xs.XEN_L4_FIRST || slot > xs.XEN_L4_LAST;
    return table.type !== TYPE_L2_PAE || slot < this.machine.paeXenSlot;
  }
  // promote_l1_table .. l4_table, validate_segdesc_page. What passes is stored as Xen wants it (rules 2.6).
  promoteTable(table: Page): number {
    if (this.isPaeL3(table)) for (const i of table.slots()) if (i > 3) this.setEntry(table, i, ZERO);
    for (const slot of table.slots()) {
      if (slot < table.from || !this.isGuestSlot(table, slot)) continue;
      const allowed = this.getPageFromEntry(table.read(slot), table, slot, t.OWNER_GUEST);
      if (typeof allowed === 'number') return this.stopValidation(table, slot, allowed);
      this.setEntry(table, slot, rules.adjustGuestEntry(this.is32bit(), levelOf(table), allowed));
    }
    const lacksSlot3 = this.isPaeL3(table) && !rules.isPresent(table.read(3));
    if (!lacksSlot3) this.writeXenSlots(table);
    return lacksSlot3 ? this.stopValidation(table, 3, EINVAL) : OK;
  }
  // How a failed promote ends. An L1 is rolled back at once. A table above, failing after slot 0, is queued,
  // and takes over the child in that slot if this was queued for its own failure (rules 1.5, 2.6, 2.11 STOP).
  stopValidation(table: Page, slot: number, code: number): number {
    const child = this.page(table.read(slot).mfn);
    const handed = table.handed && slot === table.from;
    if (table.type === TYPE_L1) this.demoteTable(table, slot);
    if (table.type === TYPE_L1 || table.type === TYPE_SEG_DESC || slot === 0) return code;
    for (let i = 0; i < slot; i++) this.unadjust(table, i);
    if (child === this.queued && !handed) handOver(child.generalRefs, QUEUE, entryHolder(table, slot));
    Object.assign(table, { from: slot, handed: handed || child === this.queued });
    this.queueForCleanup(table, child === this.queued);
    return code;
  }
  // old_guest_table := table. What was there is forgotten, unless the table took it over (rules 14.1, 5.4).
  queueForCleanup(table: Page, isTakenOver = false): void {
    if (!isTakenOver && this.queued !== table && this.machine.quirks === 'intended') this.putOldGuestTable();
    const other = this.queued && this.queued !== table ? ledgers(this.touch(this.queued)) : [];
    for (const refs of other) if (refs.includes(QUEUE)) handOver(refs, QUEUE, LOST);
    this.queued = table;
  }
  // put_old_guest_table. What is queued is a partial table or a replaced one (rules 2.11 CLEANUP).
  putOldGuestTable(): void {
    const table = this.queued;
    this.queued = undefined;
    if (table && isPartial(table)) this.putPageAndType(table, PARTIAL);
    if (table?.typeRefs.includes(QUEUE)) this.putPageType(table, QUEUE);
    if (table) this.putPage(table, QUEUE);
  }
  // demote_l1_table .. l4_table. A partial child, then slots downwards from below `end` (rules 2.7, 2.11).
  demoteTable(table: Page, end: number): void {
    const child = table.handed ? this.page(table.read(table.from).mfn) : undefined;
    if (child && isPartial(child)) this.putPageAndType(child, PARTIAL);
    if (child) this.putPage(child, entryHolder(table, table.from));
    if (child) this.unadjust(table, table.from);
    for (const slot of table.slots().toReversed()) {
      if (slot >= end || !this.isGuestSlot(table, slot)) continue;
      this.putPageFromEntry(table.read(slot), table, slot);
      this.unadjust(table, slot);
    }
    table.setType(levelOf(table));
  }
  unadjust(table: Page, slot: number): void {
    if (this.isPaeL3(table)) this.setEntry(table, slot, rules.unadjustGuestL3e(table.read(slot)));
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
}
const isIn = (mfn: number, ranges: readonly Range[]) =>
  ranges.some((r) => mfn >= r.mfn && mfn < r.mfn + r.count);
