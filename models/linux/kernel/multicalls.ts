/** Hypercalls that wait in a buffer until they are made together (arch/x86/xen/multicalls.c). */
import type { Entry } from '../../x86/entry.js';
import { codeOf, OK } from '../../x86/result.js';
import type { Level } from '../../x86/page-type.js';
import type { Hypercall, MmuUpdate, Word64 } from '../../../src/program/operation.js';
import { Lowmem } from './lowmem.js';
import { mmuUpdate } from './guest.js';

/** Calls that the buffer holds (MC_BATCH). */
const MC_BATCH = 32;

interface Queue {
  calls: Hypercall[];
  lazy: boolean;
}

export class Multicalls extends Lowmem {
  private readonly queues: Queue[] = [0, 1].map(() => ({ calls: [], lazy: false }));

  private get queue(): Queue {
    return this.queues[this.cpu]!;
  }

  protected get waiting(): number {
    return this.queue.calls.length;
  }

  protected enter_lazy(): void {
    this.queue.lazy = true;
  }

  protected leave_lazy(): void {
    this.xen_mc_flush();
    this.queue.lazy = false;
  }

  protected get isLazy(): boolean {
    return this.queue.lazy;
  }

  protected xen_mc_entry(call: Hypercall): void {
    if (this.queue.calls.length === MC_BATCH) this.xen_mc_flush();
    this.queue.calls.push(call);
  }

  /** Makes the calls now, unless the kernel is in a lazy mode and makes them when it leaves that. */
  protected xen_mc_issue(): void {
    if (!this.queue.lazy) this.xen_mc_flush();
  }

  /** One multicall; several updates in a row are one call's list. */
  protected xen_mc_flush(): void {
    const { queue } = this;
    const calls = merged(queue.calls);
    queue.calls = [];
    if (calls.length === 1) this.hypercall(calls[0]!);
    else if (calls.length > 1) this.multicall(calls);
  }

  private multicall(calls: readonly Hypercall[]): void {
    this.run({ kind: 'multicall', items: calls });
    let record = 1;
    for (const [index, call] of calls.entries()) {
      const answer = codeOf(this.hypervisor.answers[record]!);
      if (answer !== OK) this.fail({ kind: 'refused', call, answer, batch: { index, calls } });
      record += call.kind === 'mmu_update_list' ? 1 + call.items.length : 1;
    }
  }

  protected MULTI_update_va_mapping(va: Word64, value: Entry, flush: 'none' | 'flush' = 'none'): void {
    this.xen_mc_entry({ kind: 'update_va', va, entry: value, flush, badBitmap: false, fd: 'self' });
  }

  protected MULTI_mmu_update(mfn: number, index: number, value: Entry): void {
    this.xen_mc_entry(mmuUpdate({ mfn, index }, value));
  }

  protected MULTI_pin(level: Level, mfn: number): void {
    this.xen_mc_entry({ kind: 'pin', level, mfn });
  }

  protected MULTI_unpin(mfn: number): void {
    this.xen_mc_entry({ kind: 'unpin', mfn });
  }
}

function merged(calls: readonly Hypercall[]): Hypercall[] {
  const found: Hypercall[] = [];
  for (const call of calls) {
    const last = found.at(-1);
    if (call.kind !== 'mmu_update' || last === undefined) found.push(call);
    else if (last.kind === 'mmu_update') found.splice(-1, 1, listOf([last, call]));
    else if (last.kind === 'mmu_update_list') found.splice(-1, 1, listOf([...last.items, call]));
    else found.push(call);
  }
  return found;
}

function listOf(items: readonly MmuUpdate[]): Hypercall {
  return { kind: 'mmu_update_list', options: { fd: 'self', badList: false }, pfd: 'self', items };
}
