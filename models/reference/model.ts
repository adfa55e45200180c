// What a guest can do, one method per operation of docs/format.md; then the model's start and its answers.
import type { Machine, Range } from '../../src/program/machine.js';
import type { DomainId, ListOptions, Operation, Word64 } from '../../src/program/operation.js';
import { RECORD, decode, itemsAt } from '../../src/program/record.js';
import type { Model } from '../model.js';
import * as f from '../x86/entry.js';
import { ZERO, entry, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { OWNER_GUEST, TYPE_L1, TYPE_L3, TYPE_L4, TYPE_SEG_DESC, TYPE_WRITABLE } from '../x86/page-type.js';
import { EACCES, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, ESRCH } from '../x86/result.js';
import { FAULT, NONE, OK, withDone } from '../x86/result.js';
import * as rules from './entries.js';
import { Mm } from './mm.js';
import * as by from './page.js';
import { TYPE_L2_PAE, handOver, isPartial, isPinned, ledgers, levelOf, type Page } from './page.js';

type Of<K> = Extract<Operation, { kind: K }>;
type Frame = { readonly mfn: number };
// get_pg_owner: FD's domain if there is one; one's own number is refused (rules 3.1).
const FD_OWNERS = { self: OWNER_GUEST, io: t.OWNER_IO, xen: t.OWNER_XEN, own: undefined, none: undefined };
// mmu_update and mmuext_op begin and end with put_old_guest_table (rules 2.11, 5.4).
const QUEUEING = /^(mmu|machphys|pin|unpin|new_|clear_page|copy_page|set_ldt)/;
const NO_LDT = { low: 0, high: 0, entries: 0 };

export class ReferenceModel extends Mm implements Model {
  readonly name = 'reference';
  bases = { kernel: 0, user: 0 }; // frame numbers, 0 for none
  gdt: readonly number[] = [];
  ldt = NO_LDT;
  ldtFrames = new Map<number, number>();
  perform(op: Operation, fd: DomainId = 'self'): number {
    const methods = this as unknown as Record<string, (op: Operation, fd: DomainId) => number>;
    if (this.queued && QUEUEING.test(op.kind)) this.putOldGuestTable();
    // FD owns no frame that can be named; a 32-bit guest's layer refuses NEW_USER_BASEPTR first (rules 3.8).
    const isForeign = fd !== 'self' && !/^(mmu|machphys)/.test(op.kind);
    const isOwn = () => (this.is32bit() ? /^(new_base|set_)/ : /^(new_|set_)/).test(op.kind);
    const code = isForeign ? (isOwn() ? EPERM : EINVAL) : methods[op.kind]!(op, fd);
    if (this.queued && QUEUEING.test(op.kind)) this.putOldGuestTable();
    return code;
  }
  // XSM's default policy: only the hardware domain may act for another (rules 3.1).
  fdError = (fd: DomainId): number =>
    !FD_OWNERS[fd] ? ESRCH : fd === 'self' || this.machine.hardwareDomain ? OK : EPERM;
  // do_mmu_update, do_mmuext_op. Up to the first that fails; `done` counts those before it (rules 3.1).
  runList(items: readonly Operation[], { continued: done = 0, unreadable, fd }: ListOptions): number {
    for (const [i, item] of items.entries()) {
      const code = i === unreadable ? EFAULT : this.perform(item, fd);
      if (code !== OK) return withDone(code, done + i);
    }
    return withDone(OK, done + items.length);
  }
  mmu_update_list({ options, pfd, items }: Of<'mmu_update_list'>): number {
    if (options.badList || pfd === 'none') return options.badList ? EFAULT : ESRCH;
    return FD_OWNERS[options.fd] ? this.runList(items, options) : withDone(ESRCH, options.continued ?? 0);
  }
  mmuext_op_list({ options, items }: Of<'mmuext_op_list'>): number {
    const refused = options.badList ? EFAULT : this.fdError(options.fd);
    return refused || this.runList(items, options);
  }
  // do_mmu_update. Tables are checked, unused pages just written. FD owns what L1s map (rules 3.2).
  mmu_update({ mfn, slot, command, entry: e }: Of<'mmu_update'>, fd: DomainId): number {
    if (command.startsWith('cmd')) return ENOSYS;
    if (fd === 'xen' && this.fdError(fd) !== OK) return EPERM;
    const page = this.page(mfn);
    const isLocked = page.validated && page.typeRefs.length > 0 && page.type !== TYPE_WRITABLE;
    if (!isLocked) return this.writeAs(TYPE_WRITABLE, mfn, () => this.setEntry(page, slot, e));
    if (!t.isTable(levelOf(page)) || (page.type !== TYPE_L1 && fd !== 'self')) return EINVAL;
    const kept = command === 'preserve_ad' ? page.read(slot).flags & (f.A | f.D) : 0;
    return this.modEntry(page, slot, entry(e.mfn, e.flags | kept), fd);
  }
  // MMU_MACHPHYS_UPDATE. Any value for any frame of FD's (rules 3.2).
  machphys({ mfn, value }: Of<'machphys'>, fd: DomainId): number {
    if (fd === 'xen' && this.fdError(fd) !== OK) return EPERM;
    if (mfn >= this.frameLimit || fd === 'xen' || this.page(mfn).owner !== FD_OWNERS[fd]) return EINVAL;
    this.changes.frame(mfn);
    this.m2p.set(mfn, value);
    return OK;
  }
  // mod_l1_entry .. l4_entry. New references are taken before the old ones are dropped (rules 3.3 - 3.6).
  modEntry(table: Page, slot: number, e: Entry, fd: DomainId, mayBeFast = true): number {
    if (this.isPaeL3(table) && slot >= 3) return EINVAL;
    if (!this.isGuestSlot(table, slot)) return table.type === TYPE_L4 ? EINVAL : EPERM;
    if (rules.isForbidden(this.machine, levelOf(table), e)) return EINVAL;
    const [old, wanted] = [table.read(slot), rules.adjustGuestEntry(this.is32bit(), levelOf(table), e)];
    const isFast = mayBeFast && rules.isFastPath(old, wanted);
    const stored = isFast ? wanted : this.getPageFromEntry(wanted, table, slot, FD_OWNERS[fd]!);
    if (typeof stored === 'number') return stored;
    this.setEntry(table, slot, stored);
    if (!isFast) this.putPageFromEntry(old, table, slot);
    return OK;
  }
  // A write to a page that can be had with the type for a moment; its type field stays (rules 3.2, 3.8).
  writeAs(type: number, mfn: number, write: (page: Page) => void): number {
    const page = this.page(mfn);
    if (page.owner !== OWNER_GUEST || this.getPageType(page, type, by.HYPERCALL) !== OK) return EINVAL;
    write(page);
    this.putPageType(page, by.HYPERCALL);
    return OK;
  }
  clear_page = ({ mfn }: Frame): number => this.writeAs(TYPE_WRITABLE, mfn, (page) => this.setMemory(page));
  copy_page({ mfn, source }: Of<'copy_page'>): number {
    const { owner, memory } = this.page(source);
    if (owner !== OWNER_GUEST) return EINVAL;
    return this.writeAs(TYPE_WRITABLE, mfn, (page) => this.setMemory(page, memory));
  }
  // MMUEXT_PIN_Ln_TABLE, MMUEXT_UNPIN_TABLE: pins do not nest, and any level is unpinned (rules 3.8).
  pin({ level, mfn }: Of<'pin'>): number {
    if (this.is32bit() && level === 4) return OK;
    const wasPinned = isPinned(this.page(mfn));
    const code = this.getPageAndType(mfn, level, by.PIN);
    if (code === OK && wasPinned) this.putPageAndType(this.page(mfn), by.PIN);
    return code === OK && wasPinned ? EINVAL : code;
  }
  unpin({ mfn }: Frame): number {
    if (!isPinned(this.page(mfn))) return EINVAL;
    this.putPageAndType(this.page(mfn), by.PIN);
    return OK;
  }
  // new_guest_cr3. The new table is validated while the old one is still held. A 32-bit guest's L3 hangs in
  // an L4 of Xen's, so that the old one is given back by way of the queue, later (rules 5.1, 5.2, 5.4).
  newBase(which: 'kernel' | 'user', mfn: number): number {
    const [old, holder] = [this.bases[which], which === 'kernel' ? by.KERNEL_BASE : by.USER_BASE];
    const isTaken = mfn !== old && !(mfn === 0 && which === 'user');
    const code = isTaken ? this.getPageAndType(mfn, this.is32bit() ? TYPE_L3 : TYPE_L4, holder) : OK;
    if (code !== OK || mfn === old) return code;
    this.bases[which] = mfn;
    if (old === 0) return OK;
    for (const refs of ledgers(this.touch(this.page(old)))) handOver(refs, holder, by.QUEUE);
    this.queueForCleanup(this.page(old));
    if (!this.is32bit()) this.putOldGuestTable();
    return OK;
  }
  // new_guest_cr3. With the tables goes what the LDT refers to (rules 5.1).
  new_baseptr({ mfn }: Frame): number {
    if (!this.is32bit()) this.putOldGuestTable();
    const isSame = mfn === this.bases.kernel;
    const code = this.newBase('kernel', mfn);
    if (code === OK && (this.is32bit() || !isSame)) this.destroyLdt();
    if (code === OK && !this.is32bit()) this.fillRoMpt(this.page(mfn));
    return code;
  }
  new_user_baseptr = ({ mfn }: Frame): number => (this.is32bit() ? EINVAL : this.newBase('user', mfn));
  // pv/emul-priv-op.c: write_cr. What is left queued stays so while the guest goes on (rules 5.4).
  write_cr3({ mfn }: Frame): number {
    const code = this.page(mfn).owner === OWNER_GUEST ? this.new_baseptr({ mfn }) : EINVAL;
    if (this.machine.quirks === 'intended') this.putOldGuestTable();
    return code === OK ? OK : FAULT;
  }
  // The commands of mmuext_op that only flush, and those that do not exist (rules 3.8).
  mmuext({ command, badBitmap }: Of<'mmuext'>, fd: DomainId): number {
    if (/^cmd|super$/.test(command)) return command.endsWith('super') ? EOPNOTSUPP : ENOSYS;
    if (fd !== 'self') return EPERM;
    const isDenied = command.startsWith('flush_cache') && !this.machine.hardwareDomain;
    if (isDenied) return command === 'flush_cache' ? EACCES : EINVAL;
    return badBitmap && command.endsWith('multi') ? EINVAL : OK;
  }
  // MMUEXT_SET_LDT: its pages are not looked at before they are used (rules 3.8).
  set_ldt({ va, entries }: Of<'set_ldt'>): number {
    const [old, ldt] = [this.ldt, entries === 0 ? NO_LDT : { low: va.low, high: va.high, entries }];
    if (entries >>> 0 > 8192 || ldt.low & 0xfff || this.isOutsideGuest(ldt)) return EINVAL;
    const isSame = old.low === ldt.low && old.high === ldt.high && old.entries === ldt.entries;
    if (!isSame) this.destroyLdt();
    this.ldt = ldt;
    return OK;
  }
  // pv/mm.c: pv_map_ldt_shadow_page, at the first access to a page of the LDT (rules 3.10).
  access_ldt({ page }: Of<'access_ldt'>): number {
    if (page * 512 >= this.ldt.entries) return FAULT;
    if (this.ldtFrames.has(page)) return OK;
    const low = (this.ldt.low >>> 0) + page * 4096;
    const { l1e } = this.walk({ low: low | 0, high: (this.ldt.high + (low >= 2 ** 32 ? 1 : 0)) | 0 });
    if (!rules.isPresent(l1e) || this.getPageAndType(l1e.mfn, TYPE_SEG_DESC, by.LDT_PAGE + page))
      return FAULT;
    this.ldtFrames.set(page, l1e.mfn);
    return OK;
  }
  destroyLdt(): void {
    for (const [page, mfn] of this.ldtFrames) this.putPageAndType(this.page(mfn), by.LDT_PAGE + page);
    this.ldtFrames.clear();
  }
  // pv/descriptor-tables.c: pv_set_gdt. All of the new frames or none; the old ones go last (rules 3.9).
  set_gdt({ frames, entries }: Of<'set_gdt'>): number {
    const gdt = frames.slice(0, Math.ceil((entries >>> 0) / 512));
    if (entries >>> 0 > rules.FIRST_RESERVED_GDT_ENTRY) return EINVAL;
    if (gdt.length * 512 < entries) return EFAULT;
    const bad = gdt.findIndex((mfn, i) => this.getPageAndType(mfn, TYPE_SEG_DESC, by.GDT_SLOT + i) !== OK);
    const dropped = bad < 0 ? this.gdt : gdt.slice(0, bad);
    for (const [i, mfn] of dropped.entries()) this.putPageAndType(this.page(mfn), by.GDT_SLOT + i);
    if (bad < 0) this.gdt = gdt;
    return bad < 0 ? OK : EINVAL;
  }
  // pv/descriptor-tables.c: do_update_descriptor. The type field counts even out of use (rules 3.9).
  update_descriptor({ mfn, slot, descriptor, misaligned }: Of<'update_descriptor'>): number {
    const fixed = rules.checkDescriptor(this.machine, f.entryOf(descriptor.low, descriptor.high));
    if (misaligned || typeof fixed === 'number') return EINVAL;
    const type = this.page(mfn).type === TYPE_SEG_DESC ? TYPE_SEG_DESC : TYPE_WRITABLE;
    return this.writeAs(type, mfn, (page) => this.setEntry(page, slot, fixed));
  }
  // Not canonical, or in the part of the address space that is Xen's (rules 3.7, 3.11).
  isOutsideGuest = ({ high }: Word64) => !this.is32bit() && high >>> 0 >= 0x8000 && high >>> 0 < 0xffff8800;
  // The processor's walk through the kernel's tables in memory. Where there is no L1 the entry is zero.
  walk(va: Word64): { l1: Page | undefined; slot: number; l1e: Entry; writable: boolean } {
    const [low, high] = [va.low, this.is32bit() ? 0 : va.high];
    const upper = [(high >>> 7) & 511, ((low >>> 30) | (high << 2)) & 511, (low >>> 21) & 511];
    let table = this.isOutsideGuest(va) ? undefined : this.page(this.bases.kernel);
    let writable = true;
    for (const i of this.is32bit() ? upper.slice(1) : upper) {
      const e = table?.read(i) ?? ZERO;
      writable &&= (e.flags & f.RW) !== 0;
      const child = (e.flags & (f.P | f.PSE)) === f.P ? this.page(e.mfn) : undefined;
      table = child?.owner === OWNER_GUEST ? child : undefined;
    }
    const slot = (low >>> 12) & 511;
    return { l1: table, slot, l1e: table?.read(slot) ?? ZERO, writable };
  }
  // do_update_va_mapping. The L1 entry that the kernel's tables have for the address (rules 3.7).
  update_va({ va, entry: e, flush, badBitmap, fd }: Of<'update_va'>): number {
    const { l1, slot } = this.walk(va);
    if (this.fdError(fd) !== OK) return this.fdError(fd);
    if (l1?.type !== TYPE_L1 || !l1.validated) return EINVAL;
    const code = this.modEntry(l1, slot, e, fd);
    return code === OK && flush !== 'none' && badBitmap ? EFAULT : code;
  }
  // A store of the guest kernel's reaches memory, is emulated, or faults (rules 3.11).
  store({ va, part, entry: e }: Of<'store'>): number {
    const { l1e, writable } = this.walk(va);
    const [page, slot] = [this.page(l1e.mfn), (va.low >>> 3) & 511];
    if (!rules.isPresent(l1e) || (l1e.flags & f.RW && !writable)) return FAULT;
    if (!(l1e.flags & f.RW)) return this.store_frame({ mfn: l1e.mfn, slot, part, entry: e });
    if (page.owner === OWNER_GUEST) this.setEntry(page, slot, f.withPart(page.read(slot), part, e));
    return OK;
  }
  // pv/ro-page-fault.c: ptwr_emulated_update. Xen itself stores to an L1 table in use, mapped read-only.
  // When a 32-bit guest writes an upper half that may not be, the entry becomes not present (rules 3.11).
  store_frame({ mfn, slot, part, entry: value }: Omit<Of<'store_frame'>, 'kind'>): number {
    const { hardwareDomain, writablePagetables } = this.machine;
    const table = this.page(mfn);
    if (hardwareDomain && this.isReadOnlyIo(mfn)) return OK;
    if (!(hardwareDomain || writablePagetables) || table.type !== TYPE_L1 || !table.validated) return FAULT;
    const e = f.withPart(table.read(slot), part, value);
    const code = this.modEntry(table, slot, e, 'self', false);
    if (code === OK || !this.is32bit() || part !== 'high') return code === OK ? OK : FAULT;
    return this.modEntry(table, slot, entry(e.mfn, e.flags & ~f.P), 'self');
  }
  // Plain stores, possible to a page that nobody uses as anything but memory (docs/format.md).
  fill({ mfn, entries }: Of<'fill'>): number {
    const page = this.page(mfn);
    if (page.owner !== OWNER_GUEST || (page.typeRefs.length > 0 && page.type !== TYPE_WRITABLE)) return FAULT;
    this.setMemory(page);
    for (const { slot, entry: e } of entries) this.setEntry(page, slot, e);
    return OK;
  }
  // steal_page. Only a page that nobody refers to can be given away (rules 1.2).
  release({ mfn }: Frame): number {
    const { special, generalRefs } = this.page(mfn);
    if (special || generalRefs.length !== 1 || generalRefs[0] !== by.ALLOCATION) return EINVAL;
    this.free(this.page(mfn));
    return OK;
  }
  receive({ mfn, count }: Range): number {
    if (mfn + count > this.frameLimit) return EINVAL;
    for (let i = 0; i < count; i++) if (this.page(mfn + i).owner !== t.OWNER_NOBODY) return EINVAL;
    for (let i = 0; i < count; i++) this.allocate(mfn + i);
    return OK;
  }
  // common/memory.c: guest_remove_page. The allocation's reference goes, if still there (rules 1.2).
  decrease_reservation({ mfn }: Frame): number {
    const { owner, generalRefs } = this.page(mfn);
    if (generalRefs.includes(by.ALLOCATION)) this.putPage(this.page(mfn), by.ALLOCATION);
    return owner === OWNER_GUEST ? OK : NONE;
  }
  // The tables count as validated, and each entry takes what it holds by the usual rules (docs/format.md).
  start(machine: Machine): void {
    const { ram, shared, tables, base } = machine.start;
    Object.assign(this, { machine, touched: [] });
    this.frameLimit = Math.max(0, ...[...ram, ...shared].map(({ mfn, count }) => mfn + count));
    this.pages = Array.from({ length: this.frameLimit });
    this.reset();
    for (const { mfn, count } of [...ram, ...shared]) for (let i = 0; i < count; i++) this.allocate(mfn + i);
    const heap = () => ({ special: true, type: TYPE_WRITABLE, validated: true, typeRefs: [by.XEN_SHARE] });
    for (const { mfn, count } of shared)
      for (let i = 0; i < count; i++) Object.assign(this.page(mfn + i), heap());
    for (const { level, mfn, entries } of tables) {
      this.page(mfn).setType(level, true);
      for (const { slot, entry: e } of entries) this.setEntry(this.page(mfn), slot, e);
    }
    const paeL3s = tables.filter(({ level }) => this.is32bit() && level === TYPE_L3);
    for (const { mfn } of paeL3s) this.page(this.page(mfn).read(3).mfn).setType(TYPE_L2_PAE, true);
    for (const { level, mfn, pinned } of tables) if (pinned) this.getPageAndType(mfn, level, by.PIN);
    this.getPageAndType(base, this.is32bit() ? TYPE_L3 : TYPE_L4, by.KERNEL_BASE);
    for (const { mfn, entries } of tables.toSorted((a, b) => b.level - a.level)) {
      for (const { slot, entry: e } of entries) this.getPageFromEntry(e, this.page(mfn), slot, OWNER_GUEST);
      this.writeXenSlots(this.page(mfn));
    }
    if (!this.is32bit()) this.fillRoMpt(this.page(base));
    for (const page of this.touched) page.atStart = undefined;
    this.touched = [];
  }
  reset(): void {
    for (const page of this.touched) this.pages[page.mfn] = page.atStart;
    Object.assign(this, { queued: undefined, gdt: [], ldt: NO_LDT, ldtFrames: new Map(), m2p: new Map() });
    this.bases = { kernel: this.machine.start.base, user: 0 };
    this.touched = [];
    this.changes.clear();
  }
  run(code: Int32Array, at: number, results: Int32Array): void {
    this.changes.clear();
    const op = decode(code, at);
    results[at / RECORD] = op.kind === 'multicall' ? OK : this.perform(op);
    const items = op.kind === 'multicall' ? itemsAt(code, at) : [];
    for (const item of items) results[item / RECORD] = this.perform(decode(code, item));
  }
  info(mfn: number): number {
    const page = this.page(mfn);
    const flags = (page.validated ? t.INFO_VALIDATED : 0) | (page.special ? t.INFO_SPECIAL : 0);
    const pinned = (isPinned(page) ? t.INFO_PINNED : 0) | (page.owner << t.INFO_OWNER_SHIFT);
    const partial = isPartial(page) ? t.INFO_PARTIAL | (page.handed ? t.INFO_HANDED : 0) : 0;
    const isAllocated = page.generalRefs.includes(by.ALLOCATION);
    return page.type | flags | pinned | partial | (isAllocated ? t.INFO_ALLOCATED : 0);
  }
  typeCount = (mfn: number): number => this.page(mfn).typeRefs.length;
  generalCount = (mfn: number): number => this.page(mfn).generalRefs.length;
  linearCount = (mfn: number): number => this.linearPtCount(this.page(mfn));
  partialFrom = (mfn: number): number => this.page(mfn).from;
  lostTypeReferences = (mfn: number): number => countLost(this.page(mfn).typeRefs);
  lostGeneralReferences = (mfn: number): number => countLost(this.page(mfn).generalRefs);
  low = (mfn: number, slot: number): number => f.lowOf(this.page(mfn).read(slot));
  high = (mfn: number, slot: number): number => f.highOf(this.page(mfn).read(slot));
  nextUsed(mfn: number, slot: number): number {
    let next: number = f.SLOTS;
    for (const used of this.page(mfn).memory.keys()) if (used >= slot && used < next) next = used;
    return next;
  }
  m2pLow = (mfn: number): number => this.m2p.get(mfn)?.low ?? -1;
  m2pHigh = (mfn: number): number => this.m2p.get(mfn)?.high ?? -1;
  kernelBase = (): number => this.bases.kernel;
  userBase = (): number => this.bases.user;
  gdtFrames = (): number => this.gdt.length;
  gdtFrame = (index: number): number => this.gdt[index] ?? 0;
  ldtEntries = (): number => this.ldt.entries;
  ldtLow = (): number => this.ldt.low;
  ldtHigh = (): number => this.ldt.high;
  ldtFrame = (page: number): number => this.ldtFrames.get(page) ?? 0;
  deferred = (): number => this.queued?.mfn ?? 0;
  loadedBase = (): number => this.bases.kernel;
  deferredWhole = (): number => (this.queued && !isPartial(this.queued) ? 1 : 0);
  deferredParent = (): number => 0;
  interrupted = (): number => 0;
  tlbSize = (): number => 0;
  tlbLow = (): number => 0;
  tlbHigh = (): number => 0;
  tlbFrame = (): number => 0;
  tlbWritable = (): number => 0;
  dying = (): number => 0;
}
const countLost = (refs: number[]): number =>
  refs.includes(by.LOST) ? refs.filter((holder) => holder === by.LOST).length : 0;
