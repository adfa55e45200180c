import type { Machine } from '../../src/program/machine.js';
import {
  OP_ACCESS_LDT,
  OP_DECREASE_RESERVATION,
  OP_FILL,
  OP_MACHPHYS,
  OP_MMU_UPDATE,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_MULTICALL,
  OP_RECEIVE,
  OP_RELEASE,
  OP_SET_GDT,
  OP_STORE,
  OP_STORE_FRAME,
  OP_UPDATE_DESCRIPTOR,
  OP_UPDATE_VA,
  OP_WRITE_CR3,
  FD_SELF,
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
import type { Model } from '../model.js';
import type { Changes } from '../x86/changes.js';
import { INFO_PARTIAL } from '../x86/page-type.js';
import { FAULT, OK } from '../x86/result.js';
import { accessLdt, setGdt, updateDescriptor } from './descriptors.js';
import { decreaseReservation, receive, release } from './memory-ops.js';
import { mmuUpdate, mmuUpdateList, updateVa } from './mmu-update.js';
import { mmuext, mmuextList, writeCr3 } from './mmuext.js';
import { start } from './start.js';
import { GDT_FRAMES, State } from './state.js';
import { mayFill, store, storeReadOnly } from './store.js';

/** Xen's PV page typing on typed arrays, written for speed; the one for reading is the reference model. */
export class OptimizedModel implements Model {
  readonly name = 'optimized';
  private readonly s = new State();
  private readonly gdtList = new Int32Array(GDT_FRAMES);

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

  reset(): void {
    this.s.reset();
  }

  run(code: Int32Array, at: number, results: Int32Array): void {
    this.s.changes.clear();
    results[at >> RECORD_SHIFT] = this.operation(code, at, results);
  }

  private operation(code: Int32Array, at: number, results: Int32Array): number {
    const s = this.s;
    const frame = code[at + W_FRAME]!;
    const slot = code[at + W_SLOT]!;
    const low = code[at + W_LOW]!;
    const high = code[at + W_HIGH]!;
    const variant = (code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK;
    switch (code[at + W_OPCODE]! & 0xff) {
      case OP_STORE:
        return store(s, frame, slot, variant, low, high);
      case OP_UPDATE_VA:
        return updateVa(s, code, at);
      case OP_MMU_UPDATE:
      case OP_MACHPHYS:
        return mmuUpdate(s, code, at, FD_SELF);
      case OP_STORE_FRAME:
        return storeReadOnly(s, frame, slot, variant, low, high);
      case OP_FILL:
        return this.fill(code, at);
      case OP_SET_GDT:
        return this.setGdt(code, at);
      case OP_UPDATE_DESCRIPTOR:
        return updateDescriptor(s, frame, slot, low, high, (code[at + W_OPTIONS]! & OPT_BAD) !== 0);
      case OP_ACCESS_LDT:
        return accessLdt(s, frame) ? OK : FAULT;
      case OP_WRITE_CR3:
        return writeCr3(s, frame);
      case OP_RELEASE:
        return release(s, frame);
      case OP_RECEIVE:
        return receive(s, frame, code[at + W_COUNT]!);
      case OP_DECREASE_RESERVATION:
        return decreaseReservation(s, frame);
      case OP_MMU_UPDATE_LIST:
        return mmuUpdateList(s, code, at);
      case OP_MMUEXT_LIST:
        return mmuextList(s, code, at);
      case OP_MULTICALL:
        return this.multicall(code, at, results);
      default:
        return mmuext(s, code, at, FD_SELF);
    }
  }

  /** common/multicall.c: each element has its answer; a failing one stops nothing. */
  private multicall(code: Int32Array, at: number, results: Int32Array): number {
    const end = at + span(code, at) * RECORD;
    for (let i = at + RECORD; i < end; i += span(code, i) * RECORD) {
      results[i >> RECORD_SHIFT] = this.operation(code, i, results);
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
    return this.s.info[mfn] ?? 0;
  }

  typeCount(mfn: number): number {
    return this.s.typeCount[mfn] ?? 0;
  }

  generalCount(mfn: number): number {
    return this.s.generalCount[mfn] ?? 0;
  }

  linearCount(mfn: number): number {
    return this.s.linear[mfn] ?? 0;
  }

  partialFrom(mfn: number): number {
    return this.info(mfn) & INFO_PARTIAL ? this.s.from[mfn]! : 0;
  }

  lostTypeReferences(mfn: number): number {
    return this.s.lostTypes[mfn] ?? 0;
  }

  lostGeneralReferences(mfn: number): number {
    return this.s.lostGenerals[mfn] ?? 0;
  }

  low(mfn: number, slot: number): number {
    return this.s.low(mfn, slot);
  }

  high(mfn: number, slot: number): number {
    return this.s.high(mfn, slot);
  }

  nextUsed(mfn: number, slot: number): number {
    return this.s.memory.next(mfn, slot);
  }

  m2pLow(mfn: number): number {
    return this.s.m2pLow[mfn] ?? -1;
  }

  m2pHigh(mfn: number): number {
    return this.s.m2pHigh[mfn] ?? -1;
  }

  kernelBase(): number {
    return this.s.kernelBase;
  }

  userBase(): number {
    return this.s.userBase;
  }

  gdtFrames(): number {
    return this.s.gdtCount;
  }

  gdtFrame(index: number): number {
    return this.s.gdt[index]!;
  }

  ldtEntries(): number {
    return this.s.ldtEntries;
  }

  ldtLow(): number {
    return this.s.ldtLow;
  }

  ldtHigh(): number {
    return this.s.ldtHigh;
  }

  ldtFrame(page: number): number {
    return this.s.ldt[page]!;
  }

  deferred(): number {
    return this.s.deferred;
  }

  loadedBase(): number {
    return this.s.kernelBase;
  }

  deferredWhole(): number {
    return this.s.deferredWhole ? 1 : 0;
  }

  deferredParent(): number {
    return 0;
  }

  interrupted(): number {
    return 0;
  }

  tlbSize(): number {
    return 0;
  }

  tlbLow(): number {
    return 0;
  }

  tlbHigh(): number {
    return 0;
  }

  tlbFrame(): number {
    return 0;
  }

  tlbWritable(): number {
    return 0;
  }

  dying(): number {
    return 0;
  }
}
