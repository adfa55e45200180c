// What a guest asks Xen for, one method per request of docs/format.md, in the order of the rules' section 3.
import type { DomainId, Operation, Word64 } from '../../src/program/operation.js';
import * as f from '../x86/entry.js';
import { ZERO, entry, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { OWNER_GUEST, TYPE_L1, TYPE_L3, TYPE_L4, TYPE_SEG_DESC, TYPE_WRITABLE } from '../x86/page-type.js';
import { EACCES, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, ESRCH, FAULT, OK } from '../x86/result.js';
import * as rules from './entries.js';
import { Mm } from './mm.js';
import * as by from './page.js';
import { entryHolder, isPinned, levelOf, type Page } from './page.js';
import { NO_LDT, RESTART, isError, restartable, type Vcpu } from './vcpu.js';

export type Of<K> = Extract<Operation, { kind: K }>;
export type Frame = { readonly mfn: number };
// get_pg_owner: FD's domain if there is one; one's own number is refused (rules 3.1).
export const FD_OWNERS = {
  self: OWNER_GUEST,
  io: t.OWNER_IO,
  xen: t.OWNER_XEN,
  own: undefined,
  none: undefined,
};

export class Hypercalls extends Mm {
  // XSM's default policy: only the hardware domain may act for another (rules 3.1).
  fdError = (fd: DomainId): number =>
    !FD_OWNERS[fd] ? ESRCH : fd === 'self' || this.machine.hardwareDomain ? OK : EPERM;
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
    const level = levelOf(table);
    if (this.isPaeL3(table) && slot >= 3) return EINVAL;
    if (!this.isGuestSlot(table, slot)) {
      this.printk?.(`L${level} update in Xen-private area, slot 0x${slot.toString(16)}`);
      return level === TYPE_L4 ? EINVAL : EPERM;
    }
    if (this.isForbidden(level, e)) return EINVAL;
    const [old, wanted] = [table.read(slot), rules.adjustGuestEntry(this.is32bit(), level, e)];
    const isFast = mayBeFast && rules.isFastPath(this.machine, level, old, wanted);
    if (level > TYPE_L1 && !isFast) return this.modTableEntry(table, slot, old, wanted);
    const stored = isFast ? wanted : this.getPageFromL1e(wanted, table, slot, FD_OWNERS[fd]!);
    if (typeof stored === 'number') return stored;
    this.setEntry(table, slot, stored);
    if (!isFast) this.putPageFromL1e(old, table, slot);
    return OK;
  }
  // Of an upper table the old entry's references are given back later (PTF_defer, rules 16.4).
  modTableEntry(table: Page, slot: number, old: Entry, wanted: Entry): number {
    const code = this.getPageFromTableEntry(wanted, table, slot);
    if (code !== OK) return restartable(code);
    this.setEntry(table, slot, wanted);
    const child = this.page(old.mfn);
    if (!rules.isPresent(old) || child === table) return OK;
    const isLinear = this.isIntended() && levelOf(child) === levelOf(table);
    if (isLinear) this.dropLinearEntry(table, child);
    this.deferWhole(this.curr, child, entryHolder(table, slot), this.isIntended() ? undefined : table);
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
  // MMUEXT_PIN_Ln_TABLE, MMUEXT_UNPIN_TABLE: pins do not nest, and any level is unpinned (rules 3.8, 16.4).
  pin({ level, mfn }: Of<'pin'>): number {
    if (this.is32bit() && level === 4) return OK;
    const [page, wasPinned] = [this.page(mfn), isPinned(this.page(mfn))];
    const code = this.getPageAndType(mfn, level, by.PIN, { preemptible: true });
    if (isError(code)) this.printk?.(`Error -${code} while pinning mfn ${this.nameOf({ mfn })}`);
    if (code !== OK || !wasPinned) return restartable(code);
    this.printk?.(`mfn ${this.nameOf({ mfn })} already pinned`);
    if (level === TYPE_L1) this.putPageAndType(page, by.PIN);
    else this.deferWhole(this.curr, page, by.PIN);
    return EINVAL;
  }
  unpin({ mfn }: Frame): number {
    if (!isPinned(this.page(mfn))) {
      const isOwn = this.page(mfn).owner === OWNER_GUEST;
      this.printk?.(`mfn ${this.nameOf({ mfn })} ${isOwn ? 'not pinned' : 'bad owner'}`);
      return EINVAL;
    }
    this.putOrDefer(this.page(mfn), by.PIN);
    return OK;
  }
  // new_guest_cr3. The new table is validated while the old one is still held, and with the tables goes what the
  // LDT refers to (rules 5.1, 16.4).
  new_baseptr({ mfn }: Frame): number {
    if (this.is32bit()) return this.newCompatBase(mfn);
    const [{ curr }, old] = [this, this.curr.kernelBase];
    if (this.putOldGuestTable() !== OK) return RESTART;
    if (mfn === old) curr.tlb.flush();
    if (mfn === old) return OK;
    const code = this.getPageAndType(mfn, TYPE_L4, curr.as(by.KERNEL_BASE), { preemptible: true });
    if (isError(code)) this.printk?.(`Error while installing new baseptr ${this.nameOf({ mfn })}`);
    if (code !== OK) return restartable(code);
    this.destroyLdt(curr);
    this.fillRoMpt(this.page(mfn));
    curr.kernelBase = mfn;
    curr.tlb.flush();
    return old === 0 ? OK : this.putOrDefer(this.page(old), curr.as(by.KERNEL_BASE));
  }
  // mod_l4_entry. A 32-bit guest's L3 hangs in an L4 of Xen's, so that the old one is given back later (rules 5.4).
  newCompatBase(mfn: number): number {
    const [{ curr }, old, holder] = [this, this.curr.kernelBase, this.curr.as(by.KERNEL_BASE)];
    const isNew = mfn !== old;
    const code = isNew ? this.getPageAndType(mfn, TYPE_L3, holder, { preemptible: true }) : OK;
    if (isError(code)) this.printk?.(`Error while installing new compat baseptr ${this.nameOf({ mfn })}`);
    if (code !== OK) return restartable(code);
    curr.kernelBase = mfn;
    if (isNew && old !== 0) this.deferWhole(curr, this.page(old), holder);
    this.destroyLdt(curr);
    curr.tlb.flush();
    return OK;
  }
  // MMUEXT_NEW_USER_BASEPTR (rules 5.2, 16.4).
  new_user_baseptr({ mfn }: Frame): number {
    const [{ curr }, old, holder] = [this, this.curr.userBase, this.curr.as(by.USER_BASE)];
    if (mfn === old) return OK;
    const code = mfn === 0 ? OK : this.getPageAndType(mfn, TYPE_L4, holder, { preemptible: true });
    if (isError(code)) this.printk?.(`Error -${code} installing new mfn ${this.nameOf({ mfn })}`);
    if (code !== OK) return restartable(code);
    curr.userBase = mfn;
    return old === 0 ? OK : this.putOrDefer(this.page(old), holder);
  }
  // The commands of mmuext_op that only flush, and those that do not exist (rules 3.8, 16.6).
  mmuext({ command, badBitmap }: Of<'mmuext'>, fd: DomainId): number {
    if (/^cmd|super$/.test(command)) return command.endsWith('super') ? EOPNOTSUPP : ENOSYS;
    if (fd !== 'self') return EPERM;
    const isDenied = command.startsWith('flush_cache') && !this.machine.hardwareDomain;
    if (isDenied) return command === 'flush_cache' ? EACCES : EINVAL;
    if (badBitmap && command.endsWith('multi')) return EINVAL;
    if (command === 'tlb_flush_local') this.curr.tlb.flush();
    if (command === 'tlb_flush_all' || command === 'tlb_flush_multi') this.flushAllTlbs();
    return OK;
  }
  // MMUEXT_SET_LDT: its pages are not looked at before they are used (rules 3.8).
  set_ldt({ va, entries }: Of<'set_ldt'>): number {
    const [old, ldt] = [this.curr.ldt, entries === 0 ? NO_LDT : { low: va.low, high: va.high, entries }];
    if (entries >>> 0 > 8192 || ldt.low & 0xfff || this.isOutsideGuest(ldt)) return EINVAL;
    const isSame = old.low === ldt.low && old.high === ldt.high && old.entries === ldt.entries;
    if (!isSame) this.destroyLdt(this.curr);
    this.curr.ldt = ldt;
    return OK;
  }
  // pv/mm.c: pv_map_ldt_shadow_page, at the first access to a page of the LDT (rules 3.10).
  access_ldt({ page }: Of<'access_ldt'>): number {
    const { ldt, ldtFrames } = this.curr;
    if (page * 512 >= ldt.entries) return FAULT;
    if (ldtFrames.has(page)) return OK;
    const low = (ldt.low >>> 0) + page * 4096;
    const { l1e } = this.throughWindow({ low: low | 0, high: (ldt.high + (low >= 2 ** 32 ? 1 : 0)) | 0 });
    const holder = this.curr.as(by.LDT_PAGE + page);
    if (!rules.isPresent(l1e) || this.getPageAndType(l1e.mfn, TYPE_SEG_DESC, holder)) return FAULT;
    ldtFrames.set(page, l1e.mfn);
    return OK;
  }
  destroyLdt(vcpu: Vcpu): void {
    for (const [page, mfn] of vcpu.ldtFrames)
      this.putPageAndType(this.page(mfn), vcpu.as(by.LDT_PAGE + page));
    vcpu.ldtFrames.clear();
  }
  // pv/descriptor-tables.c: pv_set_gdt. All of the new frames or none; the old ones go last (rules 3.9).
  set_gdt({ frames, entries }: Of<'set_gdt'>): number {
    const [{ curr }, gdt] = [this, frames.slice(0, Math.ceil((entries >>> 0) / 512))];
    if (entries >>> 0 > rules.FIRST_RESERVED_GDT_ENTRY) return EINVAL;
    if (gdt.length * 512 < entries) return EFAULT;
    const take = (mfn: number, i: number) =>
      this.getPageAndType(mfn, TYPE_SEG_DESC, curr.as(by.GDT_SLOT + i));
    const bad = gdt.findIndex((mfn, i) => take(mfn, i) !== OK);
    this.putGdt(curr, bad < 0 ? curr.gdt : gdt.slice(0, bad));
    if (bad < 0) curr.gdt = gdt;
    return bad < 0 ? OK : EINVAL;
  }
  putGdt(vcpu: Vcpu, gdt: readonly number[]): void {
    for (const [i, mfn] of gdt.entries()) this.putPageAndType(this.page(mfn), vcpu.as(by.GDT_SLOT + i));
  }
  // pv/descriptor-tables.c: do_update_descriptor. The type field counts even out of use (rules 3.9).
  update_descriptor({ mfn, slot, descriptor, misaligned }: Of<'update_descriptor'>): number {
    const fixed = rules.checkDescriptor(this.machine, f.entryOf(descriptor.low, descriptor.high));
    if (misaligned || typeof fixed === 'number') return EINVAL;
    const type = this.page(mfn).type === TYPE_SEG_DESC ? TYPE_SEG_DESC : TYPE_WRITABLE;
    return this.writeAs(type, mfn, (page) => this.setEntry(page, slot, fixed));
  }
  // do_update_va_mapping. The L1 entry that the kernel's tables have for the address (rules 3.7).
  update_va({ va, entry: e, flush, badBitmap, fd }: Of<'update_va'>): number {
    if (this.fdError(fd) !== OK) return this.fdError(fd);
    const { l1, slot } = this.throughWindow(va);
    if (l1?.type !== TYPE_L1 || !l1.validated) return EINVAL;
    const code = this.modEntry(l1, slot, e, fd);
    if (code !== OK || flush === 'none') return code;
    if (badBitmap) return EFAULT;
    if (flush === 'flush') this.curr.tlb.flush();
    else this.curr.tlb.pages.drop(va);
    return OK;
  }
  // Not canonical, or in the part of the address space that is Xen's (rules 3.7, 3.11).
  isOutsideGuest = ({ high }: Word64) => !this.is32bit() && high >>> 0 >= 0x8000 && high >>> 0 < 0xffff8800;
  // The processor's walk through the kernel's tables in memory. Where there is no L1 the entry is zero.
  walk(va: Word64): { l1: Page | undefined; slot: number; l1e: Entry; writable: boolean } {
    const [low, high] = [va.low, this.is32bit() ? 0 : va.high];
    const upper = [(high >>> 7) & 511, ((low >>> 30) | (high << 2)) & 511, (low >>> 21) & 511];
    const { kernelBase } = this.curr;
    let table = this.isOutsideGuest(va) || kernelBase === 0 ? undefined : this.page(kernelBase);
    let writable = true;
    for (const i of this.is32bit() ? upper.slice(1) : upper) {
      const e = table?.read(i) ?? ZERO;
      writable &&= (e.flags & f.RW) !== 0;
      const child = (e.flags & (f.P | f.PSE)) === f.P ? this.page(e.mfn) : undefined;
      table = child?.owner === OWNER_GUEST ? child : undefined;
    }
    const [slot, l1] = [(low >>> 12) & 511, table];
    const l1e = l1?.read(slot) ?? ZERO;
    return { l1, slot, l1e, writable: writable && (l1e.flags & f.RW) !== 0 };
  }
  // guest_get_eff_l1e, map_guest_l1e. The entry as Xen finds it, by the translation of its linear window that the
  // TLB holds, if it holds one (rules 16.6).
  throughWindow(va: Word64): { l1: Page | undefined; slot: number; l1e: Entry } {
    const [slot, { windows }] = [(va.low >>> 12) & 511, this.curr.tlb];
    const held = windows.find(va);
    const found = held ? this.page(held.frame) : this.walk(va).l1;
    if (found && !held) windows.add(va, found.mfn, true);
    const l1 = found?.owner === OWNER_GUEST ? found : undefined;
    return { l1, slot, l1e: l1?.read(slot) ?? ZERO };
  }
}
