/** A state as it was, to tell what an operation has changed that it should have left alone. */
import type { ModelState } from '../models/model.js';
import { P, SLOTS, mfnOf } from '../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  INFO_VALIDATED,
} from '../models/x86/page-type.js';
import { PAE_L3_SLOTS, isGuests } from './frames.js';
import { LDT_PAGES } from './recount.js';
import { entryName } from './wording.js';

/** What may happen to the contents of frames without a type reference: what a failed validation does, or Xen's changes of descriptors too. */
export type Tolerance = 'adjusted' | 'descriptors';

/** Something that is another now. */
export interface Change {
  readonly frame: number;
  /** In one sentence, without its full stop. */
  readonly what: string;
}

type FrameValue = readonly [what: string, of: (state: ModelState, mfn: number) => number];

/** References that were lost are booked, so what is left must be as before (rules 14). */
const COUNTS: readonly FrameValue[] = [
  ['type count', (state, mfn) => state.typeCount(mfn) - state.lostTypeReferences(mfn)],
  ['general count', (state, mfn) => state.generalCount(mfn) - state.lostGeneralReferences(mfn)],
];

const M2P: readonly FrameValue[] = [
  ['M2P low word', (state, mfn) => state.m2pLow(mfn)],
  ['M2P high word', (state, mfn) => state.m2pHigh(mfn)],
];

/** A frame without a type reference keeps any type, and none of these flags means anything. */
const STALE = INFO_TYPE | INFO_VALIDATED | INFO_PAE_XEN_L2;

export class Snapshot {
  private readonly infos: Int32Array;
  private readonly types: Int32Array;
  private readonly values: readonly (readonly [FrameValue, Int32Array])[];
  private readonly linears: Int32Array;
  private readonly contents = new Map<number, readonly [low: number, high: number]>();
  private readonly cpus: string;
  private readonly unfinished: string;

  constructor(private readonly state: ModelState) {
    const frames = (of: (mfn: number) => number) =>
      Int32Array.from({ length: state.frameLimit }, (_, mfn) => of(mfn));
    this.infos = frames((mfn) => state.info(mfn));
    this.types = frames((mfn) => state.typeCount(mfn));
    this.linears = frames((mfn) => state.linearCount(mfn));
    this.values = [...COUNTS, ...M2P].map((value) => [value, frames((mfn) => value[1](state, mfn))]);
    this.cpus = cpusOf(state);
    this.unfinished = unfinishedOf(state);
    for (let mfn = 0; mfn < state.frameLimit; mfn++) {
      if (!isGuests(this.infos[mfn])) continue;
      for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1))
        this.contents.set(mfn * SLOTS + slot, [state.low(mfn, slot), state.high(mfn, slot)]);
    }
  }

  /** Whether partial and deferred tables are as they were: then nothing has been resumed, begun or cleaned up. */
  sameUnfinished(): boolean {
    return unfinishedOf(this.state) === this.unfinished;
  }

  /** First count, type or flag of a frame in use, entry, base pointer or descriptor table that is another now. */
  change(tolerance: Tolerance = 'adjusted'): Change | undefined {
    const { state } = this;
    if (state.frameLimit !== this.infos.length)
      return { frame: 0, what: 'is not the only frame: there are more now' };
    if (cpusOf(state) !== this.cpus) {
      return {
        frame: state.kernelBase(),
        what: 'is the kernel base pointer, but not all bases, GDT and LDT are as before',
      };
    }
    for (let mfn = 0; mfn < this.infos.length; mfn++) {
      const what = this.changeOf(mfn);
      if (what !== undefined) return { frame: mfn, what };
    }
    return this.contentChange(tolerance);
  }

  private changeOf(mfn: number): string | undefined {
    const { state } = this;
    for (const [[what, of], before] of this.values) {
      const now = of(state, mfn);
      if (now !== before[mfn]) return `has ${what} ${now}, ${before[mfn]} before`;
    }
    const used = this.types[mfn] > 0;
    const changed = this.infos[mfn] ^ state.info(mfn);
    if ((used ? changed : changed & ~STALE) !== 0)
      return `has information 0x${state.info(mfn).toString(16)}, 0x${this.infos[mfn].toString(16)} before`;
    if (used && state.linearCount(mfn) !== this.linears[mfn])
      return `has linear count ${state.linearCount(mfn)}, ${this.linears[mfn]} before`;
    return undefined;
  }

  private contentChange(tolerance: Tolerance): Change | undefined {
    const { state } = this;
    for (const key of this.contents.keys()) {
      const mfn = Math.floor(key / SLOTS);
      if (!this.isKept(mfn, key % SLOTS, tolerance)) return this.otherEntry(mfn, key % SLOTS);
    }
    for (let mfn = 0; mfn < this.infos.length; mfn++) {
      if (!isGuests(this.infos[mfn])) continue;
      for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1))
        if (!this.isKept(mfn, slot, tolerance)) return this.otherEntry(mfn, slot);
    }
    return undefined;
  }

  private otherEntry(frame: number, slot: number): Change {
    return { frame, what: `holds another entry in ${entryName(frame, slot, this.state.machine)}` };
  }

  private isKept(mfn: number, slot: number, tolerance: Tolerance): boolean {
    const { state } = this;
    const [low, high] = this.contents.get(mfn * SLOTS + slot) ?? [0, 0];
    const now = state.low(mfn, slot);
    if (now === low && state.high(mfn, slot) === high) return true;
    if (this.types[mfn] > 0) return false;
    if (tolerance === 'descriptors') return true;
    // What was validated before the failing slot keeps Xen's flags; a 32-bit L3 loses entries 4..511 (rules 2.6).
    if ((now & P) !== 0) return (low & P) !== 0 && mfnOf(now, state.high(mfn, slot)) === mfnOf(low, high);
    return state.machine.arch === 'x86_32' && slot >= PAE_L3_SLOTS && (now | state.high(mfn, slot)) === 0;
  }
}

/** Base pointers, GDT and LDT of all vCPUs; not what is loaded, since every operation goes back to kernel mode. */
function cpusOf(state: ModelState): string {
  const values: number[] = [];
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) {
    values.push(state.kernelBase(cpu), state.userBase(cpu), state.gdtFrames(cpu));
    for (let i = 0; i < state.gdtFrames(cpu); i++) values.push(state.gdtFrame(i, cpu));
    values.push(state.ldtEntries(cpu), state.ldtLow(cpu), state.ldtHigh(cpu));
    for (let page = 0; page < LDT_PAGES; page++) values.push(state.ldtFrame(page, cpu));
  }
  return values.join();
}

function unfinishedOf(state: ModelState): string {
  const values: number[] = [];
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++) values.push(state.deferred(cpu));
  for (let mfn = 0; mfn < state.frameLimit; mfn++) {
    const info = state.info(mfn);
    if ((info & INFO_PARTIAL) !== 0) values.push(mfn, info & INFO_HANDED, state.partialFrom(mfn));
  }
  return values.join();
}
