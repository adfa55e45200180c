import type { Level } from '../../models/x86/page-type.js';

/** A pointer, address or entry; 64 bits. */
type Word = bigint;

/** What a `xen` trace event says. */
export type XenEvent =
  /** An entry is set: a store or a request, which the events after it tell. */
  | {
      readonly kind: 'set';
      readonly level: Level;
      readonly pointer: Word;
      /** The same entry of the user's root; 0 for none. */
      readonly user: Word;
      /** The entry with the pfn; undefined where only the other is printed. */
      readonly value: Word | undefined;
      readonly raw: Word;
      /** What the kernel does besides: keeps A and D, or always makes a store of it. */
      readonly how: 'set' | 'preserve_ad' | 'store';
    }
  | { readonly kind: 'alloc'; readonly pfn: number; readonly level: number; readonly pinned: boolean }
  | { readonly kind: 'release'; readonly pfn: number; readonly level: number; readonly pinned: boolean }
  | { readonly kind: 'pgd_pin' | 'pgd_unpin'; readonly pgd: Word }
  | { readonly kind: 'write_cr3'; readonly user: boolean; readonly pfn: number }
  | { readonly kind: 'flush_tlb'; readonly command: 'tlb_flush_local' | 'invlpg_local' | 'tlb_flush_multi' }
  | { readonly kind: 'entry'; readonly op: number; readonly args: readonly Word[] }
  /** The last entry of the buffer takes one request more, or does not and another entry follows. */
  | { readonly kind: 'extend'; readonly op: number; readonly fits: boolean }
  | { readonly kind: 'flush'; readonly calls: number }
  /** Says nothing that matters here. */
  | { readonly kind: 'ignored' };
