/**
 * The processor and the hypervisor as a guest kernel meets them: stores, loads and hypercalls, each of them an operation
 * of the models, and what becomes of the kernel when one is refused.
 */
import type { Entry } from '../../x86/entry.js';
import { entry, entryOf, isSame, P, RW, ZERO } from '../../x86/entry.js';
import { codeOf, FAULT, OK } from '../../x86/result.js';
import type { Level } from '../../x86/page-type.js';
import type { ModelState } from '../../model.js';
import type {
  Flush,
  Hypercall,
  MmuextCommand,
  Operation,
  StorePart,
  Word64,
} from '../../../src/program/operation.js';
import type { GuestDefectId } from '../defects/ids.js';
import { INVALID_P2M_ENTRY, type Layout, slotsOf } from '../layout.js';
import type { Profile } from '../profile.js';
import { Crash, type Cause } from '../crash.js';

/** Both models side by side. */
export interface Hypervisor {
  readonly state: ModelState;
  /**
   * Runs the operation; its answer.
   *
   * @throws whatever the models' keeper has to say if they disagree or an invariant breaks.
   */
  run(operation: Operation): number;
  /** The last operation's answer and its elements', by record. */
  readonly answers: Int32Array;
}

/** An entry of a table, as the kernel has a pointer to it: through which address, and whose it is. */
export interface Slot {
  readonly va: Word64;
  /** Page of the table. */
  readonly pfn: number;
  readonly index: number;
}

/** A table's page, and the address through which the kernel reaches it. */
export interface TablePage {
  readonly pfn: number;
  readonly va: Word64;
}

export class Guest {
  /** Kernel functions on the way to what runs now. */
  readonly path: string[] = [];
  /** Frames by page; what the kernel has changed of them. */
  protected readonly p2m = new Map<number, number>();
  /** The vCPU that runs. */
  protected cpu = 0;
  /** Pages whose kernel mapping became writable without a flush: the TLB may still say otherwise. */
  private readonly stale = new Set<string>();
  /** The kernel can handle a page fault (early_trap_init), and what BUG() raises (trap_init): before that Xen ends it. */
  protected faultsReady = false;
  protected trapsReady = false;
  readonly wide: boolean;

  constructor(
    readonly hypervisor: Hypervisor,
    readonly layout: Layout,
    readonly profile: Profile,
    private readonly defects: ReadonlySet<GuestDefectId>,
  ) {
    this.wide = layout.machine.arch === 'x86_64';
  }

  /** The kernel makes this mistake. */
  protected bug(id: GuestDefectId): boolean {
    return this.defects.has(id);
  }

  protected get state(): ModelState {
    return this.hypervisor.state;
  }

  protected fail(cause: Cause): never {
    throw new Crash(cause, [...this.path], cause.kind === 'fault' ? this.faultsReady : this.trapsReady);
  }

  protected panic(message: string): never {
    this.fail({ kind: 'panic', message });
  }

  protected BUG(message: string): never {
    this.fail({ kind: 'bug', message });
  }

  pfn_to_mfn(pfn: number): number {
    return this.p2m.get(pfn) ?? this.layout.mfn(pfn);
  }

  mfn_to_pfn(mfn: number): number | undefined {
    return this.layout.pfn(mfn);
  }

  /** An entry for a page, by its frame. */
  protected pfn_pte(pfn: number, flags: number): Entry {
    const mfn = this.pfn_to_mfn(pfn);
    return mfn === INVALID_P2M_ENTRY ? entry(INVALID_MFN, flags) : entry(mfn, flags);
  }

  protected __va(pfn: number): Word64 {
    return this.layout.direct(pfn);
  }

  protected slot(page: TablePage, index: number): Slot {
    return { va: { low: page.va.low | (index << 3), high: page.va.high }, pfn: page.pfn, index };
  }

  /** What memory holds there, whether or not anything maps it. */
  protected read({ pfn, index }: Slot): Entry {
    return this.readFrame(this.pfn_to_mfn(pfn), index);
  }

  protected readFrame(mfn: number, index: number): Entry {
    return entryOf(this.state.low(mfn, index), this.state.high(mfn, index));
  }

  /** Page of the table that the entry names. */
  protected named(slot: Slot): number {
    return this.mfn_to_pfn(this.read(slot).mfn)!;
  }

  /** Goes the processor's way to an address: the L1 entry there; ZERO where there is none. */
  protected walk(va: Word64): Entry {
    let mfn = this.state.kernelBase(this.cpu);
    let found = ZERO;
    for (const index of slotsOf(va, this.wide)) {
      found = this.readFrame(mfn, index);
      if ((found.flags & P) === 0) return ZERO;
      mfn = found.mfn;
    }
    return found;
  }

  /** A read through an address. */
  protected load(va: Word64): void {
    if ((this.walk(va).flags & P) === 0) this.fault(va, 'read', false);
  }

  /** A plain store of an entry. */
  protected store(slot: Slot, value: Entry, part: StorePart = 'entry'): void {
    this.storeTo(slot.va, value, part);
  }

  protected storeTo(va: Word64, value: Entry, part: StorePart = 'entry'): void {
    if (this.stale.size > 0 && !this.faultsReady && this.stale.has(pageKey(va)))
      this.fault(va, 'stale', true);
    const answer = this.run({ kind: 'store', va, part, entry: value });
    if (answer !== OK) this.fault(va, 'write', (this.walk(va).flags & P) !== 0, value);
  }

  /** Stores zero wherever the page holds something, and at its beginning. */
  protected clear_page({ pfn, va }: TablePage): void {
    const mfn = this.pfn_to_mfn(pfn);
    this.storeTo(va, ZERO);
    for (let index = this.state.nextUsed(mfn, 0); index < 512; index = this.state.nextUsed(mfn, index + 1))
      this.store(this.slot({ pfn, va }, index), ZERO);
  }

  /** memcpy of a table's page. */
  protected copy_page(to: TablePage, from: number): void {
    const source = this.pfn_to_mfn(from);
    const target = this.pfn_to_mfn(to.pfn);
    for (let index = 0; index < 512; index++) {
      const value = this.readFrame(source, index);
      if (!isSame(value, this.readFrame(target, index))) this.store(this.slot(to, index), value);
    }
  }

  private fault(va: Word64, access: 'read' | 'write' | 'stale', present: boolean, value?: Entry): never {
    this.fail({ kind: 'fault', va, access, present, ...(value ? { value } : {}) });
  }

  protected run(operation: Operation): number {
    return this.hypervisor.run(this.cpu === 0 ? operation : { ...operation, cpu: this.cpu });
  }

  /** A hypercall whose failure the kernel takes for a bug of its own. */
  protected hypercall(call: Hypercall): void {
    const answer = codeOf(this.run(call));
    if (answer !== OK) this.refused(call, answer);
  }

  protected refused(call: Hypercall, answer: number): never {
    if (answer === FAULT) throw new Error(`a hypercall cannot fault: ${call.kind}`);
    this.fail({ kind: 'refused', call, answer });
  }

  /** UVMF_NONE unless it is asked for more. */
  protected HYPERVISOR_update_va_mapping(va: Word64, value: Entry, flush: Flush = 'none'): void {
    const before = this.walk(va);
    this.hypercall({ kind: 'update_va', va, entry: value, flush, badBitmap: false, fd: 'self' });
    const widened = (before.flags & (P | RW)) === P && (value.flags & RW) !== 0;
    if (flush === 'invlpg') this.stale.delete(pageKey(va));
    else if (flush === 'flush') this.stale.clear();
    else if (widened && !this.faultsReady) this.stale.add(pageKey(va));
  }

  protected HYPERVISOR_mmu_update(
    slot: { readonly mfn: number; readonly index: number },
    value: Entry,
  ): void {
    this.hypercall(mmuUpdate(slot, value));
  }

  protected pin(level: Level, mfn: number): void {
    this.hypercall({ kind: 'pin', level, mfn });
  }

  protected unpin(mfn: number): void {
    this.hypercall({ kind: 'unpin', mfn });
  }

  protected mmuext(command: MmuextCommand): void {
    this.hypercall({ kind: 'mmuext', command, badBitmap: false });
    this.stale.clear();
  }

  protected new_baseptr(mfn: number): void {
    this.hypercall({ kind: 'new_baseptr', mfn });
    this.stale.clear();
  }
}

/** What a page without a frame has in the list of frames. */
export const INVALID_MFN = 2 ** 40 - 1;

export function mmuUpdate(
  { mfn, index }: { readonly mfn: number; readonly index: number },
  value: Entry,
): Hypercall & { readonly kind: 'mmu_update' } {
  return { kind: 'mmu_update', command: 'normal', mfn, slot: index, entry: value };
}

function pageKey({ low, high }: Word64): string {
  return `${high}:${low & ~0xfff}`;
}
