/** Runs an imported guest's steps on both models: what they refuse is a finding, and their answers go into the program. */
import { type Entry, entryOf, P, RW, ZERO } from '../../models/x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED, isTable, type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { codeOf, doneOf, OK } from '../../models/x86/result.js';
import type { Session } from '../boot/session.js';
import { decode, encode } from '../program/codec.js';
import type { Machine } from '../program/machine.js';
import type { Hypercall, MmuUpdate, Mmuext, Operation, Word64 } from '../program/operation.js';
import { itemsAt, RECORD } from '../program/record.js';
import { printOperation } from '../text/print.js';
import { printResult } from '../text/result.js';
import type { Addresses } from './addresses.js';
import type { Frames } from './frames.js';
import type { GuestRequest, Note, Step } from './steps.js';
import type { KernelHalf } from './start.js';

/** What the guest has in a table's page, as far as the trace shows. */
type Image = Map<number, Entry>;

/** An operation, for the program's text, with the line of the trace that it is from. */
export type Emit = (line: number, text: string) => void;

const LIST = { fd: 'self', badList: false } as const;

export class Run {
  /** Entries that the trace shows, by frame. */
  private readonly images = new Map<number, Image>();
  /** Frames whose image is not in the models' memory. */
  private readonly dirty = new Set<number>();
  /** Entries of L1s that map a frame writable: by frame, the tables' frames and slots. */
  private readonly writable = new Map<number, Map<string, { mfn: number; slot: number; line: number }>>();
  /** What a pin stands for that the start state has and the guest never made. */
  private readonly held: Set<number>;
  /** Roots of address spaces, which have the kernel's half; on 32-bit, the L2s with it. */
  private readonly roots = new Set<number>();
  /** Whether a page is PG_pinned, where the trace has shown it. */
  private readonly pagePinned = new Map<number, boolean>();

  constructor(
    private readonly session: Session,
    private readonly machine: Machine,
    private readonly frames: Frames,
    private readonly addresses: Addresses,
    private readonly kernel: KernelHalf,
    tables: ReadonlyMap<number, Level>,
    /** The program's vCPU of a CPU; undefined where the program has none for it. */
    private readonly vcpus: ReadonlyMap<number, number>,
    private readonly emit: Emit,
    private readonly finding: Note,
    private readonly assumption: Note,
  ) {
    this.held = new Set([...tables.keys()].map((pfn) => frames.of(pfn)));
    for (const pfn of tables.keys()) this.pagePinned.set(pfn, true);
  }

  step({ line, cpu, what }: Step): void {
    switch (what.kind) {
      case 'calls':
        this.calls(line, cpu, what.calls);
        break;
      case 'store':
        this.store(line, cpu, what.pfn, what.slot, this.frames.entry(what.raw), what.level);
        break;
      case 'root':
        this.root(what.pfn);
        break;
      default:
        this.announced(line, what.kind, what.pfn, what.pinned);
    }
  }

  /** A flush of the buffer: one call by itself, several as a multicall (xen_mc_flush). */
  private calls(line: number, cpu: number, calls: readonly GuestRequest[][]): void {
    for (const one of calls.flat()) this.prepare(line, one);
    const items = calls.map((call) => this.hypercall(cpu, call)).filter((item) => item !== undefined);
    if (items.length === 0) return;
    this.run(line, cpu, items.length === 1 ? items[0]! : { kind: 'multicall', items });
    for (const one of calls.flat()) this.done(line, one);
  }

  /** What has to hold before the request and shows in no event: plain stores, and references of the time before the trace. */
  private prepare(line: number, one: GuestRequest): void {
    if (one.kind === 'unpin' && one.pfn >= 0) this.held.delete(this.frames.of(one.pfn));
    if (one.kind !== 'update_va') return;
    const mfn = this.frames.of(one.pfn);
    if (one.raw & BigInt(RW)) {
      if (!this.held.delete(mfn)) return;
      this.assumption(line, `${this.frames.name(mfn)}, a table from before the trace, is out of use here`);
      this.run(line, undefined, { kind: 'unpin', mfn });
      return;
    }
    this.clearAliases(line, mfn);
    if (this.dirty.delete(mfn)) this.fill(line, mfn);
  }

  /** What changes with the request. */
  private done(line: number, one: GuestRequest): void {
    if (one.kind === 'update_va') {
      const isWritable = (one.raw & BigInt(RW)) !== 0n;
      this.pagePinned.set(one.pfn, !isWritable);
      // Once it is free, whatever it held is no table's; what its next user finds there is not in the trace.
      if (isWritable && one.level !== 0) this.forget(this.frames.of(one.pfn));
    } else if (one.kind === 'mmu_update') {
      const [mfn, value] = [this.frames.of(one.pfn), this.frames.entry(one.raw)];
      if (this.holds(mfn, one.slot, value)) this.note(line, mfn, one.slot, value, one.level);
    }
  }

  /** Whether memory holds the entry; Xen may have changed its flags. */
  private holds(mfn: number, slot: number, value: Entry): boolean {
    const { state } = this.session;
    return entryOf(state.low(mfn, slot), state.high(mfn, slot)).mfn === value.mfn;
  }

  private hypercall(cpu: number, requests: readonly GuestRequest[]): Hypercall | undefined {
    const items = requests.map((one) => this.request(cpu, one)).filter((item) => item !== undefined);
    const [first] = items;
    if (first === undefined || items.length === 1) return first;
    return first.kind === 'mmu_update'
      ? { kind: 'mmu_update_list', options: LIST, pfd: 'self', items: items as MmuUpdate[] }
      : { kind: 'mmuext_op_list', options: LIST, items: items as Mmuext[] };
  }

  private request(cpu: number, one: GuestRequest): Hypercall | undefined {
    const { frames } = this;
    switch (one.kind) {
      case 'update_va':
        return {
          kind: 'update_va',
          va: word(this.addresses.of(one.pfn)),
          entry: frames.entry(one.raw),
          flush: one.flush,
          badBitmap: false,
          fd: 'self',
        };
      case 'mmu_update':
        return {
          kind: 'mmu_update',
          command: one.keepsAD ? 'preserve_ad' : 'normal',
          mfn: frames.of(one.pfn),
          slot: one.slot,
          entry: frames.entry(one.raw),
        };
      case 'pin':
        return { kind: 'pin', level: one.level, mfn: frames.of(one.pfn) };
      case 'unpin':
        return one.pfn < 0 ? undefined : { kind: 'unpin', mfn: frames.of(one.pfn) };
      case 'mmuext':
        return { kind: 'mmuext', command: one.command, badBitmap: false };
      default:
        if (!this.vcpus.has(cpu)) return undefined;
        return { kind: one.kind, mfn: one.pfn === 0 ? 0 : frames.of(one.pfn) };
    }
  }

  /** A plain store to a page that, to the kernel's knowledge, is no table in use; or one that Xen emulates. */
  private store(line: number, cpu: number, pfn: number, slot: number, value: Entry, level: Level): void {
    const mfn = this.frames.of(pfn);
    if (isTable(this.session.state.info(mfn) & INFO_TYPE)) {
      this.run(line, cpu, { kind: 'store_frame', mfn, slot, part: 'entry', entry: value });
      if (!this.holds(mfn, slot, value)) return;
    } else {
      this.dirty.add(mfn);
    }
    this.note(line, mfn, slot, value, level);
  }

  private root(pfn: number): void {
    const mfn = this.frames.of(pfn);
    const image = this.image(mfn);
    let half = mfn;
    if (this.machine.arch === 'x86_32') {
      const l2 = image.get(3);
      if (l2 === undefined || (l2.flags & P) === 0) return;
      half = l2.mfn;
    }
    if (this.roots.has(half)) return;
    this.roots.add(half);
    // Copied from swapper_pg_dir by plain stores.
    for (const { slot, entry } of this.kernel.links())
      if (!this.image(half).has(slot)) this.image(half).set(slot, entry);
    this.dirty.add(half);
  }

  /** What the kernel says of a page against what its requests have made of it. */
  private announced(line: number, kind: 'alloc' | 'release', pfn: number, pinned: boolean): void {
    const known = this.pagePinned.get(pfn);
    if (kind === 'release' && known !== undefined && known !== pinned)
      this.finding(
        line,
        `the kernel takes ${this.frames.name(this.frames.of(pfn))} for ${pinned ? 'pinned' : 'unpinned'} and it is not (PG_pinned differs from what was asked of Xen)`,
      );
    // A page moved with its entries stays as it is; a new one is zeroed.
    if (kind === 'alloc' && known !== true) this.forget(this.frames.of(pfn));
  }

  private forget(mfn: number): void {
    for (const [slot, entry] of this.image(mfn)) this.writable.get(entry.mfn)?.delete(`${mfn}:${slot}`);
    this.images.delete(mfn);
    this.roots.delete(mfn);
    this.dirty.add(mfn);
  }

  private note(line: number, mfn: number, slot: number, value: Entry, level: Level): void {
    const image = this.image(mfn);
    const key = `${mfn}:${slot}`;
    const before = image.get(slot);
    if (before) this.writable.get(before.mfn)?.delete(key);
    if (value.flags === 0 && value.mfn === 0) image.delete(slot);
    else image.set(slot, value);
    if (level !== 1 || (value.flags & (P | RW)) !== (P | RW)) return;
    const holders = this.writable.get(value.mfn) ?? new Map();
    this.writable.set(value.mfn, holders.set(key, { mfn, slot, line }));
  }

  private image(mfn: number): Image {
    let image = this.images.get(mfn);
    if (image === undefined) this.images.set(mfn, (image = new Map()));
    return image;
  }

  private fill(line: number, mfn: number): void {
    if (isTable(this.session.state.info(mfn) & INFO_TYPE)) {
      this.assumption(line, `${this.frames.name(mfn)} is a table by now, stores to it before are left out`);
      return;
    }
    const entries = [...this.image(mfn)].sort(([a], [b]) => a - b).map(([slot, entry]) => ({ slot, entry }));
    this.run(line, undefined, { kind: 'fill', mfn, entries });
  }

  /**
   * A page becomes a table; entries that map it writable, as the trace has it, are gone by now or this is a mistake of the guest's. The kernel
   * clears most entries without an event (ptep_get_and_clear), so that the first is assumed, and said.
   */
  private clearAliases(line: number, mfn: number): void {
    for (const holder of this.writable.get(mfn)?.values() ?? []) {
      this.assumption(
        line,
        `${this.frames.name(mfn)} becomes a table; ${this.frames.name(holder.mfn)}[${holder.slot}] maps it writable since line ${holder.line}, assumed cleared without an event`,
      );
      this.image(holder.mfn).delete(holder.slot);
      const info = this.session.state.info(holder.mfn);
      if ((info & INFO_TYPE) === TYPE_L1 && info & INFO_VALIDATED)
        this.run(line, undefined, {
          kind: 'store_frame',
          mfn: holder.mfn,
          slot: holder.slot,
          part: 'entry',
          entry: ZERO,
        });
      else this.fill(line, holder.mfn);
    }
    this.writable.delete(mfn);
  }

  private run(line: number, cpu: number | undefined, operation: Operation): void {
    const vcpu = cpu === undefined ? 0 : (this.vcpus.get(cpu) ?? 0);
    const placed = vcpu === 0 ? operation : { ...operation, cpu: vcpu };
    this.session.run(placed);
    const records: number[] = [];
    encode(placed, records);
    const code = Int32Array.from(records);
    const answers = this.session.answers.subarray(0, code.length / RECORD);
    this.emit(line, printOperation(code, 0, this.machine, answers));
    for (const call of placed.kind === 'multicall' ? itemsAt(code, 0) : [0]) {
      const answer = answers[call / RECORD]!;
      if (codeOf(answer) === OK) continue;
      // Of a list, the element that it stopped at.
      const done = doneOf(answer);
      const at = call + (done === undefined ? 0 : 1 + done) * RECORD;
      const asked = printOperation(code, at, this.machine);
      this.finding(
        line,
        `${asked}: ${printResult(codeOf(answer))}, expected ok${this.why(decode(code, at))}`,
      );
    }
  }

  /** Which pages a refused operation is about. */
  private why(operation: Operation): string {
    if (!('mfn' in operation)) return '';
    const name = this.frames.name(operation.mfn);
    const { mfn } = 'entry' in operation ? operation.entry : ZERO;
    return mfn === 0 ? ` (${name})` : ` (${name}, to ${this.frames.name(mfn)})`;
  }
}

function word(va: bigint): Word64 {
  return { low: Number(va & 0xffffffffn) | 0, high: Number(va >> 32n) | 0 };
}
