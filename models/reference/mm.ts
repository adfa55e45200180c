// Type references, and what becomes of the entries of tables: arch/x86/mm.c, rules 2 and 16.2 - 16.4.
// Who takes a reference names the holder. Refusals are error numbers; an L1 entry's check answers what to store.
import { MFN_ADDRESSABLE } from '../../src/program/machine.js';
import { CACHE_ATTRIBUTES, MFN_MAX, RW, ZERO, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { TYPE_L1, TYPE_L2, TYPE_L4, TYPE_WRITABLE, isTable } from '../x86/page-type.js';
import { EACCES, EBUSY, EINVAL, EPERM, OK } from '../x86/result.js';
import * as rules from './entries.js';
import { Frames } from './frames.js';
import { typeHex, typeInfoHex } from './printk.js';
import { DEFERRED, LOST, PARTIAL, TYPE_L2_PAE, type Page } from './page.js';
import { assert, entryHolder, handOver, ledgers, levelOf, strike } from './page.js';
import { INTERRUPTED, PreemptCheck, RESTART, isError, type Deferred, type Vcpu } from './vcpu.js';

interface Put {
  readonly preemptible?: boolean;
  readonly finish?: boolean; // PTF_partial_set: only finish what is partial
  readonly parent?: Page | undefined; // the table whose entry it was
}
interface Take {
  readonly preemptible?: boolean;
  readonly set?: boolean; // PTF_partial_set: the general reference is held already
  readonly retain?: boolean; // PTF_retain_ref_on_restart
}

export class Mm extends Frames {
  curr!: Vcpu;
  event = new PreemptCheck({});
  isDying = false;

  // _get_page_type. A page in use keeps its type, one in no use takes any whose validation it passes, a partial
  // table's goes on (rules 1.4, 16.2 GETTYPE).
  getPageType(page: Page, type: number, holder: number, preemptible = false): number {
    const isUnused = page.typeRefs.length === 0;
    if (!isUnused && page.type !== type) {
      // One level up it may be a linear entry, which is tried next.
      const isRecursive = isTable(type & t.INFO_TYPE) && levelOf(page) === (type & t.INFO_TYPE) + 1;
      if (!isRecursive)
        this.printk?.(
          `Bad type (saw ${typeInfoHex(page)} != exp ${typeHex(type)}) for mfn ${this.nameOf(page)}`,
        );
      return EINVAL;
    }
    if (preemptible && this.event.isContended()) return INTERRUPTED;
    const wasPartial = page.partial;
    this.changing(page).typeRefs.push(holder);
    if (isUnused && page.type !== type) {
      page.setType(type);
      this.flushAllTlbs();
    }
    if (page.validated) return OK;
    if (!isUnused) strike(page.typeRefs, PARTIAL);
    page.partial = false;
    page.validated = type === TYPE_WRITABLE;
    if (page.validated) return OK;
    if (!wasPartial) Object.assign(page, { nr: 0, set: false, linear: 0 });
    const code = this.validatePage(page, holder);
    if (wasPartial) this.putPage(page, PARTIAL);
    return code;
  }
  // validate_page. What fails is partial if it is deferred, else untyped (rules 1.5, 16.2 VALIDATE).
  validatePage(page: Page, holder: number): number {
    const isUpper = isTable(levelOf(page)) && levelOf(page) > TYPE_L1;
    const code = isUpper ? this.promote(page) : this.promoteL1(page);
    if (isError(code))
      this.printk?.(`Error while validating mfn ${this.nameOf(page)} for type ${typeHex(page.type)}`);
    if (code === OK) page.validated = true;
    else if (code === RESTART || (isError(code) && this.curr.deferred?.table === page)) {
      handOver(page.typeRefs, holder, PARTIAL);
      page.generalRefs.push(PARTIAL);
      page.partial = true;
    } else {
      strike(page.typeRefs, holder);
      if (code !== INTERRUPTED) page.setType(t.TYPE_NONE);
    }
    return code;
  }
  // _put_page_type. Out of use, a table gives back what its entries hold; the type field stays (rules 1.6, 16.2
  // PUTTYPE). A table that is interrupted before it began is whole again, even where it was partial.
  putPageType(page: Page, holder: number, { preemptible, finish, parent }: Put = {}): number {
    if (finish && !page.partial) return OK;
    const isWhole = !page.partial && (page.validated || this.isDying);
    if (finish ? page.typeRefs.length !== 1 : !isWhole) throw new Error(bugOn(page, finish ?? false));
    if (preemptible && this.event.isContended()) return INTERRUPTED;
    this.changing(page);
    const isLinear = parent !== undefined && levelOf(page) === levelOf(parent);
    const isLast = page.typeRefs.length === 1 && isTable(levelOf(page)) && (page.validated || page.partial);
    const wasValidated = page.validated;
    const code = isLast ? this.devalidatePage(page) : OK;
    if (isLinear && (wasValidated || !isLast) && code !== INTERRUPTED) this.dropLinearEntry(parent, page);
    const owner = finish ? PARTIAL : holder;
    if (code === OK) strike(page.typeRefs, owner);
    else handOver(page.typeRefs, owner, code === RESTART ? PARTIAL : holder);
    if (finish) this.putPage(page, PARTIAL);
    return code;
  }
  // devalidate_page, and what _put_final_page_type makes of its answer, but for the references.
  devalidatePage(page: Page): number {
    const wasPartial = page.partial;
    Object.assign(page, { validated: false, partial: false });
    if (!wasPartial) page.stopAt(512, false);
    const code = levelOf(page) === TYPE_L1 ? this.demoteL1(page, 512) : this.demote(page);
    page.validated = code === INTERRUPTED;
    page.partial = code === RESTART;
    if (code === RESTART) page.generalRefs.push(PARTIAL);
    return code;
  }
  // get_page_and_type_from_mfn. A table that is deferred because it failed keeps its general reference; the
  // place can give back but one (rules 16.3 TAKE).
  getPageAndType(mfn: number, type: number, holder: number, { preemptible, set, retain }: Take = {}): number {
    const page = this.page(mfn);
    if (!set && page.owner !== t.OWNER_GUEST) {
      this.printk?.(`Could not get page ref for mfn ${this.nameOf({ mfn })}`);
      return EINVAL;
    }
    if (!set) this.changing(page).generalRefs.push(holder);
    const code = this.getPageType(page, type, holder, preemptible);
    if (code === OK || set || (retain && code === RESTART)) return code;
    const { deferred } = this.curr;
    if (deferred?.table !== page || !isTable(type & t.INFO_TYPE)) this.putPage(page, holder);
    else if (isError(code)) {
      handOver(page.generalRefs, holder, deferred.held ? LOST : this.curr.as(DEFERRED));
      deferred.held = true;
    }
    return code;
  }
  putPageAndType(page: Page, holder: number): void {
    this.putPageType(page, holder);
    this.putPage(page, holder);
  }
  // get_page_from_l1e. Writable is only what is nothing but memory: that is the whole safety (rules 2.1, 2.3).
  getPageFromL1e(e: Entry, table: Page, slot: number, pgOwner: number): Entry | number {
    const [page, holder] = [this.page(e.mfn), entryHolder(table, slot)];
    if (this.isForbidden(TYPE_L1, e)) return EINVAL;
    if (!rules.isPresent(e)) return e;
    if (page.owner === t.OWNER_IO || e.mfn >= this.frameLimit) {
      const isPermitted = this.machine.hardwareDomain && e.mfn < MFN_ADDRESSABLE && pgOwner !== t.OWNER_XEN;
      if (!isPermitted && e.mfn === MFN_MAX) return EINVAL;
      if (!isPermitted) this.printk?.(`non-privileged attempt to map MMIO space ${this.nameOf(e)}`);
      if (!isPermitted) return EPERM;
      return rules.restrictIoMapping(e, this.isReadOnlyIo(e.mfn));
    }
    if (page.owner !== t.OWNER_GUEST || pgOwner !== t.OWNER_GUEST) return this.couldNotPin(e);
    if (page.special && e.flags & CACHE_ATTRIBUTES) {
      this.printk?.('Attempt to change cache attributes of Xen heap page');
      return EACCES;
    }
    if (e.flags & RW) {
      if (this.getPageAndType(e.mfn, TYPE_WRITABLE, holder) === OK) return e;
      this.printk?.('Could not get page type PGT_writable_page');
      return this.couldNotPin(e);
    }
    this.changing(page).generalRefs.push(holder);
    return e;
  }
  couldNotPin(e: Entry): number {
    this.printk?.(`Error getting mfn ${this.nameOf(e)} from L1 entry`);
    return EBUSY;
  }
  isForbidden(level: number, e: Entry): boolean {
    const forbidden = rules.forbiddenFlags(this.machine, level, e);
    if (forbidden !== 0)
      this.printk?.(`Bad L${level} flags ${level === 1 ? '0x' : ''}${forbidden.toString(16)}`);
    return forbidden !== 0;
  }
  // put_page_from_l1e. I/O mappings hold nothing (rules 2.3).
  putPageFromL1e(e: Entry, table: Page, slot: number): void {
    const [page, holder] = [this.page(e.mfn), entryHolder(table, slot)];
    if (!rules.isPresent(e) || page.owner !== t.OWNER_GUEST) return;
    if (e.flags & RW) this.putPageType(page, holder);
    this.putPage(page, holder);
  }
  // get_page_from_l2e .. l4e, pae_xen_mappings_check. The child is a table of the level below, or linear.
  // If a slot-3 L2 is shared, the references just taken are never given back (rules 2.4, 6.3, 14.2, 16.3 LNTAKE).
  getPageFromTableEntry(e: Entry, table: Page, slot: number, set = false, retain = false): number {
    const [level, holder] = [levelOf(table), entryHolder(table, slot)];
    if (this.isForbidden(level, e)) return EINVAL;
    if (!rules.isPresent(e)) return OK;
    const type = this.isPaeL3(table) && slot === 3 ? TYPE_L2_PAE : level - 1;
    const take = { preemptible: level > TYPE_L2, set, retain };
    const code = this.getPageAndType(e.mfn, type, holder, take);
    const child = this.page(e.mfn);
    if (code === EINVAL && !this.isPaeL3(table) && this.getLinearPagetable(e, table, slot)) {
      if (set && this.isIntended()) this.putPage(child, holder);
      return OK;
    }
    if (code !== OK || type !== TYPE_L2_PAE || child.typeRefs.length === 1) return code;
    if (!this.isIntended())
      for (const refs of set ? [child.typeRefs] : ledgers(child)) handOver(refs, holder, LOST);
    else if (set) this.putPageType(child, holder);
    else this.putPageAndType(child, holder);
    return EINVAL;
  }
  // put_page_from_l2e .. l4e. An entry for the table itself holds nothing (rules 2.5, 16.3 LNDROP).
  putPageFromTableEntry(e: Entry, table: Page, slot: number, finish: boolean): number {
    const [child, holder] = [this.page(e.mfn), entryHolder(table, slot)];
    if (!rules.isPresent(e) || child === table) return OK;
    const code = this.putPageType(child, holder, { preemptible: true, finish, parent: table });
    if (code === OK) this.putPage(child, holder);
    return code;
  }
  // dec_linear_entries, dec_linear_uses.
  dropLinearEntry(table: Page, target: Page): void {
    this.changing(table).linear--;
    this.changing(target).linear++;
  }
  // get_l2_linear_pagetable etc. An entry without RW may name a table of its level; no chains (rules 2.5).
  getLinearPagetable(e: Entry, table: Page, slot: number): boolean {
    const target = this.page(e.mfn);
    if (!this.machine.linear) return false;
    if (e.flags & RW) {
      this.printk?.('Attempt to create linear p.t. with write perms');
      return false;
    }
    if (target === table) return true;
    if (target.owner !== t.OWNER_GUEST || table.linear < 0 || target.linear > 0) return false;
    if (!target.validated || levelOf(target) !== levelOf(table)) return false;
    this.changing(table).linear++;
    this.changing(target).linear--;
    for (const refs of ledgers(target)) refs.push(entryHolder(table, slot));
    return true;
  }
  // promote_l1_table, validate_segdesc_page: in one go, and an L1 that fails is rolled back (rules 2.6).
  promoteL1(table: Page): number {
    for (const slot of table.slots()) {
      const [e, isL1] = [table.read(slot), table.type === TYPE_L1];
      const allowed = isL1
        ? this.getPageFromL1e(e, table, slot, t.OWNER_GUEST)
        : rules.checkDescriptor(this.machine, e);
      if (typeof allowed === 'number' && isL1) {
        this.printk?.(failure(allowed, table, slot));
        this.demoteL1(table, slot);
      }
      if (typeof allowed === 'number') return allowed;
      this.setEntry(table, slot, isL1 ? rules.adjustGuestEntry(this.is32bit(), TYPE_L1, allowed) : allowed);
    }
    return OK;
  }
  demoteL1(table: Page, end: number): number {
    for (const slot of table.slots().toReversed())
      if (slot < end) this.putPageFromL1e(table.read(slot), table, slot);
    return OK;
  }
  // promote_l2_table .. l4_table, from where they stopped. What passes is stored as Xen wants it (rules 2.6, 16.3).
  promote(table: Page): number {
    const [start, startSet, isPaeL3] = [table.nr, table.set, this.isPaeL3(table)];
    if (isPaeL3) for (const i of table.slots()) if (i > 3) this.setEntry(table, i, ZERO);
    const used = isPaeL3 ? [0, 1, 2, 3] : table.slots();
    // What comes after slot 3 is empty, but a demotion may have stopped there.
    for (let i = start; i <= (isPaeL3 && start <= 3 ? 3 : 511); i = this.slotAfter(i, used)) {
      const isStopped = i > start && levelOf(table) < TYPE_L4 && this.event.pending;
      const set = i === start && startSet;
      const code = isStopped ? INTERRUPTED : this.promoteEntry(table, i, set);
      if (code !== OK) return this.stopPromotion(table, i, set, code);
    }
    this.writeXenSlots(table);
    return OK;
  }
  // The next slot that something can happen at: any where an event is pending, else one that is not zero.
  slotAfter(slot: number, used: readonly number[]): number {
    return this.event.pending ? slot + 1 : (used.find((next) => next > slot) ?? 512);
  }
  slotBefore(slot: number, used: readonly number[]): number {
    return this.event.pending ? slot - 1 : (used.findLast((next) => next < slot) ?? -1);
  }
  promoteEntry(table: Page, slot: number, set: boolean): number {
    const e = table.read(slot);
    if (!this.isGuestSlot(table, slot)) return OK;
    if (!rules.isPresent(e)) return this.isPaeL3(table) && slot === 3 ? EINVAL : OK;
    const code = this.getPageFromTableEntry(e, table, slot, set, true);
    if (code !== OK) return code;
    this.setEntry(table, slot, rules.adjustGuestEntry(this.is32bit(), levelOf(table), e));
    this.event.unitDone();
    return OK;
  }
  // Interrupted, it goes on at this slot, or it has not begun. A table that fails after slot 0 is deferred, and
  // takes over the child in that slot if this was deferred for its own failure (rules 1.5, 2.6, 16.3 PROMOTE).
  stopPromotion(table: Page, slot: number, set: boolean, code: number): number {
    const [child, { deferred }] = [this.page(table.read(slot).mfn), this.curr];
    const isChildDeferred = levelOf(table) > TYPE_L2 && deferred?.table === child && isError(code);
    const isBegun = slot > 0 || (this.isIntended() && (set || isChildDeferred));
    if (code === INTERRUPTED && !isBegun) return INTERRUPTED;
    if (isBegun || code === RESTART) table.stopAt(slot, set || code === RESTART || isChildDeferred);
    if (!isError(code)) return RESTART;
    this.printk?.(failure(code, table, slot));
    // The general reference of the place becomes the slot's, or the slot's the place's.
    const [from, to] = [this.curr.as(DEFERRED), entryHolder(table, slot)];
    if (isChildDeferred && isBegun && !set) handOver(child.generalRefs, from, to);
    if (isChildDeferred && !isBegun && set && !deferred.held) handOver(child.generalRefs, to, from);
    if (isChildDeferred) deferred.held = !isBegun || (deferred.held && set);
    for (let i = 0; i < slot; i++) this.unadjust(table, i);
    if (isBegun)
      this.defer(this.curr, { table, whole: false, parent: undefined, held: false }, isChildDeferred);
    return code;
  }
  // demote_l2_table .. l4_table, downwards from where they stopped, absent entries too (rules 2.7, 16.3 DEMOTE).
  demote(table: Page): number {
    const used = table.slots();
    let [i, set] = [table.nr - (table.set ? 0 : 1), table.set];
    assert(i >= 0, `frame 0x${table.mfn.toString(16)} is demoted from slot -1 on, outside the table`);
    for (;;) {
      const e = table.read(i);
      const isPresent = this.isGuestSlot(table, i) && rules.isPresent(e);
      const code = isPresent ? this.putPageFromTableEntry(e, table, i, set) : OK;
      if (code !== OK) return this.stopDemotion(table, i, set, code);
      const child = this.page(e.mfn);
      if (set && (!isPresent || child === table)) this.forget(child, entryHolder(table, i));
      if (isPresent) this.event.unitDone();
      if (child !== table) this.unadjust(table, i);
      set = false;
      i = this.slotBefore(i, used);
      if (i < 0) break;
      if (levelOf(table) < TYPE_L4 && this.event.pending)
        return this.stopDemotion(table, i, false, INTERRUPTED);
    }
    table.type = levelOf(table);
    return OK;
  }
  stopDemotion(table: Page, slot: number, set: boolean, code: number): number {
    if (code === INTERRUPTED && slot === 511 && !(set && this.isIntended())) return INTERRUPTED;
    if (code === RESTART) table.stopAt(slot, true);
    else table.stopAt(slot + (set ? 0 : 1), set);
    return RESTART;
  }
  // old_guest_table := table. What was there is forgotten, unless the table took it over (rules 14.1, 5.4, 16.5).
  defer(vcpu: Vcpu, deferred: Deferred, isTakenOver = false): void {
    const [before, holder] = [vcpu.deferred, vcpu.as(DEFERRED)];
    vcpu.deferred = deferred;
    if (!before) return;
    assert(isTakenOver || !this.isIntended(), 'with quirks=intended no deferred table is forgotten');
    this.changing(before.table);
    if (before.held) handOver(before.table.generalRefs, holder, LOST);
    // A cleanup that lost its race may have made a partial table `whole`: it has no type reference to lose.
    const { typeRefs } = before.table;
    if (before.whole && typeRefs.includes(holder)) handOver(typeRefs, holder, LOST);
  }
  // The general reference of a slot that names its own table or is not present (rules 16.3 LNDROP, 16.8).
  forget(child: Page, holder: number): void {
    if (this.isIntended()) this.putPage(child, holder);
    else handOver(this.changing(child).generalRefs, holder, LOST);
  }
  // Both references of the holder's are given back later, the type as a whole.
  deferWhole(vcpu: Vcpu, table: Page, holder: number, parent?: Page): void {
    for (const refs of ledgers(this.changing(table))) handOver(refs, holder, vcpu.as(DEFERRED));
    this.defer(vcpu, { table, whole: true, parent, held: true });
  }
  // put_old_guest_table (rules 16.4 CLEANUP).
  putOldGuestTable(vcpu = this.curr): number {
    if (vcpu.deferred === undefined) return OK;
    const { table, whole, parent } = vcpu.deferred;
    const code = this.putPageType(table, vcpu.as(DEFERRED), { preemptible: true, finish: !whole, parent });
    const isWhole = code === INTERRUPTED && (whole || !this.isIntended());
    vcpu.deferred = code === OK ? undefined : { ...vcpu.deferred, whole: isWhole };
    if (code === OK) this.putPage(table, vcpu.as(DEFERRED));
    return code === OK ? OK : RESTART;
  }
  // put_page_and_type_preemptible; what is not done now is deferred, partial or whole (rules 16.4, 16.7).
  putOrDefer(page: Page, holder: number, vcpu = this.curr): number {
    const code = this.putPageType(page, holder, { preemptible: true });
    if (code === OK) this.putPage(page, holder);
    else if (code === INTERRUPTED) this.deferWhole(vcpu, page, holder);
    else {
      handOver(page.generalRefs, holder, vcpu.as(DEFERRED));
      this.defer(vcpu, { table: page, whole: false, parent: undefined, held: true });
    }
    return code === OK ? OK : RESTART;
  }
}
const failure = (code: number, table: Page, slot: number) =>
  `Failure -${code} in promote_l${levelOf(table)}_table: slot 0x${slot.toString(16)}`;
// What _put_page_type asserts: a program that gets here is a find.
function bugOn({ mfn, partial, validated, typeRefs }: Page, finish: boolean): string {
  const state = partial ? 'partial' : validated ? 'validated' : 'not validated';
  const what = `frame 0x${mfn.toString(16)} is ${state} with ${typeRefs.length} type references`;
  return `reference model: BUG_ON in _put_page_type: ${what}, to be ${finish ? 'finished' : 'dropped whole'}`;
}
