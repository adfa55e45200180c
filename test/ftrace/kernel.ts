/**
 * Writes what the trace events of a Linux guest look like while it makes, runs and ends address spaces: the print formats of
 * include/trace/events/xen.h, in the order in which arch/x86/xen/mmu_pv.c and multicalls.c fire them. The importer's tests read it.
 */
const DIRECT_MAP = 0xffff888000000000n;
/** Frame of a page: nothing that the importer could guess. */
const MFN = (pfn: number) => 0x600 + ((pfn * 7) % 0x1000);
const TABLE = 0x67n;
const OPS: Record<number, string> = { 1: 'mmu_update', 14: 'update_va_mapping', 26: 'mmuext_op' };

export interface Style {
  readonly header?: boolean;
  readonly latency?: boolean;
  /** As trace-cmd report prints it. */
  readonly traceCmd?: boolean;
  /** As trace-cmd report prints what it cannot evaluate. */
  readonly fields?: boolean;
  /** Levels as before 4.12, and set_pgd instead of set_p4d. */
  readonly early?: boolean;
}

/** An address space: root, user's root, and one table of each level below. */
export interface Mm {
  readonly pgd: number;
  readonly user: number;
  readonly pud: number;
  readonly pmd: number;
  readonly pte: number;
}

export function mmAt(pfn: number): Mm {
  return { pgd: pfn, user: pfn + 1, pud: pfn + 2, pmd: pfn + 3, pte: pfn + 4 };
}

export class TracedKernel {
  readonly lines: string[] = [];
  cpu = 0;
  private time = 100;
  private readonly queues = new Map<number, number[]>();

  constructor(private readonly style: Style = {}) {
    if (style.header)
      this.lines.push(
        '# tracer: nop',
        '#',
        '# entries-in-buffer/entries-written: 99/99   #P:2',
        '#',
        '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
        '#              | |         |   |||||     |         |',
      );
    if (style.traceCmd) this.lines.push('cpus=2');
  }

  get text(): string {
    return `${this.lines.join('\n')}\n`;
  }

  event(name: string, words: string): void {
    const text = this.style.fields ? fieldsOf(name, words) : words;
    this.time += 0.000013;
    const at = this.time.toFixed(6);
    const cpu = String(this.cpu).padStart(3, '0');
    if (this.style.latency) this.lines.push(`    bash-412      ${this.cpu}d..1. ${at}: ${name}: ${text}`);
    else if (this.style.traceCmd)
      this.lines.push(`            bash-412   [${cpu}]   ${at}: ${`${name}:`.padEnd(22)} ${text}`);
    else this.lines.push(`            bash-412     [${cpu}] d..1.   ${at}: ${name}: ${text}`);
  }

  address(pfn: number, slot = 0): string {
    return (DIRECT_MAP + (BigInt(pfn) << 12n) + BigInt(slot * 8)).toString(16).padStart(16, '0');
  }

  private pair(pfn: number, flags: bigint): string {
    const word = (frame: number) => ((BigInt(frame) << 12n) | flags).toString(16).padStart(16, '0');
    return flags === 0n ? `${word(0)} (raw ${word(0)})` : `${word(pfn)} (raw ${word(MFN(pfn))})`;
  }

  private mm({ pgd }: Mm): string {
    return `mm ${this.address(pgd + 0x800)}`;
  }

  private get queue(): number[] {
    let queue = this.queues.get(this.cpu);
    if (queue === undefined) this.queues.set(this.cpu, (queue = []));
    return queue;
  }

  private entry(op: number, ...args: bigint[]): void {
    if (op === 14) this.event('xen_mc_entry_alloc', 'alloc entry 0 arg bytes');
    this.queue.push(op);
    const words = Array.from({ length: 6 }, (_, i) => (args[i] ?? 0n).toString(16));
    this.event('xen_mc_entry', `op ${op}(${OPS[op]}) args [${words.join(', ')}]`);
  }

  /** xen_extend_mmu_update and xen_extend_mmuext_op. */
  private extend(op: 1 | 26): void {
    const fits = this.queue.at(-1) === op;
    this.event(
      'xen_mc_extend_args',
      `extending op ${op}(${OPS[op]}) by 16 bytes res ${fits ? 'OK' : 'BAD_OP'}`,
    );
    if (fits) return;
    if (this.queue.length === 32) {
      this.event('xen_mc_flush_reason', 'flush reason BATCH');
      this.issue();
    }
    this.event('xen_mc_entry_alloc', 'alloc entry 16 arg bytes');
    this.entry(op, 0xffff88800ffff000n, 1n, 0n, 0x7ff0n);
  }

  /** xen_mc_flush. */
  issue(): void {
    this.event('xen_mc_flush', `flushing ${this.queue.length} hypercalls, 0 arg bytes, 0 callbacks`);
    this.queues.set(this.cpu, []);
  }

  private protect(pfn: number, writable: boolean, flush = 0n): void {
    const flags = 0x8000000000000061n | (writable ? 2n : 0n);
    this.entry(14, BigInt(`0x${this.address(pfn)}`), (BigInt(MFN(pfn)) << 12n) | flags, flush);
  }

  /** A set_pte outside of the lazy mode, or (`lazy`) inside, where it is queued. */
  set_pte(table: number, slot: number, pfn: number, flags = 0x67n, lazy = false): void {
    this.event('xen_mmu_set_pte', `ptep ${this.address(table, slot)} pteval ${this.pair(pfn, flags)}`);
    if (lazy) this.extend(1);
  }

  private upper(
    name: string,
    table: number,
    slot: number,
    pfn: number,
    flags: bigint,
    pinned: boolean,
  ): void {
    this.event(
      `xen_mmu_set_${name}`,
      `${name}p ${this.address(table, slot)} ${name}val ${this.pair(pfn, flags)}`,
    );
    if (!pinned) return;
    this.extend(1);
    this.issue();
  }

  set_pmd(table: number, slot: number, pfn: number, pinned = false, flags = TABLE): void {
    this.upper('pmd', table, slot, pfn, flags, pinned);
  }

  set_pud(table: number, slot: number, pfn: number, pinned = false): void {
    this.upper('pud', table, slot, pfn, TABLE, pinned);
  }

  set_p4d({ pgd, user }: Mm, slot: number, pfn: number): void {
    const name = this.style.early ? 'pgd' : 'p4d';
    this.event(
      `xen_mmu_set_${name}`,
      `${name}p ${this.address(pgd, slot)} user_${name}p ${this.address(user, slot)} ${name}val ${this.pair(pfn, TABLE)}`,
    );
  }

  private level(level: 1 | 2 | 3): number {
    return (this.style.early ? 4 : 5) - level;
  }

  alloc_ptpage(mm: Mm, pfn: number, level: 1 | 2 | 3, pinned: boolean): void {
    this.event(
      'xen_mmu_alloc_ptpage',
      `${this.mm(mm)}  pfn ${pfn.toString(16)}  level ${this.level(level)}  ${pinned ? '' : 'un'}pinned`,
    );
    if (!pinned) return;
    this.protect(pfn, false);
    if (level === 1) this.extend(26);
    this.issue();
  }

  release_ptpage(pfn: number, level: 1 | 2 | 3, pinned: boolean): void {
    this.event(
      'xen_mmu_release_ptpage',
      `pfn ${pfn.toString(16)}  level ${this.level(level)}  ${pinned ? '' : 'un'}pinned`,
    );
    if (!pinned) return;
    if (level === 1) this.extend(26);
    this.protect(pfn, true);
    this.issue();
  }

  /** dup_mmap: a tree that nobody uses yet, with one user page in it. */
  build(mm: Mm, page: number): void {
    this.alloc_ptpage(mm, mm.pud, 3, false);
    this.set_p4d(mm, 0, mm.pud);
    this.alloc_ptpage(mm, mm.pmd, 2, false);
    this.set_pud(mm.pud, 0, mm.pmd);
    this.alloc_ptpage(mm, mm.pte, 1, false);
    this.set_pmd(mm.pmd, 0, mm.pte);
    this.set_pte(mm.pte, 5, page);
  }

  pgd_pin(mm: Mm): void {
    this.event('xen_mmu_pgd_pin', `${this.mm(mm)} pgd ${this.address(mm.pgd)}`);
    this.protect(mm.pud, false);
    this.protect(mm.pmd, false);
    this.protect(mm.pte, false);
    this.extend(26);
    this.event('xen_mc_callback', 'callback xen_pte_unlock+0x0/0x10, data 00000000deadbeef');
    this.protect(mm.pgd, false, 1n);
    this.extend(26);
    this.protect(mm.user, false, 1n);
    this.extend(26);
    this.issue();
  }

  pgd_unpin(mm: Mm): void {
    this.event('xen_mmu_pgd_unpin', `${this.mm(mm)} pgd ${this.address(mm.pgd)}`);
    this.extend(26);
    this.extend(26);
    this.protect(mm.user, true, 1n);
    this.protect(mm.pud, true);
    this.protect(mm.pmd, true);
    this.extend(26);
    this.protect(mm.pte, true);
    this.protect(mm.pgd, true, 1n);
    this.issue();
  }

  /** A context switch. */
  write_cr3(pgd: number, user: number): void {
    this.event('xen_mc_batch', 'start batch LAZY_CPU');
    for (const [which, pfn] of [
      ['kernel', pgd],
      ['user', user],
    ] as const) {
      this.event('xen_mmu_write_cr3', `${which} cr3 ${(pfn * 0x1000).toString(16)}`);
      this.extend(26);
    }
    this.issue();
  }
}

/** The fields of an event whose format calls a function of the kernel; others as they are. */
function fieldsOf(name: string, text: string): string {
  const entry = /^op (\d+)\(\w+\) args \[(.*)\]$/.exec(text);
  if (entry) {
    const bytes = entry[2]!.split(', ').flatMap((word) => word.padStart(16, '0').match(/../g)!.toReversed());
    return `[FAILED TO PARSE] op=${entry[1]} nargs=3 args=ARRAY[${bytes.join(', ')}]`;
  }
  const extended = /^extending op (\d+)\(\w+\) by (\d+) bytes res (\w+)$/.exec(text);
  if (extended)
    return `[FAILED TO PARSE] op=${extended[1]} args=${extended[2]} res=${extended[3] === 'OK' ? 0 : 1}`;
  if (!name.includes('_set_')) return text;
  const [pointers, raw] = [
    text.matchAll(/(\w+p) ([0-9a-f]+)/g),
    /(\w+val) .*\(raw ([0-9a-f]+)\)/.exec(text)!,
  ];
  return `[FAILED TO PARSE] ${[...pointers].map(([, key, word]) => `${key}=0x${word}`).join(' ')} ${raw[1]}=${BigInt(`0x${raw[2]}`)}`;
}
