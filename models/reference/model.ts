// The model: how calls run, go on and end (rules 16.4), what a guest does without Xen or with its memory, the
// start state, and what can be asked.
import type { Machine, Range } from '../../src/program/machine.js';
import type { DomainId, Environment, ListOptions, Operation, Word64 } from '../../src/program/operation.js';
import { MMU_UPDATE_KINDS, MMUEXT_KINDS } from '../../src/program/operation.js';
import { decodeRequest, environmentOf } from '../../src/program/codec.js';
import { RECORD, itemsAt } from '../../src/program/record.js';
import type { Model } from '../model.js';
import * as f from '../x86/entry.js';
import { entry, type Entry } from '../x86/entry.js';
import * as t from '../x86/page-type.js';
import { OWNER_GUEST, TYPE_L1, TYPE_L2, TYPE_L3, TYPE_L4, TYPE_WRITABLE, isTable } from '../x86/page-type.js';
import { DEAD, EFAULT, EINVAL, EPERM, ESRCH, FAULT, NONE, OK, PREEMPTED } from '../x86/result.js';
import { codeOf, withDone } from '../x86/result.js';
import { Lifecycle } from './destroy.js';
import * as rules from './entries.js';
import { FD_OWNERS, type Frame, type Of } from './hypercalls.js';
import * as by from './page.js';
import { TYPE_L2_PAE, isPinned, levelOf } from './page.js';
import { PreemptCheck, RESTART, Vcpu } from './vcpu.js';

// A call of mmu_update or mmuext_op, and how far it has got.
interface Call {
  readonly items: readonly Operation[];
  readonly options: ListOptions | undefined; // none for a single request, which counts nothing for the guest
  readonly refused: number;
  next: number;
  done: number;
  begun: boolean;
  answer: number | undefined; // once the list has ended
}

export class ReferenceModel extends Lifecycle implements Model {
  readonly name = 'reference';
  perform(op: Operation, fd?: DomainId): number {
    if (fd === undefined && (MMU_UPDATE_KINDS.has(op.kind) || MMUEXT_KINDS.has(op.kind)))
      return this.call([op], undefined);
    const methods = this as unknown as Record<string, (op: Operation, fd: DomainId) => number>;
    // FD owns no frame that can be named.
    const isForeign = fd !== undefined && fd !== 'self' && !/^(mmu|machphys)/.test(op.kind);
    const isOwn = () => /^(new_|set_)/.test(op.kind);
    return isForeign ? (isOwn() ? EPERM : EINVAL) : methods[op.kind]!(op, fd ?? 'self');
  }
  mmu_update_list({ options, pfd, items }: Of<'mmu_update_list'>): number {
    if (this.isOutOfRange(options)) return this.call(items, options, EFAULT);
    if (pfd === 'none') return this.call(items, options, ESRCH);
    const isFound = FD_OWNERS[options.fd] !== undefined;
    return this.call(items, options, isFound ? OK : withDone(ESRCH, options.continued ?? 0));
  }
  mmuext_op_list({ options, items }: Of<'mmuext_op_list'>): number {
    if (this.is32bit() && items.length === 0) return OK; // compat_mmuext_op translates nothing, and calls nothing
    return this.call(items, options, this.isOutOfRange(options) ? EFAULT : this.fdError(options.fd));
  }
  // All addresses of a 32-bit guest pass guest_handle_okay (rules 3.1).
  isOutOfRange = ({ badList }: ListOptions) => badList && !this.is32bit();
  call(items: readonly Operation[], options: ListOptions | undefined, refused: number = OK): number {
    const done = options?.continued ?? 0;
    const call: Call = { items, options, refused, next: 0, done, begun: false, answer: undefined };
    return this.untilAnswered(
      () => this.runCall(call),
      () => this.preempted(call),
    );
  }
  // do_mmu_update, do_mmuext_op. Up to the first that fails; `done` counts those before it (rules 3.1, 16.4 CALL).
  runCall(call: Call): number {
    if (this.putOldGuestTable() !== OK) return RESTART;
    if (call.answer !== undefined || call.refused !== OK) return call.answer ?? call.refused;
    const [{ items, options }, first] = [call, call.next];
    const unreadable = options?.badList ? 0 : options?.unreadable;
    const { end, refusal } = this.pieceOf(call, unreadable);
    let [code, isLinearStale] = [OK as number, false];
    for (call.begun = true; call.next < end; call.next++, call.done++) {
      const isStopped = this.curr.deferred || (call.next > first && this.event.pending);
      if (isStopped) code = RESTART;
      else if (call.next === unreadable) code = EFAULT;
      else code = this.perform(items[call.next]!, options?.fd ?? 'self');
      if (code !== OK) break;
      isLinearStale ||= this.isUpperUpdate(items[call.next]!);
      this.event.unitDone();
    }
    if (isLinearStale) this.flushAllTlbs();
    if (code === RESTART) return RESTART;
    const answered = (what: number) => (options ? withDone(what, call.done) : what);
    const isForgotten = this.curr.deferred && !this.isIntended();
    const answer = answered(code === OK && !isForgotten ? refusal : code);
    if (!this.curr.deferred) return answer;
    call.answer = answer;
    return RESTART;
  }
  // A 32-bit guest's mmuext_op is translated up to a request that cannot be read or is refused: what stands before
  // it runs as a list of its own (x86_64/compat/mm.c: compat_mmuext_op, rules 3.8).
  pieceOf({ items, next }: Call, unreadable?: number): { end: number; refusal: number } {
    const isRefused = ({ kind }: Operation, i: number) =>
      i >= next && MMUEXT_KINDS.has(kind) && (i === unreadable || kind === 'new_user_baseptr');
    const end = this.is32bit() ? items.findIndex(isRefused) : -1;
    if (end < 0) return { end: items.length, refusal: OK };
    return { end, refusal: end === unreadable ? EFAULT : EINVAL };
  }
  // The entry that was just stored is one of a table above L1 (flush_linear_pt, rules 16.6).
  isUpperUpdate(op: Operation): boolean {
    const table = op.kind === 'mmu_update' ? this.page(op.mfn) : undefined;
    return table !== undefined && table.validated && isTable(levelOf(table)) && table.type !== TYPE_L1;
  }
  // The guest sees its count now. What goes on when the list has ended carries nothing but the answer.
  preempted(call: Call): number {
    const isCounted = call.options !== undefined && call.begun;
    if (call.answer !== undefined) Object.assign(call, { answer: codeOf(call.answer), begun: false });
    return isCounted ? withDone(PREEMPTED, call.done) : PREEMPTED;
  }
  // hypercall_create_continuation: at once, unless the guest has an event to see to (rules 16.4 CONTINUE).
  untilAnswered(attempt: () => number, preempted = (): number => PREEMPTED): number {
    for (;;) {
      const answer = attempt();
      if (answer !== RESTART) return answer;
      if (!this.event.pending) continue;
      this.curr.interrupted = () => this.untilAnswered(attempt, preempted);
      return preempted();
    }
  }
  resume(): number {
    const { interrupted } = this.curr;
    this.curr.interrupted = undefined;
    return interrupted ? interrupted() : NONE;
  }
  // pv/emul-priv-op.c: write_cr. What is left deferred stays so while the guest goes on (rules 5.4).
  write_cr3({ mfn }: Frame): number {
    return this.untilAnswered(() => {
      if (this.page(mfn).owner !== OWNER_GUEST) return FAULT;
      if (this.isIntended() && this.putOldGuestTable() !== OK) return RESTART;
      const code = this.new_baseptr({ mfn });
      if (this.isIntended() && code !== RESTART) this.putOldGuestTable();
      return code === OK || code === RESTART ? code : FAULT;
    });
  }
  initialise = (op: Of<'initialise'>): number => this.untilAnswered(() => this.initialiseVcpu(op));
  // A load. What the TLB holds is used as it is (rules 16.6).
  touch({ va }: Of<'touch'>): number {
    const { pages } = this.curr.tlb;
    if (pages.find(va)) return OK;
    const { l1e, writable } = this.walk(va);
    if (rules.isPresent(l1e)) pages.add(va, l1e.mfn, writable);
    return rules.isPresent(l1e) ? OK : FAULT;
  }
  store({ va, part, entry: e }: Of<'store'>): number {
    this.curr.tlb.flush();
    return this.storeByWalk(va, part, e);
  }
  store_cached({ va, entry: e }: Of<'store_cached'>): number {
    const { pages } = this.curr.tlb;
    const held = pages.find(va);
    if (held?.writable) return this.storeTo(held.frame, va, 'entry', e);
    const { l1e, writable } = this.walk(va);
    if (rules.isPresent(l1e)) pages.add(va, l1e.mfn, writable);
    return this.storeByWalk(va, 'entry', e);
  }
  // A store of the guest kernel's reaches memory, is emulated, or faults (rules 3.11).
  storeByWalk(va: Word64, part: 'entry' | 'low' | 'high', e: Entry): number {
    const { l1e, writable } = this.walk(va);
    if (!rules.isPresent(l1e)) return FAULT;
    if (l1e.flags & f.RW) return writable ? this.storeTo(l1e.mfn, va, part, e) : FAULT;
    if (!this.emulatesStores()) return FAULT;
    const { l1e: seen } = this.throughWindow(va);
    const isReadOnly = (seen.flags & (f.P | f.RW)) === f.P;
    const slot = (va.low >>> 3) & 511;
    return isReadOnly ? this.store_frame({ mfn: seen.mfn, slot, part, entry: e }) : FAULT;
  }
  storeTo(mfn: number, va: Word64, part: 'entry' | 'low' | 'high', e: Entry): number {
    const [page, slot] = [this.page(mfn), (va.low >>> 3) & 511];
    if (page.owner === OWNER_GUEST) this.setEntry(page, slot, f.withPart(page.read(slot), part, e));
    return OK;
  }
  emulatesStores = (): boolean => this.machine.hardwareDomain || this.machine.writablePagetables;
  // pv/ro-page-fault.c: ptwr_emulated_update. Xen itself stores to an L1 table in use, mapped read-only.
  // When a 32-bit guest writes an upper half that may not be, the entry becomes not present (rules 3.11).
  store_frame({ mfn, slot, part, entry: value }: Omit<Of<'store_frame'>, 'kind'>): number {
    const table = this.page(mfn);
    if (this.machine.hardwareDomain && this.isReadOnlyIo(mfn)) return OK;
    if (!this.emulatesStores() || table.type !== TYPE_L1 || !table.validated) return FAULT;
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
    const root = this.is32bit() ? TYPE_L3 : TYPE_L4;
    for (const vcpu of this.vcpus) this.getPageAndType(base, root, vcpu.as(by.KERNEL_BASE));
    for (const { mfn, level, entries } of tables.toSorted((a, b) => b.level - a.level)) {
      const table = this.page(mfn);
      for (const { slot, entry: e } of entries)
        if (level >= TYPE_L2) this.getPageFromTableEntry(e, table, slot);
        else this.getPageFromL1e(e, table, slot, OWNER_GUEST);
      this.writeXenSlots(table);
    }
    if (!this.is32bit()) this.fillRoMpt(this.page(base));
    for (const page of this.touched) page.atStart = undefined;
    this.touched = [];
  }
  reset(machine = this.machine): void {
    const { vcpus, start } = (this.machine = machine);
    for (const page of this.touched) this.pages[page.mfn] = page.atStart;
    this.vcpus = Array.from({ length: vcpus }, (_, id) => new Vcpu(id, start.base));
    const relinquishing = { level: TYPE_L4, mfn: 0 };
    const event = new PreemptCheck({});
    Object.assign(this, { curr: this.vcpus[0], event, isDying: false, relinquishing });
    Object.assign(this, { m2p: new Map(), touched: [] });
    this.changes.clear();
  }
  // A vCPU that is down runs nothing, and in a dying domain none does. Multicalls run without interruption, up to a
  // return to user mode (common/multicall.c: do_multicall).
  run(code: Int32Array, at: number, results: Int32Array): void {
    this.changes.clear();
    const [op, environment] = [decodeRequest(code, at), environmentOf(code, at)];
    const vcpu = this.vcpus[environment.cpu];
    const isDead = op.kind !== 'destroy' && (this.isDying || vcpu?.state !== 'up');
    const isMulticall = op.kind === 'multicall';
    if (!isDead) this.enter(vcpu ?? this.curr, isMulticall ? {} : environment);
    results[at / RECORD] = isDead ? DEAD : isMulticall ? OK : this.perform(op);
    let instead = isDead ? DEAD : undefined;
    for (const item of isMulticall ? itemsAt(code, at) : []) {
      const call = decodeRequest(code, item);
      results[item / RECORD] = instead ?? this.perform(call);
      if (call.kind === 'iret_user') instead ??= NONE;
    }
  }
  // The vCPU runs its kernel, which it may have to come back to.
  enter(vcpu: Vcpu, environment: Environment): void {
    if (vcpu.inUserMode) vcpu.tlb.flush();
    vcpu.inUserMode = false;
    this.curr = vcpu;
    this.event = new PreemptCheck(environment);
  }
  info(mfn: number): number {
    const page = this.page(mfn);
    const flags = (page.validated ? t.INFO_VALIDATED : 0) | (page.special ? t.INFO_SPECIAL : 0);
    const pinned = (isPinned(page) ? t.INFO_PINNED : 0) | (page.owner << t.INFO_OWNER_SHIFT);
    const partial = page.partial ? t.INFO_PARTIAL | (page.set ? t.INFO_HANDED : 0) : 0;
    const isAllocated = page.generalRefs.includes(by.ALLOCATION);
    return page.type | flags | pinned | partial | (isAllocated ? t.INFO_ALLOCATED : 0);
  }
  typeCount = (mfn: number): number => this.page(mfn).typeRefs.length;
  generalCount = (mfn: number): number => this.page(mfn).generalRefs.length;
  linearCount = (mfn: number): number => this.page(mfn).linear;
  partialFrom = (mfn: number): number => (this.page(mfn).partial ? this.page(mfn).nr : 0);
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
  kernelBase = (cpu = 0): number => this.vcpus[cpu]!.kernelBase;
  userBase = (cpu = 0): number => this.vcpus[cpu]!.userBase;
  loadedBase = (cpu = 0): number => loadedBaseOf(this.vcpus[cpu]!);
  gdtFrames = (cpu = 0): number => this.vcpus[cpu]!.gdt.length;
  gdtFrame = (index: number, cpu = 0): number => this.vcpus[cpu]!.gdt[index] ?? 0;
  ldtEntries = (cpu = 0): number => this.vcpus[cpu]!.ldt.entries;
  ldtLow = (cpu = 0): number => this.vcpus[cpu]!.ldt.low;
  ldtHigh = (cpu = 0): number => this.vcpus[cpu]!.ldt.high;
  ldtFrame = (page: number, cpu = 0): number => this.vcpus[cpu]!.ldtFrames.get(page) ?? 0;
  deferred = (cpu = 0): number => this.vcpus[cpu]!.deferred?.table.mfn ?? 0;
  deferredWhole = (cpu = 0): number => (this.vcpus[cpu]!.deferred?.whole ? 1 : 0);
  deferredParent = (cpu = 0): number => this.vcpus[cpu]!.deferred?.parent?.mfn ?? 0;
  interrupted = (cpu = 0): number => (this.vcpus[cpu]!.interrupted ? 1 : 0);
  tlbSize = (cpu = 0): number => this.vcpus[cpu]!.tlb.pages.held.length;
  tlbLow = (index: number, cpu = 0): number => this.vcpus[cpu]!.tlb.pages.held[index]!.low;
  tlbHigh = (index: number, cpu = 0): number => this.vcpus[cpu]!.tlb.pages.held[index]!.high;
  tlbFrame = (index: number, cpu = 0): number => this.vcpus[cpu]!.tlb.pages.held[index]!.frame;
  dying = (): number => (this.isDying ? 1 : 0);
  tlbWritable = (index: number, cpu = 0): number =>
    this.vcpus[cpu]!.tlb.pages.held[index]!.writable ? 1 : 0;
}
const countLost = (refs: number[]): number =>
  refs.includes(by.LOST) ? refs.filter((holder) => holder === by.LOST).length : 0;
function loadedBaseOf({ state, inUserMode, userBase, kernelBase }: Vcpu): number {
  return state !== 'up' ? 0 : inUserMode ? userBase : kernelBase;
}
