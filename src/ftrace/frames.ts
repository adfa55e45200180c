/** Frame numbers of the program: the trace's mfns where they are small, and others for what has none or a large one. */
import { entry, type Entry, P } from '../../models/x86/entry.js';
import { XEN_MFN } from '../program/machine.js';
import type { Addresses } from './addresses.js';
import type { XenEvent } from './event.js';
import type { Note } from './steps.js';

/** Frames from here on (2 GiB) get another number, as models keep a record of each frame up to the highest. */
const KEPT_LIMIT = 2 ** 19;
/** Numbers given here begin above the PC's legacy range. */
const FIRST_GIVEN = 0x100;
const OP_UPDATE_VA = 14;

export function entryOfRaw(raw: bigint): Entry {
  return entry(Number((raw >> 12n) & 0xffffffffffn), Number(raw & 0xfffn) | (Number(raw >> 52n) << 12));
}

export class Frames {
  /** Frames of the guest's. */
  readonly ram = new Set<number>();
  private readonly foreign = new Set<number>();
  private readonly mfns = new Map<number, number>();
  private readonly pfns = new Map<number, number>();
  private readonly given = new Map<number, number>();
  private readonly used = new Set<number>();
  private next = FIRST_GIVEN;

  constructor(
    private readonly addresses: Addresses,
    private readonly note: Note,
  ) {}

  /** Learns from an event which frame is behind which page. */
  learn(line: number, event: XenEvent): void {
    if (event.kind === 'entry' && event.op === OP_UPDATE_VA) {
      const [va, low, high] = event.args as [bigint, bigint, bigint];
      const pfn = this.addresses.pfnOf(va);
      const raw = this.addresses.arch === 'x86_64' ? low : low | (high << 32n);
      if (pfn !== undefined && raw & 1n) this.pair(line, pfn, entryOfRaw(raw).mfn);
    }
    if (event.kind !== 'set' || (event.raw & 1n) === 0n) return;
    const { mfn } = entryOfRaw(event.raw);
    this.used.add(mfn);
    if (event.value === undefined) return;
    const pfn = entryOfRaw(event.value).mfn;
    // A frame without a pfn of this guest's, or with its own number: I/O, or another domain's.
    const isForeign = event.level === 1 && ((event.value & 1n) === 0n || pfn === mfn);
    if (isForeign) this.foreign.add(mfn);
    else this.pair(line, pfn, mfn);
  }

  private pair(line: number, pfn: number, mfn: number): void {
    this.used.add(mfn);
    this.pfns.set(mfn, pfn);
    const before = this.mfns.get(pfn);
    if (before === undefined) this.mfns.set(pfn, mfn);
    else if (before !== mfn)
      this.note(
        line,
        `pfn ${hex(pfn)} has frame ${hex(mfn)}, before it had ${hex(before)} (the guest has exchanged memory, which no event shows)`,
      );
  }

  /** The program's number of the page's frame. */
  of(pfn: number): number {
    const mfn = this.mfns.get(pfn);
    if (mfn !== undefined) return this.number(mfn, true);
    // Keys below zero are pages whose frame the trace does not show.
    return this.own(this.give(-1 - pfn));
  }

  /** The entry with the program's frame numbers. */
  entry(raw: bigint): Entry {
    const found = entryOfRaw(raw);
    if ((found.flags & P) === 0) return found;
    return entry(this.number(found.mfn, !this.isForeign(found.mfn)), found.flags);
  }

  /** A frame for something that the trace does not show. */
  fresh(): number {
    return this.own(this.give(undefined));
  }

  /** Frames that the guest maps and does not own as memory. */
  get io(): number[] {
    return [...this.foreign].filter((mfn) => this.isForeign(mfn)).map((mfn) => this.number(mfn, false));
  }

  /** The page of a frame by the program's number, for messages. */
  name(number: number): string {
    const key = [...this.given].find(([, given]) => given === number)?.[0] ?? number;
    const pfn = key < 0 ? -1 - key : this.pfns.get(key);
    return pfn === undefined ? `frame ${hex(number)}` : `pfn ${hex(pfn)} (frame ${hex(number)})`;
  }

  /** Numbers that are not the trace's: what each stands for. */
  get renamed(): string[] {
    return [...this.given].map(([key, number]) =>
      key < 0
        ? `${hex(number)} is pfn ${hex(-1 - key)}, whose frame the trace does not show`
        : `${hex(number)} is mfn ${hex(key)}`,
    );
  }

  private isForeign(mfn: number): boolean {
    return this.foreign.has(mfn) && !this.pfns.has(mfn);
  }

  private number(mfn: number, isRam: boolean): number {
    if (!isRam) return mfn === XEN_MFN ? this.give(mfn) : mfn;
    return this.own(mfn > XEN_MFN && mfn < KEPT_LIMIT ? mfn : this.give(mfn));
  }

  private own(number: number): number {
    this.ram.add(number);
    return number;
  }

  private give(key: number | undefined): number {
    const before = key === undefined ? undefined : this.given.get(key);
    if (before !== undefined) return before;
    while (this.used.has(this.next)) this.next++;
    const number = this.next++;
    if (key !== undefined) this.given.set(key, number);
    return number;
  }
}

export function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
