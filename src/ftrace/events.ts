/**
 * The texts of the `xen` trace events that an import uses (include/trace/events/xen.h, TP_printk), from Linux 3.1 to 6.x. Numbers
 * are hexadecimal; an entry stands twice, with the pfn and, `raw`, with the mfn.
 */
import type { Level } from '../../models/x86/page-type.js';
import type { XenEvent } from './event.js';
import { FAILED, readFields } from './fields.js';

interface Format {
  readonly pattern: RegExp;
  /** How it looks, for whoever wrote something else. */
  readonly shape: string;
  readonly read: (fields: readonly string[]) => XenEvent;
}

const POINTER = '(?:0x)?([0-9a-f]+|\\(null\\))';
const PAIR = '([0-9a-f]{16}) \\(raw ([0-9a-f]{16})\\)';
const IGNORED: XenEvent = { kind: 'ignored' };

function word(field: string | undefined): bigint {
  return field === undefined || field === '(null)' ? 0n : BigInt(`0x${field}`);
}

function set(
  level: Level,
  pointer: string,
  value: string,
  raw: string,
  how: 'set' | 'preserve_ad' | 'store' = 'set',
  user?: string,
): XenEvent {
  return {
    kind: 'set',
    level,
    pointer: word(pointer),
    user: word(user),
    value: word(value),
    raw: word(raw),
    how,
  };
}

const PTE: Format = {
  pattern: new RegExp(`^ptep ${POINTER} pteval ${PAIR}(?: domid \\d+)?$`),
  shape: 'ptep POINTER pteval ENTRY (raw ENTRY)',
  read: ([p, value, raw]) => set(1, p!, value!, raw!),
};
const PTE_AT: Format = {
  pattern: new RegExp(`^mm ${POINTER} addr [0-9a-f]+ ptep ${POINTER} pteval ${PAIR}$`),
  shape: 'mm POINTER addr ADDRESS ptep POINTER pteval ENTRY (raw ENTRY)',
  read: ([, p, value, raw]) => set(1, p!, value!, raw!),
};
const ROOT = (name: string): Format => ({
  pattern: new RegExp(`^${name}p ${POINTER} user_${name}p ${POINTER} ${name}val ${PAIR}$`),
  shape: `${name}p POINTER user_${name}p POINTER ${name}val ENTRY (raw ENTRY)`,
  read: ([p, user, value, raw]) => set(4, p!, value!, raw!, 'set', user),
});
const UPPER = (name: string, level: Level): Format => ({
  pattern: new RegExp(`^${name}p ${POINTER} ${name}val ${PAIR}$`),
  shape: `${name}p POINTER ${name}val ENTRY (raw ENTRY)`,
  read: ([p, value, raw]) => set(level, p!, value!, raw!),
});
const PGD = (kind: 'pgd_pin' | 'pgd_unpin'): Format => ({
  pattern: new RegExp(`^mm ${POINTER} pgd ${POINTER}$`),
  shape: 'mm POINTER pgd POINTER',
  read: ([, pgd]) => ({ kind, pgd: word(pgd) }),
});
const FLUSH_TLB = (command: 'tlb_flush_local' | 'invlpg_local' | 'tlb_flush_multi'): Format => ({
  pattern: /^/,
  shape: '',
  read: () => ({ kind: 'flush_tlb', command }),
});
const PINNED = '(pinned|unpinned)';
const OP = '(\\d+)(?:\\s*\\(\\w+\\))?';

const FORMATS: Readonly<Record<string, Format>> = {
  xen_mmu_set_pte: PTE,
  xen_mmu_set_domain_pte: PTE,
  // A 64-bit store, whatever the kernel does elsewhere (PAE).
  xen_mmu_set_pte_atomic: { ...PTE, read: ([p, value, raw]) => set(1, p!, value!, raw!, 'store') },
  xen_mmu_set_pte_at: PTE_AT,
  xen_mmu_ptep_modify_prot_commit: {
    ...PTE_AT,
    read: ([, p, value, raw]) => set(1, p!, value!, raw!, 'preserve_ad'),
  },
  xen_mmu_pte_clear: {
    pattern: new RegExp(`^mm ${POINTER} addr [0-9a-f]+ ptep ${POINTER}$`),
    shape: 'mm POINTER addr ADDRESS ptep POINTER',
    read: ([, p]) => set(1, p!, '0', '0'),
  },
  xen_mmu_set_pmd: UPPER('pmd', 2),
  xen_mmu_set_pud: UPPER('pud', 3),
  xen_mmu_set_pgd: ROOT('pgd'),
  xen_mmu_set_p4d: ROOT('p4d'),
  xen_mmu_alloc_ptpage: {
    pattern: new RegExp(`^mm ${POINTER}\\s+pfn ([0-9a-f]+)\\s+level (\\d)\\s+${PINNED}$`),
    shape: 'mm POINTER  pfn NUMBER  level DIGIT  pinned (or unpinned)',
    read: ([, pfn, level, pinned]) => ({
      kind: 'alloc',
      pfn: Number(word(pfn)),
      level: Number(level),
      pinned: pinned === 'pinned',
    }),
  },
  xen_mmu_release_ptpage: {
    pattern: new RegExp(`^pfn ([0-9a-f]+)\\s+level (\\d)\\s+${PINNED}$`),
    shape: 'pfn NUMBER  level DIGIT  pinned (or unpinned)',
    read: ([pfn, level, pinned]) => ({
      kind: 'release',
      pfn: Number(word(pfn)),
      level: Number(level),
      pinned: pinned === 'pinned',
    }),
  },
  xen_mmu_pgd_pin: PGD('pgd_pin'),
  xen_mmu_pgd_unpin: PGD('pgd_unpin'),
  xen_mmu_write_cr3: {
    pattern: /^(kernel|user) cr3 ([0-9a-f]+)$/,
    shape: 'kernel (or user) cr3 ADDRESS',
    read: ([which, cr3]) => ({ kind: 'write_cr3', user: which === 'user', pfn: Number(word(cr3) >> 12n) }),
  },
  xen_mmu_flush_tlb: FLUSH_TLB('tlb_flush_local'),
  xen_mmu_flush_tlb_single: FLUSH_TLB('invlpg_local'),
  xen_mmu_flush_tlb_one_user: FLUSH_TLB('invlpg_local'),
  xen_mmu_flush_tlb_others: FLUSH_TLB('tlb_flush_multi'),
  xen_mmu_flush_tlb_multi: FLUSH_TLB('tlb_flush_multi'),
  xen_mc_entry: {
    pattern: new RegExp(`^op ${OP} args \\[([0-9a-f]+(?:, [0-9a-f]+){5})\\]$`),
    shape: 'op NUMBER(NAME) args [six numbers]',
    read: ([op, args]) => ({ kind: 'entry', op: Number(op), args: args!.split(', ').map(word) }),
  },
  xen_mc_extend_args: {
    pattern: new RegExp(`^extending op ${OP} by \\d+ bytes res (OK|BAD_OP|NO_SPACE|\\?\\?\\?)$`),
    shape: 'extending op NUMBER(NAME) by NUMBER bytes res OK (or BAD_OP or NO_SPACE)',
    read: ([op, result]) => ({ kind: 'extend', op: Number(op), fits: result === 'OK' }),
  },
  xen_mc_flush: {
    pattern: /^flushing (\d+) hypercalls, \d+ arg bytes, \d+ callbacks$/,
    shape: 'flushing NUMBER hypercalls, NUMBER arg bytes, NUMBER callbacks',
    read: ([calls]) => ({ kind: 'flush', calls: Number(calls) }),
  },
};

/** Whether the event is one of those above, or another of `xen_mmu_*` and `xen_mc_*`. */
export function isXenEvent(event: string): boolean {
  return event.startsWith('xen_mmu_') || event.startsWith('xen_mc_');
}

/** The event; where its text has another shape, the shape that was expected. */
export function readXenEvent(event: string, text: string): XenEvent | string {
  const format = Object.hasOwn(FORMATS, event) ? FORMATS[event]! : undefined;
  if (format === undefined) return IGNORED;
  if (text.startsWith(FAILED)) return readFields(event, text) ?? `${format.shape} or its fields`;
  const found = format.pattern.exec(text);
  return found ? format.read(found.slice(1)) : format.shape;
}
