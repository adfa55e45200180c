/**
 * What the entries of all tables add up to for every frame, kept up to date entry by entry. It is derived from
 * memory and information words alone: no count of the model's is read here.
 */
import type { ModelState } from '../../models/model.js';
import { P, RW, SLOTS, mfnOf } from '../../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  TYPE_L1,
} from '../../models/x86/page-type.js';
import {
  countedSlots,
  isGuestSlot,
  isGuests,
  isPaeSlot,
  isPartialTable,
  isValidatedTable,
} from '../frames.js';
import type { Violation } from '../invariant.js';
import { entryFault } from '../legal-entries.js';
import { treeFault } from '../table-tree.js';
import { xenSlotFault, xenSlotsFault } from '../xen-slots.js';
import { FrameSet } from './frame-set.js';
import { LINEAR, LOWER, READ_ONLY, ShadowPages, WRITABLE } from './shadow-pages.js';

/** What of the information word decides which slots of a table count, and as what. */
const SHAPE_INFO = INFO_TYPE | INFO_PAE_XEN_L2 | INFO_PARTIAL | INFO_HANDED;
const SHAPE_SLOTS_SHIFT = 16;

export class Holdings {
  /** Entries of validated L1 tables that map the frame. */
  readonly readOnly: Int32Array;
  readonly writable: Int32Array;
  /** Entries of the next level up that name it, and the type (and pae mark) that they want it to have. */
  readonly lower: Int32Array;
  readonly lowerType: Uint8Array;
  /** Same-level entries to other tables: elsewhere to this one, and in this one. */
  readonly linearIn: Int32Array;
  readonly linearOut: Int32Array;
  /** Partial tables that hold a general reference on it, their child. */
  readonly handed: Int32Array;
  /** Frames whose holdings or information may have changed in this step. */
  readonly touched: FrameSet;
  /** Tables whose entries have been looked at since the start state. */
  readonly dirty: FrameSet;
  /** The first entry found in this step that may not be. */
  fault: Violation | undefined;

  /** Information and slots by which each table has been counted; 0 for a frame that is none. */
  private readonly shape: Int32Array;
  private readonly pages: ShadowPages;
  private readonly handedChild = new Map<number, number>();

  constructor(
    private readonly state: ModelState,
    frames: number,
  ) {
    this.readOnly = new Int32Array(frames);
    this.writable = new Int32Array(frames);
    this.lower = new Int32Array(frames);
    this.lowerType = new Uint8Array(frames);
    this.linearIn = new Int32Array(frames);
    this.linearOut = new Int32Array(frames);
    this.handed = new Int32Array(frames);
    this.touched = new FrameSet(frames);
    this.dirty = new FrameSet(frames);
    this.shape = new Int32Array(frames);
    this.pages = new ShadowPages(frames);
  }

  isCounted(mfn: number): boolean {
    return this.shape[mfn] !== 0;
  }

  isPartial(mfn: number): boolean {
    return (this.shape[mfn] & INFO_PARTIAL) !== 0;
  }

  /**
   * What the table holds is still what was counted, but for single slots. Where several requests ran that cannot
   * be told of an upper table: it may have been dropped and taken anew, and its children with it, as tables of
   * another level.
   */
  hasShape(mfn: number, several: boolean): boolean {
    const shape = this.shape[mfn];
    return shape === this.shapeOf(mfn) && (!several || (shape & INFO_TYPE) <= TYPE_L1);
  }

  private shapeOf(mfn: number): number {
    const info = this.state.info(mfn);
    if (!isGuests(info) || !(isValidatedTable(info) || isPartialTable(info))) return 0;
    return (info & SHAPE_INFO) | (countedSlots(this.state, mfn, info) << SHAPE_SLOTS_SHIFT);
  }

  /** Drops all that the table holds. */
  dropTable(table: number): void {
    if (this.shape[table] === 0) return;
    this.dirty.add(table);
    for (let slot = this.pages.next(table, 0); slot < SLOTS; slot = this.pages.next(table, slot + 1))
      this.dropSlot(table, slot);
    const child = this.handedChild.get(table);
    if (child !== undefined) {
      this.handed[child] -= 1;
      this.touched.add(child);
      this.handedChild.delete(table);
    }
    this.shape[table] = 0;
  }

  /** Counts all that the table, which holds nothing yet, holds by its present shape. */
  countTable(table: number): void {
    const shape = this.shapeOf(table);
    this.shape[table] = shape;
    if (shape === 0) return;
    const { state } = this;
    this.dirty.add(table);
    this.pages.prepare(table);
    const end = shape >> SHAPE_SLOTS_SHIFT;
    const info = state.info(table);
    for (let slot = state.nextUsed(table, 0); slot < end; slot = state.nextUsed(table, slot + 1))
      this.countEntry(table, info, slot);
    if (isValidatedTable(info)) this.fault ??= xenSlotsFault(state, table, info);
    if (isPartialTable(info) && (info & INFO_HANDED) !== 0)
      this.countHanded(table, mfnOf(state.low(table, end), state.high(table, end)));
  }

  private countHanded(table: number, child: number): void {
    if (child >= this.state.frameLimit) return;
    this.handed[child] += 1;
    this.touched.add(child);
    this.handedChild.set(table, child);
  }

  /** Drops what one slot of a counted table holds. */
  dropSlot(table: number, slot: number): void {
    const held = this.pages.get(table, slot) - 1;
    if (held < 0) return;
    this.pages.clear(table, slot);
    const target = held >> 2;
    this.touched.add(target);
    switch (held & 3) {
      case READ_ONLY:
        this.readOnly[target] -= 1;
        return;
      case WRITABLE:
        this.writable[target] -= 1;
        return;
      case LOWER:
        this.lower[target] -= 1;
        return;
      default:
        this.linearIn[target] -= 1;
        this.linearOut[table] -= 1;
        this.touched.add(table);
    }
  }

  /** Counts what one slot of a counted table, whose reference has been dropped, holds now. */
  countSlot(table: number, slot: number): void {
    if (this.pages.get(table, slot) !== 0) return;
    const info = this.state.info(table);
    this.countEntry(table, info, slot);
    if (!isGuestSlot(this.state.machine, info, slot) && (info & INFO_TYPE) !== 3) {
      this.fault ??= xenSlotFault(this.state, table, info, slot);
    }
  }

  private countEntry(table: number, info: number, slot: number): void {
    const { state } = this;
    const level = info & INFO_TYPE;
    if ((info & INFO_PARTIAL) === 0) this.fault ??= entryFault(state, table, info, slot);
    const low = state.low(table, slot);
    if ((low & P) === 0 || !isGuestSlot(state.machine, info, slot)) return;
    const target = mfnOf(low, state.high(table, slot));
    if (level !== TYPE_L1) {
      this.fault ??= treeFault(state, table, info, slot);
      if (target === table) return;
    }
    if (target < state.frameLimit) this.hold(table, level, slot, target, (low & RW) !== 0);
  }

  private hold(table: number, level: number, slot: number, target: number, writable: boolean): void {
    this.touched.add(target);
    if (level === TYPE_L1) {
      if (writable) this.writable[target] += 1;
      else this.readOnly[target] += 1;
      this.pages.set(table, slot, target, writable ? WRITABLE : READ_ONLY);
    } else if ((this.state.info(target) & INFO_TYPE) === level) {
      this.linearIn[target] += 1;
      this.linearOut[table] += 1;
      this.touched.add(table);
      this.pages.set(table, slot, target, LINEAR);
    } else {
      const wanted = (level - 1) | (isPaeSlot(this.state.machine, level, slot) ? INFO_PAE_XEN_L2 : 0);
      if (this.lower[target] === 0) this.lowerType[target] = wanted;
      this.lower[target] += 1;
      this.pages.set(table, slot, target, LOWER);
    }
  }
}
