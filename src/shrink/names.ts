/**
 * Names of frames, windows and slots, and renaming them in a whole program. Frame `Fi` and window `Wi` have the
 * index i in common, which is also slot i of `B1`: a consistent renaming changes all three.
 */
import type { Entry } from '../../models/x86/entry.js';
import { BOOT_MFN, FIRST_FRAME_MFN, MAX_FRAMES, WINDOW_0, type Arch } from '../program/machine.js';
import type { Operation, Word64 } from '../program/operation.js';
import type { Draft } from './draft.js';

const PAGE_SHIFT = 12;
const PAGE_MASK = 0xfff;

/** New names; what is left out keeps its own. */
export interface Renaming {
  readonly frame?: (mfn: number) => number;
  /** Windows, and slots of `B1`. */
  readonly window?: (index: number) => number;
  /** Slots of any other table; a window counts as the frame of its own index. */
  readonly slot?: (table: number, slot: number) => number;
  readonly cpu?: (cpu: number) => number;
}

/** Window `Wi` in whose page the address lies, else -1. */
export function windowOf(va: Word64, arch: Arch): number {
  const base = WINDOW_0[arch];
  if (va.high !== base.high) return -1;
  const index = (va.low - base.low) >> PAGE_SHIFT;
  return index >= 0 && index < MAX_FRAMES ? index : -1;
}

/** The address `offset` bytes into window `index`. */
export function windowAddress(index: number, offset: number, arch: Arch): Word64 {
  const { low, high } = WINDOW_0[arch];
  return { low: (low + (index << PAGE_SHIFT) + offset) | 0, high };
}

export function offsetOf(va: Word64): number {
  return va.low & PAGE_MASK;
}

/** Index of `Fi`, else -1. */
export function indexOf(mfn: number): number {
  const index = mfn - FIRST_FRAME_MFN;
  return index >= 0 && index < MAX_FRAMES ? index : -1;
}

/** A renaming of indices as one of frame numbers: `Fi` becomes `Fj`, all others stay. */
export function ofFrames(name: (index: number) => number): (mfn: number) => number {
  return (mfn) => (indexOf(mfn) < 0 ? mfn : FIRST_FRAME_MFN + name(indexOf(mfn)));
}

/** The program with other names, on its machine or on another one, where windows have other addresses. */
export function renamed(draft: Draft, renaming: Renaming, machine = draft.machine): Draft {
  const names = new Names(renaming, draft.machine.arch, machine.arch);
  return { machine, operations: draft.operations.map((operation) => names.operation(operation)) };
}

/** Calls of the renaming's functions for every name in the program, in order; nothing is renamed. */
export function visit(draft: Draft, visitor: Renaming): void {
  renamed(draft, visitor);
}

class Names {
  constructor(
    private readonly renaming: Renaming,
    private readonly from: Arch,
    private readonly to: Arch,
  ) {}

  operation(operation: Operation): Operation {
    return this.renaming.cpu ? this.onCpu(this.request(operation)) : this.request(operation);
  }

  /** The operation on the same vCPU. */
  private request<T extends Operation>(operation: T): T;
  private request(operation: Operation): Operation {
    switch (operation.kind) {
      case 'mmu_update':
      case 'store_frame':
        return {
          ...operation,
          ...this.place(operation.mfn, operation.slot),
          entry: this.entry(operation.entry),
        };
      case 'update_descriptor':
        return { ...operation, ...this.place(operation.mfn, operation.slot) };
      case 'fill':
        return this.fill(operation);
      case 'store':
      case 'store_cached':
        return { ...operation, va: this.entryAddress(operation.va), entry: this.entry(operation.entry) };
      case 'update_va':
        return { ...operation, va: this.address(operation.va), entry: this.entry(operation.entry) };
      case 'set_ldt':
      case 'touch':
        return { ...operation, va: this.address(operation.va) };
      case 'machphys':
      case 'pin':
      case 'unpin':
      case 'new_baseptr':
      case 'new_user_baseptr':
      case 'clear_page':
      case 'write_cr3':
      case 'release':
      case 'receive':
      case 'decrease_reservation':
        return { ...operation, mfn: this.frame(operation.mfn) };
      case 'copy_page':
        return { ...operation, mfn: this.frame(operation.mfn), source: this.frame(operation.source) };
      case 'initialise':
        return {
          ...operation,
          vcpu: this.cpu(operation.vcpu),
          mfn: this.frame(operation.mfn),
          user: this.frame(operation.user),
        };
      case 'reset_vcpu':
        return { ...operation, vcpu: this.cpu(operation.vcpu) };
      case 'set_gdt':
        return { ...operation, frames: operation.frames.map((mfn) => this.frame(mfn)) };
      case 'mmu_update_list':
        return { ...operation, items: operation.items.map((item) => this.request(item)) };
      case 'mmuext_op_list':
        return { ...operation, items: operation.items.map((item) => this.request(item)) };
      case 'multicall':
        return { ...operation, items: operation.items.map((item) => this.request(item)) };
      default:
        return operation;
    }
  }

  private onCpu({ cpu = 0, ...rest }: Operation): Operation {
    const to = this.cpu(cpu);
    return to === 0 ? rest : { ...rest, cpu: to };
  }

  private cpu(cpu: number): number {
    return this.renaming.cpu?.(cpu) ?? cpu;
  }

  private frame(mfn: number): number {
    return this.renaming.frame?.(mfn) ?? mfn;
  }

  private window(index: number): number {
    return this.renaming.window?.(index) ?? index;
  }

  private place(mfn: number, slot: number): { mfn: number; slot: number } {
    return { mfn: this.frame(mfn), slot: this.slot(mfn, slot) };
  }

  private slot(table: number, slot: number): number {
    if (table === BOOT_MFN.B1) return this.window(slot);
    return this.renaming.slot?.(table, slot) ?? slot;
  }

  private entry(entry: Entry): Entry {
    return { mfn: this.frame(entry.mfn), flags: entry.flags };
  }

  private address(va: Word64): Word64 {
    const index = windowOf(va, this.from);
    return index < 0 ? va : windowAddress(this.window(index), offsetOf(va), this.to);
  }

  private entryAddress(va: Word64): Word64 {
    const index = windowOf(va, this.from);
    if (index < 0) return va;
    const to = this.window(index);
    const slot = this.slot(FIRST_FRAME_MFN + index, offsetOf(va) >> 3);
    return windowAddress(to, slot * 8, this.to);
  }

  /** Two entries that get one slot become the first of them. */
  private fill(fill: Extract<Operation, { kind: 'fill' }>): Operation {
    const entries = new Map<number, Entry>();
    for (const { slot, entry } of fill.entries) {
      const to = this.slot(fill.mfn, slot);
      if (!entries.has(to)) entries.set(to, this.entry(entry));
    }
    return {
      ...fill,
      mfn: this.frame(fill.mfn),
      entries: [...entries].map(([slot, entry]) => ({ slot, entry })),
    };
  }
}
