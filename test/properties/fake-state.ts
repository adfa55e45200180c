/** A model state made by hand: the boot state of a standard machine, every part of which a test can spoil. */
import type { Model, ModelState } from '../../models/model.js';
import { Changes, WHOLE_FRAME } from '../../models/x86/changes.js';
import { P, RW, SLOTS, highWord, lowWord, mfnOf } from '../../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER_SHIFT,
  INFO_PAE_XEN_L2,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  OWNER_IO,
  OWNER_XEN,
  TYPE_L1,
  TYPE_WRITABLE,
} from '../../models/x86/page-type.js';
import { PAE_XEN_FLAGS, RO_MPT_FLAGS, XEN_SLOT_FLAGS } from '../../models/x86/xen-entries.js';
import {
  BOOT_MFN,
  FIRST_FRAME_MFN,
  XEN_MFN,
  standardMachine,
  type Arch,
  type Machine,
  type MachineOptions,
} from '../../src/program/machine.js';

export const GUESTS = (OWNER_GUEST << INFO_OWNER_SHIFT) | INFO_ALLOCATED;
export const F0 = FIRST_FRAME_MFN;
export const F1 = F0 + 1;
export const F2 = F0 + 2;
export const { B1, B2, B3, B4 } = BOOT_MFN;

export function machineOf(arch: Arch, frames = 4, more: Partial<MachineOptions> = {}): Machine {
  const options = {
    hardwareDomain: true,
    writablePagetables: false,
    paeXenSlot: 428,
    debugBuild: false,
    quirks: 'shipped',
    vcpus: 1,
    linear: true,
  } as const;
  return standardMachine({ arch, ...options, ...more }, frames);
}

interface Translation {
  readonly low: number;
  readonly high: number;
  readonly mfn: number;
  readonly writable: number;
}

/** One virtual CPU. */
export class FakeCpu {
  user = 0;
  /** What is loaded, if not the kernel's base. */
  loaded: number | undefined;
  deferred = 0;
  whole = 0;
  parent = 0;
  interrupted = 0;
  readonly gdt: number[] = [];
  readonly ldt = new Map<number, number>();
  readonly tlb: Translation[] = [];

  constructor(public base: number) {}
}

export class FakeState implements ModelState {
  readonly frameLimit: number;
  readonly infos: number[];
  readonly types: number[];
  readonly generals: number[];
  readonly linears: number[];
  readonly froms: number[];
  readonly lostTypes: number[];
  readonly lostGenerals: number[];
  readonly words = new Map<number, readonly [number, number]>();
  readonly cpus: readonly FakeCpu[];
  /** The first, and mostly the only one. */
  readonly cpu0: FakeCpu;
  dies = 0;

  constructor(readonly machine: Machine) {
    this.frameLimit = FIRST_FRAME_MFN + machine.frames;
    const zeros = () => new Array<number>(this.frameLimit).fill(0);
    [this.infos, this.types, this.generals, this.linears] = [zeros(), zeros(), zeros(), zeros()];
    [this.froms, this.lostTypes, this.lostGenerals] = [zeros(), zeros(), zeros()];
    this.cpus = Array.from({ length: machine.vcpus }, () => new FakeCpu(machine.start.base));
    this.cpu0 = this.cpus[0];
    this.boot();
  }

  private boot(): void {
    const { ram, tables } = this.machine.start;
    for (const { mfn, count } of ram) for (let i = mfn; i < mfn + count; i++) this.give(i);
    this.infos[0] = TYPE_WRITABLE | INFO_VALIDATED | (OWNER_IO << INFO_OWNER_SHIFT);
    this.infos[XEN_MFN] = OWNER_XEN << INFO_OWNER_SHIFT;
    this.hold(0, 1, 1);
    for (const { base } of this.cpus) this.hold(base, 1, 1);
    for (const { mfn, level, pinned } of tables) {
      this.infos[mfn] |= level | INFO_VALIDATED | (pinned ? INFO_PINNED : 0);
      if (pinned) this.hold(mfn, 1, 1);
    }
    if (this.machine.arch === 'x86_32') this.infos[B2] |= INFO_PAE_XEN_L2;
    for (const { mfn, level, entries } of tables) {
      for (const { slot, entry } of entries) this.map(mfn, level, slot, entry.mfn, entry.flags);
    }
    if (this.machine.arch === 'x86_64') this.fillXenSlots(B4);
    else this.put(B2, this.machine.paeXenSlot, XEN_MFN, PAE_XEN_FLAGS);
  }

  fillXenSlots(table: number): void {
    for (let slot = 256; slot <= 262; slot++)
      this.put(table, slot, slot === 258 ? table : XEN_MFN, XEN_SLOT_FLAGS);
    this.put(table, 256, XEN_MFN, RO_MPT_FLAGS);
    this.put(table, 259, 0, 0);
  }

  /** The first vCPU's TLB gets a translation. */
  translate(mfn: number, writable: number, cpu = 0): void {
    this.cpus[cpu].tlb.push({ low: 0x80200000 | 0, high: -1, mfn, writable });
  }

  /** Takes the vCPU down. */
  stop(cpu = 0): void {
    this.hold(this.cpus[cpu].base, -1, -1);
    this.cpus[cpu].base = 0;
  }

  give(mfn: number): void {
    this.infos[mfn] = GUESTS;
    this.hold(mfn, 0, 1);
  }

  /** Adds references, or takes them away. */
  hold(mfn: number, type: number, general: number): void {
    this.types[mfn] += type;
    this.generals[mfn] += general;
  }

  /** Makes the frame a table without references of its own. */
  makeTable(mfn: number, level: number): void {
    for (let slot = 0; slot < SLOTS; slot++) this.unmap(B1, slot, mfn);
    this.infos[mfn] = GUESTS | level | INFO_VALIDATED;
  }

  pin(mfn: number): void {
    this.infos[mfn] |= INFO_PINNED;
    this.hold(mfn, 1, 1);
  }

  /** Writes an entry and takes the references that it needs. */
  map(table: number, level: number, slot: number, mfn: number, flags: number): void {
    this.put(table, slot, mfn, flags);
    if ((flags & P) === 0 || mfn === table) return;
    if (level === TYPE_L1) {
      if ((flags & RW) !== 0)
        this.infos[mfn] = (this.infos[mfn] & ~INFO_TYPE) | TYPE_WRITABLE | INFO_VALIDATED;
      this.hold(mfn, (flags & RW) !== 0 ? 1 : 0, 1);
    } else {
      this.hold(mfn, 1, 1);
    }
  }

  private unmap(table: number, slot: number, mfn: number): void {
    const low = this.low(table, slot);
    if ((low & P) === 0 || mfnOf(low, this.high(table, slot)) !== mfn) return;
    this.put(table, slot, 0, 0);
    this.hold(mfn, (low & RW) !== 0 ? -1 : 0, -1);
  }

  /** Writes an entry and nothing else. */
  put(mfn: number, slot: number, to: number, flags: number): void {
    this.words.set(mfn * SLOTS + slot, [lowWord(to, flags), highWord(to, flags)]);
  }

  info(mfn: number): number {
    return this.infos[mfn];
  }
  typeCount(mfn: number): number {
    return this.types[mfn];
  }
  generalCount(mfn: number): number {
    return this.generals[mfn];
  }
  linearCount(mfn: number): number {
    return this.linears[mfn];
  }
  partialFrom(mfn: number): number {
    return this.froms[mfn];
  }
  lostTypeReferences(mfn: number): number {
    return this.lostTypes[mfn];
  }
  lostGeneralReferences(mfn: number): number {
    return this.lostGenerals[mfn];
  }
  low(mfn: number, slot: number): number {
    return this.words.get(mfn * SLOTS + slot)?.[0] ?? 0;
  }
  high(mfn: number, slot: number): number {
    return this.words.get(mfn * SLOTS + slot)?.[1] ?? 0;
  }
  nextUsed(mfn: number, slot: number): number {
    while (slot < SLOTS && (this.low(mfn, slot) | this.high(mfn, slot)) === 0) slot++;
    return Math.min(slot, SLOTS);
  }
  m2pLow(): number {
    return 0;
  }
  m2pHigh(): number {
    return 0;
  }
  kernelBase(cpu = 0): number {
    return this.cpus[cpu].base;
  }
  userBase(cpu = 0): number {
    return this.cpus[cpu].user;
  }
  loadedBase(cpu = 0): number {
    return this.cpus[cpu].loaded ?? this.cpus[cpu].base;
  }
  gdtFrames(cpu = 0): number {
    return this.cpus[cpu].gdt.length;
  }
  gdtFrame(index: number, cpu = 0): number {
    return this.cpus[cpu].gdt[index];
  }
  ldtEntries(cpu = 0): number {
    return this.cpus[cpu].ldt.size > 0 ? 8192 : 0;
  }
  ldtLow(): number {
    return 0;
  }
  ldtHigh(): number {
    return 0;
  }
  ldtFrame(page: number, cpu = 0): number {
    return this.cpus[cpu].ldt.get(page) ?? 0;
  }
  deferred(cpu = 0): number {
    return this.cpus[cpu].deferred;
  }
  deferredWhole(cpu = 0): number {
    return this.cpus[cpu].whole;
  }
  deferredParent(cpu = 0): number {
    return this.cpus[cpu].parent;
  }
  interrupted(cpu = 0): number {
    return this.cpus[cpu].interrupted;
  }
  tlbSize(cpu = 0): number {
    return this.cpus[cpu].tlb.length;
  }
  tlbLow(index: number, cpu = 0): number {
    return this.cpus[cpu].tlb[index].low;
  }
  tlbHigh(index: number, cpu = 0): number {
    return this.cpus[cpu].tlb[index].high;
  }
  tlbFrame(index: number, cpu = 0): number {
    return this.cpus[cpu].tlb[index].mfn;
  }
  tlbWritable(index: number, cpu = 0): number {
    return this.cpus[cpu].tlb[index].writable;
  }
  dying(): number {
    return this.dies;
  }
}

/** The same as a model that does nothing by itself and says that everything has changed. */
export class FakeModel extends FakeState implements Model {
  readonly name = 'optimized';
  readonly changes = new Changes();

  constructor(machine: Machine) {
    super(machine);
    for (let mfn = 0; mfn < this.frameLimit; mfn++) {
      this.changes.frame(mfn);
      this.changes.slot(mfn, WHOLE_FRAME);
    }
  }

  start(): void {}
  reset(): void {}
  run(_code: Int32Array, _at: number, _results: Int32Array): void {}
}

/** An L2 below the boot L3 of a 32-bit guest that holds nothing. */
export const EMPTY_L2 = B4 + 4;
