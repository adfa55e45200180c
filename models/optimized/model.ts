import type { Machine } from '../../src/program/machine.js';
import {
  OP_ACCESS_LDT,
  OP_CLEAR_PAGE,
  OP_COPY_PAGE,
  OP_DECREASE_RESERVATION,
  OP_FILL,
  OP_MACHPHYS,
  OP_MMU_UPDATE,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT,
  OP_MMUEXT_LIST,
  OP_MULTICALL,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_PIN,
  OP_RECEIVE,
  OP_RELEASE,
  OP_SET_GDT,
  OP_SET_LDT,
  OP_STORE,
  OP_STORE_FRAME,
  OP_UPDATE_DESCRIPTOR,
  OP_UPDATE_VA,
  OP_WRITE_CR3,
  OP_RESUME,
  OP_TOUCH,
  OP_UNPIN,
  OP_STORE_CACHED,
  OP_IRET_USER,
  OP_INITIALISE,
  OP_RESET_VCPU,
  OP_DESTROY,
  CPU_MASK,
  CPU_SHIFT,
  OPT_BAD,
  RECORD,
  RECORD_SHIFT,
  span,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_ITEMS,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
  W_SLOT,
  VARIANT_MASK,
  VARIANT_SHIFT,
} from '../../src/program/record.js';
import type { DefectId } from '../defects/ids.js';
import type { Model } from '../model.js';
import type { Changes } from '../x86/changes.js';
import { INFO_PARTIAL } from '../x86/page-type.js';
import { DEAD, FAULT, NONE, OK } from '../x86/result.js';
import { accessLdt, setGdt, updateDescriptor } from './descriptors.js';
import { decreaseReservation, receive, release } from './memory-ops.js';
import { enterKernel, returnToUser, writeCr3 } from './bases.js';
import { destroy } from './destroy.js';
import { firstDone, list, resume, single, singleUpdate } from './hypercall.js';
import { updateVa } from './mmu-update.js';
import { Snapshot } from './snapshot.js';
import { start } from './start.js';
import { State } from './state.js';
import { mayFill, store, storeCached, storeReadOnly, touchPage } from './store.js';
import { GDT_FRAMES } from './vcpu.js';
import { initialise, resetVcpu } from './vcpu-ops.js';

/**
 * Operations about frames alone, one bit each. Where they change a deferred table or translations, what does that says so
 * to `changes`. So does `destroy`: its number is that of one of them plus 32, as no other operation's is.
 */
const FRAMES_ONLY =
  (1 << OP_STORE) |
  (1 << OP_STORE_FRAME) |
  (1 << OP_FILL) |
  (1 << OP_MMU_UPDATE) |
  (1 << OP_MACHPHYS) |
  (1 << OP_UPDATE_VA) |
  (1 << OP_PIN) |
  (1 << OP_UNPIN) |
  (1 << OP_CLEAR_PAGE) |
  (1 << OP_COPY_PAGE) |
  (1 << OP_UPDATE_DESCRIPTOR) |
  (1 << OP_RELEASE) |
  (1 << OP_RECEIVE) |
  (1 << OP_DECREASE_RESERVATION);

/** Xen's PV page typing on typed arrays, written for speed; the one for reading is the reference model. */
export class OptimizedModel implements Model {
  readonly name = 'optimized';
  private readonly s: State;
  private readonly gdtList = new Int32Array(GDT_FRAMES);

  /** `defects` are the mistakes of Xen's history that the model is to make: none, unless a find is wanted. */
  constructor(defects?: ReadonlySet<DefectId>) {
    this.s = new State(defects);
  }

  get machine(): Machine {
    return this.s.machine;
  }

  get changes(): Changes {
    return this.s.changes;
  }

  get frameLimit(): number {
    return this.s.limit;
  }

  start(machine: Machine): void {
    start(this.s, machine);
  }

  reset(machine = this.machine): void {
    if (machine !== this.machine) this.s.adopt(machine);
    this.s.reset();
  }

  /** For whoever tries operation after operation in one state. */
  snapshot(): Snapshot {
    return new Snapshot(this.s);
  }

  run(code: Int32Array, at: number, results: Int32Array): void {
    const s = this.s;
    const word = code[at + W_OPCODE]!;
    s.begin(word);
    s.changes.vcpus = ((FRAMES_ONLY >> (word & 31)) & 1) === 0;
    const runs = ((word >> CPU_SHIFT) & CPU_MASK) === s.ready || this.enter(word);
    const answer = runs ? this.operation(code, at, word, results) : this.refused(code, at, results);
    results[at >> RECORD_SHIFT] = answer | 0; // says that it is a small whole number: there is nothing to convert
  }

  /** The vCPU of the operation is to run, in its kernel; false where it cannot. */
  private enter(word: number): boolean {
    const s = this.s;
    const cpu = (word >> CPU_SHIFT) & CPU_MASK;
    const vcpu = s.vcpus[cpu];
    const runs = vcpu !== undefined && vcpu.up && !s.dying;
    s.ready = -1;
    s.changes.vcpus = true;
    if (!runs && (word & 0xff) !== OP_DESTROY) return false;
    s.switchTo(vcpu ?? s.v);
    s.fromUser = s.v.userMode;
    if (s.fromUser) enterKernel(s);
    else if (runs) s.ready = cpu;
    return true;
  }

  private refused(code: Int32Array, at: number, results: Int32Array): number {
    const end = at + span(code, at) * RECORD;
    if ((code[at + W_OPCODE]! & 0xff) === OP_MULTICALL)
      for (let i = at + RECORD; i < end; i += span(code, i) * RECORD) results[i >> RECORD_SHIFT] = DEAD;
    return DEAD;
  }

  /** The operation at `at`, whose first word is `word`. */
  private operation(code: Int32Array, at: number, word: number, results: Int32Array): number {
    const s = this.s;
    switch (word & 0xff) {
      case OP_MMU_UPDATE:
        return singleUpdate(s, code, at, word);
      case OP_UPDATE_VA:
        return updateVa(s, code, at);
      case OP_MACHPHYS:
      case OP_PIN:
      case OP_UNPIN:
      case OP_NEW_BASEPTR:
      case OP_NEW_USER_BASEPTR:
      case OP_CLEAR_PAGE:
      case OP_COPY_PAGE:
      case OP_SET_LDT:
      case OP_MMUEXT:
        return single(s, code, at, word);
      case OP_MMU_UPDATE_LIST:
      case OP_MMUEXT_LIST:
        return list(s, code, at, 0, firstDone(code, at), false);
      case OP_MULTICALL:
        return this.multicall(code, at, results);
      case OP_FILL:
        return this.fill(code, at);
      case OP_SET_GDT:
        return this.setGdt(code, at);
      case OP_WRITE_CR3:
        return writeCr3(s, code, at);
      case OP_INITIALISE:
        return initialise(s, code, at);
      default:
        return this.plain(code, at, word);
    }
  }

  /** An operation that is told in so many words. */
  private plain(code: Int32Array, at: number, word: number): number {
    const s = this.s;
    const frame = code[at + W_FRAME]!;
    const slot = code[at + W_SLOT]!;
    const low = code[at + W_LOW]!;
    const high = code[at + W_HIGH]!;
    const variant = (word >> VARIANT_SHIFT) & VARIANT_MASK;
    switch (word & 0xff) {
      case OP_STORE:
        return store(s, frame, slot, variant, low, high);
      case OP_STORE_FRAME:
        return storeReadOnly(s, frame, slot, variant, low, high);
      case OP_UPDATE_DESCRIPTOR:
        return updateDescriptor(s, frame, slot, low, high, (code[at + W_OPTIONS]! & OPT_BAD) !== 0);
      case OP_ACCESS_LDT:
        return accessLdt(s, frame) ? OK : FAULT;
      case OP_RELEASE:
        return release(s, frame);
      case OP_RECEIVE:
        return receive(s, frame, code[at + W_COUNT]!);
      case OP_DECREASE_RESERVATION:
        return decreaseReservation(s, frame);
      case OP_RESUME:
        return resume(s);
      case OP_TOUCH:
        return touchPage(s, frame, slot);
      case OP_STORE_CACHED:
        return storeCached(s, frame, slot, low, high);
      case OP_IRET_USER:
        return returnToUser(s);
      case OP_RESET_VCPU:
        return resetVcpu(s, code[at + W_COUNT]!);
      case OP_DESTROY:
        return destroy(s);
      default:
        throw new Error(`opcode ${word & 0xff} is not an operation`);
    }
  }

  /** common/multicall.c: each call has its answer; a failing one stops nothing, a return to user mode the rest. */
  private multicall(code: Int32Array, at: number, results: Int32Array): number {
    const end = at + span(code, at) * RECORD;
    this.s.undisturbed();
    let left = false;
    for (let i = at + RECORD; i < end; i += span(code, i) * RECORD) {
      results[i >> RECORD_SHIFT] = left ? NONE : this.operation(code, i, code[i + W_OPCODE]!, results);
      if ((code[i + W_OPCODE]! & 0xff) === OP_IRET_USER) left = !this.s.bug('hypercall-in-user-mode');
    }
    return OK;
  }

  private fill(code: Int32Array, at: number): number {
    const mfn = code[at + W_FRAME]!;
    if (!mayFill(this.s, mfn)) return FAULT;
    this.s.zeroFrame(mfn);
    const end = at + span(code, at) * RECORD;
    for (let i = at + RECORD; i < end; i += RECORD) {
      this.s.setEntry(mfn, code[i + W_SLOT]!, code[i + W_LOW]!, code[i + W_HIGH]!);
    }
    return OK;
  }

  private setGdt(code: Int32Array, at: number): number {
    const listed = Math.min(code[at + W_ITEMS]!, this.gdtList.length);
    for (let i = 0; i < listed; i++) this.gdtList[i] = code[at + (i + 1) * RECORD + W_FRAME]!;
    return setGdt(this.s, this.gdtList, listed, code[at + W_COUNT]!);
  }

  info(mfn: number): number {
    return this.s.exists(mfn) ? this.s.info(mfn) : 0;
  }

  typeCount(mfn: number): number {
    return this.s.exists(mfn) ? this.s.typeCount(mfn) : 0;
  }

  generalCount(mfn: number): number {
    return this.s.exists(mfn) ? this.s.generalCount(mfn) : 0;
  }

  linearCount(mfn: number): number {
    return this.s.exists(mfn) ? this.s.linearCount(mfn) : 0;
  }

  partialFrom(mfn: number): number {
    return this.info(mfn) & INFO_PARTIAL ? this.s.from(mfn) : 0;
  }

  lostTypeReferences(mfn: number): number {
    return this.s.exists(mfn) ? this.s.lostTypes(mfn) : 0;
  }

  lostGeneralReferences(mfn: number): number {
    return this.s.exists(mfn) ? this.s.lostGenerals(mfn) : 0;
  }

  low(mfn: number, slot: number): number {
    return this.s.low(mfn, slot);
  }

  high(mfn: number, slot: number): number {
    return this.s.high(mfn, slot);
  }

  nextUsed(mfn: number, slot: number): number {
    return this.s.next(mfn, slot);
  }

  m2pLow(mfn: number): number {
    return this.s.exists(mfn) ? this.s.m2pLow(mfn) : -1;
  }

  m2pHigh(mfn: number): number {
    return this.s.exists(mfn) ? this.s.m2pHigh(mfn) : -1;
  }

  kernelBase(cpu = 0): number {
    return this.s.vcpus[cpu]!.kernelBase;
  }

  userBase(cpu = 0): number {
    return this.s.vcpus[cpu]!.userBase;
  }

  loadedBase(cpu = 0): number {
    return this.s.vcpus[cpu]!.loadedBase;
  }

  gdtFrames(cpu = 0): number {
    return this.s.vcpus[cpu]!.gdtCount;
  }

  gdtFrame(index: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.gdt[index]!;
  }

  ldtEntries(cpu = 0): number {
    return this.s.vcpus[cpu]!.ldtEntries;
  }

  ldtLow(cpu = 0): number {
    return this.s.vcpus[cpu]!.ldtLow;
  }

  ldtHigh(cpu = 0): number {
    return this.s.vcpus[cpu]!.ldtHigh;
  }

  ldtFrame(page: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.ldt[page]!;
  }

  deferred(cpu = 0): number {
    return this.s.vcpus[cpu]!.deferred;
  }

  deferredWhole(cpu = 0): number {
    return this.s.vcpus[cpu]!.deferredWhole ? 1 : 0;
  }

  deferredParent(cpu = 0): number {
    return this.s.vcpus[cpu]!.deferredParent;
  }

  interrupted(cpu = 0): number {
    return this.s.vcpus[cpu]!.isInterrupted ? 1 : 0;
  }

  tlbSize(cpu = 0): number {
    return this.s.vcpus[cpu]!.tlb.pages.count;
  }

  tlbLow(index: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.tlb.pages.low[index]!;
  }

  tlbHigh(index: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.tlb.pages.high[index]!;
  }

  tlbFrame(index: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.tlb.pages.frame[index]!;
  }

  tlbWritable(index: number, cpu = 0): number {
    return this.s.vcpus[cpu]!.tlb.pages.writable[index]!;
  }

  /** Of the last operation: units of work done after an event without looking for it (rules 16.1). */
  overdue(): number {
    return this.s.overdue;
  }

  /** Of the last operation: how deep the demotions of tables were nested. */
  depth(): number {
    return this.s.deepest;
  }

  dying(): number {
    return this.s.dying ? 1 : 0;
  }
}
