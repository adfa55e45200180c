/** A state to come back to, for whoever tries operation after operation in it. */
import { RECORD, span } from '../../src/program/record.js';
import { WHOLE_FRAME } from '../x86/changes.js';
import { Memory } from './memory.js';
import type { State } from './state.js';
import type { Translations } from './tlb.js';
import { Vcpu } from './vcpu.js';

export class Snapshot {
  private readonly kept = new Memory();
  /** The records of the model whose frames are kept: others after a `start`. */
  private of = this.kept.frames;
  /** Frames that were not as at the start when they were kept. */
  private readonly dirty: number[] = [];
  private vcpus: Vcpu[] = [];

  /** Of a model's state; nothing is kept before `take`. */
  constructor(private readonly s: State) {}

  /** Keeps the state as it is, at the cost of what is not as at the start, now or when it was kept before. */
  take(): void {
    const { s, kept, dirty } = this;
    s.assert(!s.dying, 'a domain that is being destroyed has no snapshot');
    if (this.of === s.frames) for (const mfn of dirty) kept.copyFrom(mfn, s);
    else {
      kept.makeRoom(s.limit);
      for (let mfn = 0; mfn < s.limit; mfn++) kept.copyFrom(mfn, s);
      this.of = s.frames;
    }
    dirty.length = 0;
    for (let i = 0; i < s.dirtyCount; i++) {
      dirty.push(s.dirtyFrames[i]!);
      kept.copyFrom(s.dirtyFrames[i]!, s);
    }
    if (this.vcpus.length !== s.vcpus.length) this.vcpus = s.vcpus.map(() => new Vcpu());
    this.vcpus.forEach((kept, cpu) => copyVcpu(kept, s.vcpus[cpu]!));
  }

  /** Undoes the one operation that was run since `take`, at the cost of what it changed. `changes` stay as they are. */
  restore(): void {
    const { s, kept } = this;
    const { changes } = s;
    for (let i = 0; i < changes.frameCount; i++) {
      const mfn = changes.frames[i]!;
      if (mfn >>> 0 < s.limit) s.copyState(mfn, kept.frames);
    }
    for (let i = 0; i < changes.slotCount; i++) {
      const mfn = changes.slots[2 * i]!;
      const slot = changes.slots[2 * i + 1]!;
      if (slot === WHOLE_FRAME) s.copyContents(mfn, mfn, kept);
      else s.set(mfn, slot, kept.low(mfn, slot), kept.high(mfn, slot));
    }
    s.translates = false;
    for (let cpu = 0; cpu < s.vcpus.length; cpu++) {
      const vcpu = s.vcpus[cpu]!;
      copyVcpu(vcpu, this.vcpus[cpu]!);
      if (vcpu.tlb.pages.count + vcpu.tlb.window.count > 0) s.translates = true;
    }
    if (changes.frameCount + changes.slotCount > 0 || s.v !== s.vcpus[0]) s.forgetWalk();
    s.v = s.vcpus[0]!;
    s.ready = -1;
  }
}

function copyVcpu(to: Vcpu, from: Vcpu): void {
  to.up = from.up;
  to.inReset = from.inReset;
  to.kernelBase = from.kernelBase;
  to.userBase = from.userBase;
  to.userMode = from.userMode;
  to.loadedBase = from.loadedBase;
  to.gdtCount = from.gdtCount;
  for (let i = 0; i < from.gdtCount; i++) to.gdt[i] = from.gdt[i]!;
  to.ldtEntries = from.ldtEntries;
  to.ldtLow = from.ldtLow;
  to.ldtHigh = from.ldtHigh;
  if ((to.ldtMapped | from.ldtMapped) !== 0) to.ldt.set(from.ldt);
  to.ldtMapped = from.ldtMapped;
  to.deferred = from.deferred;
  to.deferredWhole = from.deferredWhole;
  to.deferredParent = from.deferredParent;
  to.leftover = from.leftover;
  to.isInterrupted = from.isInterrupted;
  if (from.isInterrupted) to.keepCall(from.call, 0, span(from.call, 0) * RECORD);
  to.callNext = from.callNext;
  to.callDone = from.callDone;
  to.callBegun = from.callBegun;
  to.callAnswer = from.callAnswer;
  copyTranslations(to.tlb.pages, from.tlb.pages);
  copyTranslations(to.tlb.window, from.tlb.window);
}

function copyTranslations(to: Translations, from: Translations): void {
  to.count = from.count;
  if (from.count === 0) return;
  to.low.set(from.low);
  to.high.set(from.high);
  to.frame.set(from.frame);
  to.writable.set(from.writable);
}
