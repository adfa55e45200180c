/** Kernel mappings that change their RW bit, and pins (arch/x86/xen/mmu.c; arch/x86/mm/pageattr.c: lookup_address). */
import { A, D, entry, type Entry, NX, P, RW, US } from '../../x86/entry.js';
import type { Level } from '../../x86/page-type.js';
import type { Word64 } from '../../../src/program/operation.js';
import { slotsOf } from '../layout.js';
import { Guest, type Slot } from './guest.js';

/** PAGE_KERNEL, less what is as good as it here. */
export const KERNEL = P | RW | A | D | NX;
export const KERNEL_EXEC = P | RW | A | D;
export const KERNEL_RO = P | A | D | NX;
/** _PAGE_TABLE and _KERNPG_TABLE. */
export const TABLE = P | RW | US | A | D;

export class Lowmem extends Guest {
  /** Page of init_mm.pgd, where lookup_address begins, whatever is loaded. */
  protected init_mm_pgd = 0;
  /** Pages of tables, as far as the kernel has noted them (allocReadOnly 'remember'). */
  protected readonly remembered = new Set<number>();

  /**
   * The L1 slot of an address in the kernel's own tables, as memory has them; undefined if a level above is empty.
   * What waits in a multicall is not there yet.
   */
  protected lookup_address(va: Word64): Slot | undefined {
    let pfn = this.init_mm_pgd;
    const path = slotsOf(va, this.wide);
    for (const index of path.slice(0, -1)) {
      const found = this.readFrame(this.pfn_to_mfn(pfn), index);
      if ((found.flags & P) === 0) return undefined;
      const next = this.mfn_to_pfn(found.mfn);
      if (next === undefined) return undefined;
      pfn = next;
    }
    return this.slot({ pfn, va: this.__va(pfn) }, path.at(-1)!);
  }

  /** Nothing happens while the page is not mapped: whoever maps it later has to know. */
  protected make_lowmem_page_readonly(va: Word64): void {
    this.changeLowmemPage(va, (old) => entry(old.mfn, old.flags & ~RW));
  }

  protected make_lowmem_page_readwrite(va: Word64): void {
    this.changeLowmemPage(va, (old) => entry(old.mfn, old.flags | RW));
  }

  private changeLowmemPage(va: Word64, change: (old: Entry) => Entry): void {
    const slot = this.lookup_address(va);
    if (slot === undefined) return;
    const old = this.read(slot);
    if ((change(old).flags & RW) !== 0) this.remembered.delete(this.mfn_to_pfn(old.mfn)!);
    if ((old.flags & P) !== 0) this.HYPERVISOR_update_va_mapping(va, change(old));
  }

  /** A fresh entry for a page at an address of the kernel; fails where it must not. */
  protected set_page_prot(va: Word64, pfn: number, flags: number): void {
    const widens = (flags & RW) !== 0;
    if (widens) this.remembered.delete(pfn);
    else this.remembered.add(pfn);
    const flush = widens && this.profile.flushOnWritable && !this.bug('recycled-tables-stale-tlb');
    this.HYPERVISOR_update_va_mapping(va, this.pfn_pte(pfn, flags), flush ? 'invlpg' : 'none');
  }

  protected pin_pagetable_pfn(level: Level, pfn: number): void {
    this.pin(level, this.pfn_to_mfn(pfn));
  }

  protected unpin_pagetable_pfn(pfn: number): void {
    this.unpin(this.pfn_to_mfn(pfn));
  }

  /** A static page of the image, through the kernel map. */
  protected kernelPage(pfn: number): { pfn: number; va: Word64 } {
    return { pfn, va: this.layout.kernel(pfn) };
  }
}
