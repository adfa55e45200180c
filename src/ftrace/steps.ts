/**
 * From events to what the guest did. Linux queues most requests on a CPU's multicall buffer; the events of the buffer
 * (`xen_mc_*`) show update_va_mapping with its operands, but of mmu_update and mmuext_op only that there was one. What it was
 * follows from the event before it on that CPU (arch/x86/xen/mmu_pv.c: xen_pin_page, xen_alloc_ptpage and their like have one order).
 */
import type { Level } from '../../models/x86/page-type.js';
import type { Flush, MmuextCommand } from '../program/operation.js';
import type { Addresses } from './addresses.js';
import type { XenEvent } from './event.js';

export type GuestRequest =
  | {
      readonly kind: 'update_va';
      readonly pfn: number;
      readonly raw: bigint;
      readonly flush: Flush;
      /** Level of the table that it is about, where that is known or likely; 0 if not. */
      level: Level | 0;
    }
  | {
      readonly kind: 'mmu_update';
      readonly pfn: number;
      readonly slot: number;
      readonly level: Level;
      readonly raw: bigint;
      readonly keepsAD: boolean;
    }
  | { readonly kind: 'pin'; readonly level: Level; readonly pfn: number }
  /** `pfn` -1 until a later event shows it. */
  | { readonly kind: 'unpin'; pfn: number; readonly level: Level }
  | { readonly kind: 'new_baseptr' | 'new_user_baseptr'; readonly pfn: number }
  | { readonly kind: 'mmuext'; readonly command: MmuextCommand };

export interface Step {
  readonly line: number;
  readonly cpu: number;
  readonly what:
    | { readonly kind: 'calls'; readonly calls: readonly GuestRequest[][] }
    | {
        readonly kind: 'store';
        readonly pfn: number;
        readonly slot: number;
        readonly level: Level;
        readonly raw: bigint;
      }
    /** The kernel says of a table page whether it is PG_pinned: before it is hooked, or after it was taken out. */
    | {
        readonly kind: 'alloc' | 'release';
        readonly pfn: number;
        readonly level: Level;
        readonly pinned: boolean;
      }
    /** The root of an address space is about to be pinned. */
    | { readonly kind: 'root'; readonly pfn: number };
}

/** What is wrong or missing at a line of the trace. */
export type Note = (line: number, text: string) => void;

const OP_MMU_UPDATE = 1;
const OP_UPDATE_VA = 14;
const OP_MMUEXT = 26;
/** UVMF_FLUSHTYPE_MASK. */
const FLUSHES: readonly Flush[] = ['none', 'flush', 'invlpg', 'none'];

type Context = Exclude<XenEvent, { kind: 'entry' | 'extend' | 'flush' | 'ignored' }>;

interface Cpu {
  /** Entries of the buffer, and what they ask as far as that is known. */
  queue: { readonly op: number; readonly requests: GuestRequest[] }[];
  /** Whether all entries of the buffer are in the queue. */
  complete: boolean;
  context: (Context & { readonly line: number }) | undefined;
  /** mmu_update requests that an event has announced. */
  announced: (GuestRequest & { kind: 'mmu_update' })[];
  /** A request did not fit into the last entry: its own comes. */
  follows: boolean;
  /** Of pgd_pin and pgd_unpin: the last page made read-only or writable, and what is known of the walk. */
  page: (GuestRequest & { kind: 'update_va' }) | undefined;
  rootSeen: boolean;
  unpins: number;
  /** An UNPIN whose page comes next. */
  open: (GuestRequest & { kind: 'unpin' }) | undefined;
}

export class Steps {
  readonly all: Step[] = [];
  private readonly cpus = new Map<number, Cpu>();
  private readonly rootLevel: Level;

  constructor(
    private readonly addresses: Addresses,
    /** The kernel's level number of an L1 (enum pt_level): 4 from 4.12 on, before 3. */
    private readonly pteLevel: number,
    private readonly note: Note,
  ) {
    this.rootLevel = addresses.arch === 'x86_64' ? 4 : 3;
  }

  take(line: number, number: number, event: XenEvent): void {
    const cpu = this.cpu(number);
    switch (event.kind) {
      case 'ignored':
        return;
      case 'entry':
        this.entry(line, number, cpu, event.op, event.args);
        return;
      case 'extend':
        if (event.fits) this.extend(line, cpu, event.op);
        cpu.follows = !event.fits;
        return;
      case 'flush':
        // A full buffer is flushed on the way to a request's entry.
        if (!cpu.follows) this.settle(number, cpu);
        this.flush(line, number, cpu, event.calls);
        return;
      default:
        this.settle(number, cpu);
        cpu.context = { ...event, line };
        cpu.page = undefined;
        cpu.open = undefined;
        cpu.rootSeen = false;
        cpu.unpins = 0;
        this.begin(line, number, cpu, event);
    }
  }

  /** Events of the CPU are missing: what is queued is not known until the next flush. */
  lost(number: number): void {
    const cpu = this.cpu(number);
    this.settle(number, cpu);
    cpu.complete = false;
    cpu.context = undefined;
    cpu.open = undefined;
    cpu.follows = false;
  }

  /** The trace ends. */
  finish(line: number): void {
    for (const [number, cpu] of this.cpus) {
      this.settle(number, cpu);
      if (cpu.queue.length > 0)
        this.note(line, `${cpu.queue.length} hypercalls of CPU ${number} are queued at the end, left out`);
    }
  }

  private cpu(number: number): Cpu {
    let cpu = this.cpus.get(number);
    if (cpu === undefined) {
      // The buffer may hold something when the trace begins: the first flush tells.
      cpu = {
        queue: [],
        complete: false,
        context: undefined,
        announced: [],
        follows: false,
        page: undefined,
        rootSeen: false,
        unpins: 0,
        open: undefined,
      };
      this.cpus.set(number, cpu);
    }
    return cpu;
  }

  private begin(line: number, number: number, cpu: Cpu, event: Context): void {
    switch (event.kind) {
      case 'set':
        this.announce(line, cpu, event);
        break;
      case 'alloc':
      case 'release':
        this.all.push({
          line,
          cpu: number,
          what: { kind: event.kind, pfn: event.pfn, level: this.levelOf(event.level), pinned: event.pinned },
        });
        break;
      case 'pgd_pin': {
        const pfn = this.pfnOf(line, event.pgd, 'pgd');
        if (pfn !== undefined) this.all.push({ line, cpu: number, what: { kind: 'root', pfn } });
        break;
      }
    }
  }

  private announce(line: number, cpu: Cpu, event: Context & { kind: 'set' }): void {
    for (const pointer of event.user === 0n ? [event.pointer] : [event.pointer, event.user]) {
      const pfn = this.pfnOf(line, pointer, 'entry');
      if (pfn === undefined) continue;
      cpu.announced.push({
        kind: 'mmu_update',
        pfn,
        slot: Number((pointer & 0xfffn) >> 3n),
        level: event.level,
        raw: event.raw,
        keepsAD: event.how === 'preserve_ad',
      });
    }
  }

  /**
   * What was announced and not queued was done at once: an L1's entry by a hypercall (before 3.5 by a store that Xen emulates), an upper
   * table's by a plain store, as the table is not pinned.
   */
  private settle(number: number, cpu: Cpu): void {
    const { context, announced } = cpu;
    if (announced.length === 0 || context?.kind !== 'set') return;
    cpu.announced = [];
    const { line } = context;
    for (const request of announced) {
      const { pfn, slot, level, raw } = request;
      const isCall = level === 1 && context.how !== 'store';
      this.all.push({
        line,
        cpu: number,
        what: isCall ? { kind: 'calls', calls: [[request]] } : { kind: 'store', pfn, slot, level, raw },
      });
    }
  }

  private entry(line: number, number: number, cpu: Cpu, op: number, args: readonly bigint[]): void {
    cpu.follows = false;
    // What was not queued by now was done at once.
    if (op !== OP_MMU_UPDATE) this.settle(number, cpu);
    if (op === OP_UPDATE_VA) {
      const request = this.updateVa(line, cpu, args);
      cpu.queue.push({ op, requests: request ? [request] : [] });
      return;
    }
    const requests: GuestRequest[] = [];
    cpu.queue.push({ op, requests });
    this.addRequest(line, cpu, op, requests);
  }

  private extend(line: number, cpu: Cpu, op: number): void {
    const last = cpu.queue.at(-1);
    if (last?.op !== op) {
      if (cpu.complete) this.note(line, `op ${op} is extended, expected its entry to be the last`);
      // Of an entry that is not in the trace.
      cpu.announced = [];
      return;
    }
    this.addRequest(line, cpu, op, last.requests);
  }

  private addRequest(line: number, cpu: Cpu, op: number, requests: GuestRequest[]): void {
    if (op === OP_MMU_UPDATE) {
      const request = cpu.announced.shift();
      if (request) requests.push(request);
      else if (cpu.context?.kind !== 'set')
        this.note(
          line,
          'an mmu_update that no event announces, left out (the trace does not show what it writes)',
        );
    } else if (op === OP_MMUEXT) {
      const request = this.mmuext(cpu);
      if (request) requests.push(request);
    }
  }

  private updateVa(line: number, cpu: Cpu, args: readonly bigint[]): GuestRequest | undefined {
    const wide = this.addresses.arch === 'x86_64';
    const [va, low, high] = args as [bigint, bigint, bigint];
    const raw = wide ? low : low | (high << 32n);
    const pfn = this.addresses.pfnOf(va);
    if (pfn === undefined) {
      this.note(
        line,
        `update_va_mapping of 0x${va.toString(16)}, left out (expected an address of the direct map)`,
      );
      return undefined;
    }
    const flush = FLUSHES[Number(args[wide ? 2 : 3]! & 3n)]!;
    const { context } = cpu;
    const request: GuestRequest & { kind: 'update_va' } = { kind: 'update_va', pfn, raw, flush, level: 0 };
    if (context?.kind === 'alloc' || context?.kind === 'release') request.level = this.levelOf(context.level);
    if (context?.kind === 'pgd_pin' || context?.kind === 'pgd_unpin') this.walked(cpu, context, request);
    cpu.page = request;
    return request;
  }

  /** A page of the walk: a table before those that it names, the root last (xen_pgd_walk). */
  private walked(
    cpu: Cpu,
    context: Context & { kind: 'pgd_pin' | 'pgd_unpin' },
    request: GuestRequest & { kind: 'update_va' },
  ): void {
    if (request.flush === 'flush') {
      request.level = this.rootLevel;
      if (cpu.open) cpu.open.pfn = request.pfn;
      const pgd = this.addresses.pfnOf(context.pgd);
      cpu.rootSeen ||= pgd === undefined || pgd === request.pfn;
    } else if (cpu.open) {
      // An L1: its UNPIN came just before.
      cpu.open.pfn = request.pfn;
      request.level = 1;
    } else {
      // An upper table whose first table is an upper one, too, is an L3.
      const before = cpu.page;
      if (before?.level === 2 && this.rootLevel === 4) before.level = 3;
      request.level = 2;
    }
    cpu.open = undefined;
  }

  /** Which mmuext_op an event's is. */
  private mmuext(cpu: Cpu): GuestRequest | undefined {
    const { context, page } = cpu;
    switch (context?.kind) {
      case 'write_cr3':
        return { kind: context.user ? 'new_user_baseptr' : 'new_baseptr', pfn: context.pfn };
      case 'alloc':
        return { kind: 'pin', level: this.levelOf(context.level), pfn: context.pfn };
      case 'release':
        return { kind: 'unpin', pfn: context.pfn, level: this.levelOf(context.level) };
      case 'pgd_pin':
        return this.pinOfWalk(cpu, context.pgd, page);
      case 'pgd_unpin':
        return this.unpinOfWalk(cpu, context.pgd);
      case 'flush_tlb':
        return { kind: 'mmuext', command: context.command };
      default:
        // xen_flush_tlb fires no event from 4.14 on, and set_ldt is no pagetable's.
        return undefined;
    }
  }

  private pinOfWalk(
    cpu: Cpu,
    pgd: bigint,
    page: (GuestRequest & { kind: 'update_va' }) | undefined,
  ): GuestRequest | undefined {
    const root = this.addresses.pfnOf(pgd);
    if (cpu.rootSeen && this.rootLevel === 3 && root !== undefined)
      return { kind: 'pin', level: 3, pfn: root };
    if (cpu.rootSeen && page) return { kind: 'pin', level: this.rootLevel, pfn: page.pfn };
    if (!page) return undefined;
    page.level = 1;
    return { kind: 'pin', level: 1, pfn: page.pfn };
  }

  private unpinOfWalk(cpu: Cpu, pgd: bigint): GuestRequest {
    const root = this.addresses.pfnOf(pgd);
    if (cpu.unpins++ === 0 && root !== undefined) return { kind: 'unpin', pfn: root, level: this.rootLevel };
    const request = {
      kind: 'unpin' as const,
      pfn: -1,
      level: (cpu.unpins === 2 && !cpu.page ? this.rootLevel : 1) as Level,
    };
    cpu.open = request;
    return request;
  }

  private flush(line: number, number: number, cpu: Cpu, count: number): void {
    const { queue, complete } = cpu;
    cpu.queue = [];
    cpu.complete = true;
    if (queue.length !== count && complete)
      this.note(
        line,
        `CPU ${number} flushes ${count} hypercalls, the trace shows ${queue.length} (events are missing)`,
      );
    const calls = queue.map(({ requests }) => requests).filter((requests) => requests.length > 0);
    if (calls.length > 0) this.all.push({ line, cpu: number, what: { kind: 'calls', calls } });
  }

  private levelOf(level: number): Level {
    return Math.min(this.rootLevel, Math.max(1, this.pteLevel + 1 - level)) as Level;
  }

  private pfnOf(line: number, pointer: bigint, what: string): number | undefined {
    const pfn = this.addresses.pfnOf(pointer);
    if (pfn === undefined)
      this.note(
        line,
        this.addresses.isHashed(pointer)
          ? `the ${what}'s pointer ${pointer.toString(16)} is a hash, left out (record with trace-cmd, or with no_hash_pointers)`
          : `the ${what}'s pointer ${pointer.toString(16)} is outside the direct map, left out`,
      );
    return pfn;
  }
}
