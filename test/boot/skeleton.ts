import { slotsOf } from '../../models/linux/layout.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { A, D, entryOf, type Entry, NX, P, RW } from '../../models/x86/entry.js';
import { INFO_TYPE } from '../../models/x86/page-type.js';
import { decode } from '../../src/program/codec.js';
import type { Machine } from '../../src/program/machine.js';
import type { Operation, Word64 } from '../../src/program/operation.js';

/** What xen_alloc_ptpage makes of a page's mapping: PAGE_KERNEL_RO, where early code clears RW of what is there. */
const PAGE_KERNEL_RO = P | A | D | NX;
/** Longest group of lines that is looked at for repetition. */
const LONGEST = 4;

/**
 * What a 64-bit kernel does to its tables, from its start to xen_post_allocator_init: pages that become read-only and
 * writable, pins, hooks (each a validation of what is hooked), base pointers, and how entries of L1s in use are set. What
 * repeats is there once. Early mappings through early_ioremap's L1 are left out.
 */
export class Skeleton {
  readonly lines: string[] = [];
  private readonly model = new OptimizedModel();
  private readonly results = new Int32Array(1024);
  private bases = 0;
  private earlyIoremap: number | undefined;
  private ended = false;

  begin(machine: Machine): void {
    this.model.start(machine);
  }

  add(code: Int32Array, at: number): void {
    if (this.ended) return;
    const line = this.lineOf(decode(code, at));
    this.model.run(code, at, this.results);
    if (line === undefined) return;
    this.lines.push(line);
    this.ended = line === 'xen_alloc_ptpage';
    for (let n = 1; n <= LONGEST; n++) {
      const last = this.lines.slice(-n).join('\n');
      if (this.lines.length >= 2 * n && this.lines.slice(-2 * n, -n).join('\n') === last)
        this.lines.splice(-n);
    }
  }

  /** The operation, in the state before it. */
  private lineOf(operation: Operation): string | undefined {
    switch (operation.kind) {
      case 'pin':
        if (operation.level === 1) this.earlyIoremap ??= operation.mfn;
        return `pin L${operation.level}`;
      case 'unpin':
        return 'unpin';
      case 'new_baseptr':
        this.bases++;
        return 'new_baseptr';
      case 'update_va':
        return this.protection(operation.va, operation.entry);
      case 'mmu_update':
        return this.update(operation.mfn, operation.slot, operation.entry);
      case 'store_frame':
        return 'entry by store';
      case 'store': {
        const target = this.walk(operation.va);
        return target && (target.flags & RW) === 0 ? 'entry by store' : undefined;
      }
      default:
        return undefined;
    }
  }

  private protection(va: Word64, { mfn, flags }: Entry): string | undefined {
    const old = this.walk(va);
    if (!old || old.mfn !== mfn) return (flags & P) === 0 && old ? 'unmap' : undefined;
    if ((flags & RW) === (old.flags & RW)) return undefined;
    if (flags & RW) return 'writable';
    // The second base pointer is the end of init_mem_mapping.
    return flags === PAGE_KERNEL_RO && this.bases === 2 ? 'xen_alloc_ptpage' : 'read-only';
  }

  private update(mfn: number, slot: number, { flags }: Entry): string | undefined {
    const level = this.model.typeCount(mfn) > 0 ? this.model.info(mfn) & INFO_TYPE : 0;
    if (mfn === this.earlyIoremap) return undefined;
    if (level === 1) return 'entry by mmu_update';
    if (flags & P) return `hook L${level - 1}`;
    return this.model.low(mfn, slot) & P ? `unhook L${level - 1}` : undefined;
  }

  /** The entry that maps an address, if one does. */
  private walk(va: Word64): Entry | undefined {
    let mfn = this.model.kernelBase(0);
    let found: Entry | undefined;
    for (const slot of slotsOf(va, true)) {
      found = entryOf(this.model.low(mfn, slot), this.model.high(mfn, slot));
      if ((found.flags & P) === 0) return undefined;
      mfn = found.mfn;
    }
    return found;
  }
}
