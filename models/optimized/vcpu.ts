import { RECORD } from '../../src/program/record.js';
import { Tlb } from './tlb.js';

/** Frames a GDT has at most, and pages of an LDT. */
export const GDT_FRAMES = 14;
export const LDT_PAGES = 16;
/** Most calls are no longer than this; for the others there is more room made. */
const CALL_RECORDS = 8;

/** A virtual CPU: what Xen's struct vcpu says of its tables, and what it has begun and not ended. */
export class Vcpu {
  /** It has been initialised and not been reset. */
  up = false;
  /** Its reset has begun and not ended. */
  inReset = false;
  kernelBase = 0;
  userBase = 0;
  /** The user base pointer is loaded. */
  userMode = false;
  /** What CR3 holds. */
  loadedBase = 0;
  gdtCount = 0;
  readonly gdt = new Int32Array(GDT_FRAMES);
  ldtEntries = 0;
  ldtLow = 0;
  ldtHigh = 0;
  ldtMapped = 0;
  readonly ldt = new Int32Array(LDT_PAGES);
  /** old_guest_table: the table whose cleanup is pending; 0 for none. */
  deferred = 0;
  /** It holds a type reference (a replaced table), rather than to be finished only if it is partial. */
  deferredWhole = false;
  /** old_guest_ptpg: the table whose entry named it; 0 for none. */
  deferredParent = 0;
  /** What waited already when MOV to CR3 began, for as long as it does; else 0. */
  leftover = 0;
  /** A call was interrupted and has not gone on: its records stand at the beginning of `call`. */
  isInterrupted = false;
  call = new Int32Array(CALL_RECORDS * RECORD);
  /** First of its requests that has not been done. */
  callNext = 0;
  /** The list's count of done requests so far. */
  callDone = 0;
  /** Its list has been looked at, so the guest's count was written. */
  callBegun = false;
  /** What it will answer once the deferred table is gone; -1 while requests are left. */
  callAnswer = -1;
  readonly tlb = new Tlb();

  /** Keeps the records from `at` up to `end`, to go on with them. */
  keepCall(code: Int32Array, at: number, end: number): void {
    if (end - at > this.call.length) this.call = new Int32Array(2 * (end - at));
    for (let i = at; i < end; i++) this.call[i - at] = code[i]!;
  }

  /** What was deferred has been cleaned up, or taken back. */
  clearDeferred(): void {
    this.deferred = 0;
    this.deferredWhole = false;
    this.deferredParent = 0;
  }

  clear(): void {
    this.up = false;
    this.inReset = false;
    this.kernelBase = 0;
    this.userBase = 0;
    this.userMode = false;
    this.loadedBase = 0;
    this.gdtCount = 0;
    this.ldtEntries = 0;
    this.ldtLow = 0;
    this.ldtHigh = 0;
    if (this.ldtMapped !== 0) this.ldt.fill(0);
    this.ldtMapped = 0;
    this.clearDeferred();
    this.leftover = 0;
    this.isInterrupted = false;
    this.tlb.flush();
  }
}
