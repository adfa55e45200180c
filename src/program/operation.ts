/**
 * Guest operations, in two forms: an {@link Operation} object, which text and the reference model use, and
 * flat records of eight 32-bit words, which generators draw and the optimized model runs.
 *
 * ```
 *   word  0                      1               2              3          4           5      6      7
 *         see below              frame, or low   slot, or high  entry low  entry high  count  items  options
 *                                half of a       half of a      (or source             (entries,
 *                                virtual address virtual addr.  frame)                 frames)
 * ```
 *
 * Word 0 is
 *
 * ```
 *   30..24         23..18         17..16   15..8     7..0
 *   preempt + 1,   contend + 1,   vCPU     variant   opcode
 *   0 for none     0 for none
 * ```
 *
 * `items` is the number of records that follow and belong to this one (the elements of a list, the entries of
 * a fill, the frames of a GDT). Which words an operation uses is in `record.ts`.
 */
import type { Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';

/** 64 bits in two signed 32-bit halves: a virtual address, a descriptor, an M2P value. */
export interface Word64 {
  readonly low: number;
  readonly high: number;
}

/** Which part of the eight-byte entry a store writes. */
export type StorePart = 'entry' | 'low' | 'high';

/** The domain that a hypercall names: oneself, oneself by number, Xen's two pseudo domains, one that does not exist. */
export type DomainId = 'self' | 'own' | 'io' | 'xen' | 'none';

export type Flush = 'none' | 'flush' | 'invlpg';

/** mmu_update's commands on pagetable entries; 4 to 7 do not exist. */
export const MMU_COMMANDS = {
  normal: 0,
  preserve_ad: 2,
  no_translate: 3,
  cmd4: 4,
  cmd5: 5,
  cmd6: 6,
  cmd7: 7,
} as const;
export type MmuCommand = keyof typeof MMU_COMMANDS;

/** mmuext_op commands that touch no frame, by Xen's numbers (include/public/xen.h). */
export const MMUEXT_COMMANDS = {
  tlb_flush_local: 6,
  invlpg_local: 7,
  tlb_flush_multi: 8,
  invlpg_multi: 9,
  tlb_flush_all: 10,
  invlpg_all: 11,
  flush_cache: 12,
  cmd14: 14,
  flush_cache_global: 18,
  mark_super: 19,
  unmark_super: 20,
  cmd21: 21,
} as const;
export type MmuextCommand = keyof typeof MMUEXT_COMMANDS;

export type MmuUpdate =
  | {
      readonly kind: 'mmu_update';
      readonly command: MmuCommand;
      readonly mfn: number;
      readonly slot: number;
      readonly entry: Entry;
    }
  | { readonly kind: 'machphys'; readonly mfn: number; readonly value: Word64 };

export type Mmuext =
  | { readonly kind: 'pin'; readonly level: Level; readonly mfn: number }
  | { readonly kind: 'unpin'; readonly mfn: number }
  | { readonly kind: 'new_baseptr'; readonly mfn: number }
  | { readonly kind: 'new_user_baseptr'; readonly mfn: number }
  | { readonly kind: 'clear_page'; readonly mfn: number }
  | { readonly kind: 'copy_page'; readonly mfn: number; readonly source: number }
  | { readonly kind: 'set_ldt'; readonly va: Word64; readonly entries: number }
  | { readonly kind: 'mmuext'; readonly command: MmuextCommand; readonly badBitmap: boolean };

/** How the list of a mmu_update or mmuext_op hypercall is passed. */
export interface ListOptions {
  readonly fd: DomainId;
  /** The list's address is outside the guest's range. */
  readonly badList: boolean;
  /** First element that cannot be read, if any. */
  readonly unreadable?: number;
  /** Bit 31 of the count set: `done` starts from this value. */
  readonly continued?: number;
}

export type Hypercall =
  | MmuUpdate
  | Mmuext
  | {
      readonly kind: 'mmu_update_list';
      readonly options: ListOptions;
      /** The domain that owns the tables: only oneself (either way) exists here. */
      readonly pfd: 'self' | 'own' | 'none';
      readonly items: readonly MmuUpdate[];
    }
  | { readonly kind: 'mmuext_op_list'; readonly options: ListOptions; readonly items: readonly Mmuext[] }
  | {
      readonly kind: 'update_va';
      readonly va: Word64;
      readonly entry: Entry;
      readonly flush: Flush;
      /** The flush names a vCPU bitmap that cannot be read. */
      readonly badBitmap: boolean;
      readonly fd: DomainId;
    }
  | { readonly kind: 'set_gdt'; readonly frames: readonly number[]; readonly entries: number }
  | {
      readonly kind: 'update_descriptor';
      readonly mfn: number;
      readonly slot: number;
      readonly descriptor: Word64;
      /** The machine address is not a multiple of eight. */
      readonly misaligned: boolean;
    }
  /** HYPERVISOR_iret to user mode. */
  | { readonly kind: 'iret_user' };

/** What happens around an operation besides what the guest asks for (rules 16). */
export interface Environment {
  /** The virtual CPU that runs it: 0..3, default 0. */
  readonly cpu?: number;
  /** An event arrives after so many units of work: 0..126. */
  readonly preempt?: number | undefined;
  /** The restartable type reference, counted from 0, that loses its race while an event is pending: 0..62. */
  readonly contend?: number | undefined;
}

export type Operation = Environment & Request;

export type Request =
  | Hypercall
  | { readonly kind: 'multicall'; readonly items: readonly Hypercall[] }
  /** A store through a virtual address; `va` is the address of the whole entry. */
  | { readonly kind: 'store'; readonly va: Word64; readonly part: StorePart; readonly entry: Entry }
  /** A store to the frame through some read-only mapping of it. */
  | {
      readonly kind: 'store_frame';
      readonly mfn: number;
      readonly slot: number;
      readonly part: StorePart;
      readonly entry: Entry;
    }
  /** Plain stores that leave the frame with exactly these non-zero entries. */
  | {
      readonly kind: 'fill';
      readonly mfn: number;
      readonly entries: readonly { readonly slot: number; readonly entry: Entry }[];
    }
  /** The processor's first access to a page of the LDT. */
  | { readonly kind: 'access_ldt'; readonly page: number }
  /** MOV to CR3, which Xen emulates. */
  | { readonly kind: 'write_cr3'; readonly mfn: number }
  /** The frame is given back to Xen in an exchange or transfer (steal_page). */
  | { readonly kind: 'release'; readonly mfn: number }
  /** Fresh frames become the guest's. */
  | { readonly kind: 'receive'; readonly mfn: number; readonly count: number }
  /** The call of this vCPU that was interrupted last goes on. */
  | { readonly kind: 'resume' }
  /** The guest reads through an address, which leaves its translation in the TLB. */
  | { readonly kind: 'touch'; readonly va: Word64 }
  /** A store through the translation that the TLB holds, if it holds one. */
  | { readonly kind: 'store_cached'; readonly va: Word64; readonly entry: Entry }
  /** VCPUOP_initialise of a vCPU that is down; `userMode` asks for it to begin in user mode. */
  | {
      readonly kind: 'initialise';
      readonly vcpu: number;
      readonly mfn: number;
      /** The user base pointer; 0 for none. */
      readonly user: number;
      readonly userMode: boolean;
    }
  /** The toolstack resets a vCPU, which drops its tables (arch_vcpu_reset). */
  | { readonly kind: 'reset_vcpu'; readonly vcpu: number }
  /** The toolstack destroys the domain (domain_relinquish_resources). */
  | { readonly kind: 'destroy' }
  /** XENMEM_decrease_reservation of one frame. */
  | { readonly kind: 'decrease_reservation'; readonly mfn: number };

/** Kinds of requests that mmu_update takes, one or a list. */
export const MMU_UPDATE_KINDS: ReadonlySet<Request['kind']> = new Set<MmuUpdate['kind']>([
  'mmu_update',
  'machphys',
]);

/** Kinds of requests that mmuext_op takes, one or a list. */
export const MMUEXT_KINDS: ReadonlySet<Request['kind']> = new Set<Mmuext['kind']>([
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'clear_page',
  'copy_page',
  'set_ldt',
  'mmuext',
]);

/** MMU_NORMAL_PT_UPDATE of one entry. */
export function normalUpdate(
  mfn: number,
  slot: number,
  entry: Entry,
): Operation & Request & { readonly kind: 'mmu_update' } {
  return { kind: 'mmu_update', command: 'normal', mfn, slot, entry };
}

/** Kinds of operations that look for an event, and so can have `preempt` or `contend`. */
export const INTERRUPTIBLE_KINDS: ReadonlySet<Request['kind']> = new Set<Request['kind']>([
  ...MMU_UPDATE_KINDS,
  ...MMUEXT_KINDS,
  'mmu_update_list',
  'mmuext_op_list',
  'write_cr3',
  'resume',
  'initialise',
  'reset_vcpu',
  'destroy',
]);
