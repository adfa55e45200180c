/**
 * What the entries of all tables add up to for every frame, kept up to date entry by entry. It is derived from
 * memory and information words alone: no count of the model's is read here.
 */
import type { ModelState } from '../../models/model.js';
import { P, SLOTS } from '../../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_L1,
  TYPE_L3,
  TYPE_L4,
} from '../../models/x86/page-type.js';
import { isGuestSlot, isGuests, isPaeSlot, isPartialTable, isValidatedTable } from '../frames.js';
import type { Violation } from '../invariant.js';
import { entryFault } from '../legal-entries.js';
import { treeFault } from '../table-tree.js';
import { xenSlotFault, xenSlotsFault } from '../xen-slots.js';
import { EntryRules } from './entry-rules.js';
import { FrameSet } from './frame-set.js';
import { ShadowPages } from './shadow-pages.js';

/**
 * A frame's account is sixteen words side by side, word k of frame m at `m << ACCOUNT_SHIFT | k`: all that a look at
 * the frame needs lies together in memory. Words 0 to 3 count the kinds of reference that an entry can be.
 */
export const ACCOUNT_SHIFT = 4;
/** Entries of validated L1 tables that map the frame. */
export const READ_ONLY = 0;
export const WRITABLE = 1;
/** Entries of the next level up that name it. */
export const LOWER = 2;
/** Same-level entries to other tables: elsewhere to this one, and in this one. */
export const LINEAR_IN = 3;
export const LINEAR_OUT = 4;
/** Partial tables that hold a general reference on it, their child. */
export const HANDED = 5;
/** Base pointers that name it; and places of GDTs and LDTs. */
export const BASES = 6;
export const SEGMENTS = 7;
/** The type (and pae mark) that the entries counted as LOWER want it to have. */
export const LOWER_TYPE = 8;
/** Information and slots by which the table has been counted; 0 for a frame that is none. */
const SHAPE = 9;
/** The information word when it was last looked at: of a table, when it was counted. */
const INFO = 10;

/** In a slot's reference, which is otherwise the place of the word that counts it: there is one. */
const HELD = 4;
const KIND = 3;

/** What of the information word decides which slots of a table count, and as what. */
const SHAPE_INFO = INFO_TYPE | INFO_PAE_XEN_L2 | INFO_PARTIAL | INFO_HANDED;
const SHAPE_SLOTS_SHIFT = 16;

/** Stands for a frame beyond all memory. */
const NOWHERE = 0x7fffffff;

export class Holdings {
  /** The words of all frames. */
  readonly words: Int32Array;
  /** Frames whose holdings or information may have changed in this step. */
  readonly touched: FrameSet;
  /** Tables whose entries have been looked at since the start state. */
  readonly dirty: FrameSet;
  /** The first entry found in this step that may not be. */
  fault: Violation | undefined;

  private readonly pages: ShadowPages;
  private rules: EntryRules;
  private readonly handedChild = new Map<number, number>();

  constructor(
    private readonly state: ModelState,
    private readonly frames: number,
  ) {
    this.words = new Int32Array(frames << ACCOUNT_SHIFT);
    this.touched = new FrameSet(frames);
    this.dirty = new FrameSet(frames);
    this.pages = new ShadowPages(frames);
    this.rules = new EntryRules(state.machine);
  }

  /** Goes by the rules for entries of the model's machine, which may be another now. */
  readRules(): void {
    this.rules = new EntryRules(this.state.machine);
  }

  /** Holders of one kind. */
  of(mfn: number, kind: number): number {
    return this.words[(mfn << ACCOUNT_SHIFT) | kind];
  }

  /** Counts holders of one kind, or takes them off. */
  count(mfn: number, kind: number, by: number): void {
    this.words[(mfn << ACCOUNT_SHIFT) | kind] += by;
    this.touched.add(mfn);
  }

  isCounted(mfn: number): boolean {
    return this.words[(mfn << ACCOUNT_SHIFT) | SHAPE] !== 0;
  }

  isPartial(mfn: number): boolean {
    return (this.words[(mfn << ACCOUNT_SHIFT) | SHAPE] & INFO_PARTIAL) !== 0;
  }

  /**
   * Whether what the table holds is still what was counted, but for single slots, now that its information word is
   * this. Where several requests ran that cannot be told of an upper table: it may have been dropped and taken anew,
   * and its children with it, as tables of another level.
   */
  hasShape(mfn: number, info: number, several: boolean): boolean {
    const { words } = this;
    const at = mfn << ACCOUNT_SHIFT;
    if (words[at | INFO] === info && !several && (info & INFO_PARTIAL) === 0) return true;
    words[at | INFO] = info;
    const shape = words[at | SHAPE];
    return shape === this.shapeOf(mfn, info) && (!several || (shape & INFO_TYPE) <= TYPE_L1);
  }

  /** Slots 0 .. n-1 of a table count, as `countedSlots` of `frames.ts` has it. */
  private shapeOf(mfn: number, info: number): number {
    const type = info & INFO_TYPE;
    if (type < TYPE_L1 || type > TYPE_L4 || !isGuests(info)) return 0;
    if ((info & INFO_VALIDATED) !== 0) return (info & SHAPE_INFO) | (SLOTS << SHAPE_SLOTS_SHIFT);
    if ((info & INFO_PARTIAL) === 0) return 0;
    return (info & SHAPE_INFO) | (this.state.partialFrom(mfn) << SHAPE_SLOTS_SHIFT);
  }

  /** Drops all that the table holds. */
  dropTable(table: number): void {
    if (!this.isCounted(table)) return;
    this.dirty.add(table);
    for (let slot = this.pages.next(table, 0); slot < SLOTS; slot = this.pages.next(table, slot + 1))
      this.dropSlot(table, slot);
    this.pages.unmark(table);
    const child = this.handedChild.get(table);
    if (child !== undefined) {
      this.count(child, HANDED, -1);
      this.handedChild.delete(table);
    }
    this.words[(table << ACCOUNT_SHIFT) | SHAPE] = 0;
  }

  /** Counts all that the table, which holds nothing yet, holds by its present shape. */
  countTable(table: number): void {
    const { state, words } = this;
    const info = state.info(table);
    const shape = this.shapeOf(table, info);
    words[(table << ACCOUNT_SHIFT) | SHAPE] = shape;
    words[(table << ACCOUNT_SHIFT) | INFO] = info;
    if (shape === 0) return;
    this.dirty.add(table);
    this.pages.prepare(table);
    const end = shape >> SHAPE_SLOTS_SHIFT;
    for (let slot = state.nextUsed(table, 0); slot < end; slot = state.nextUsed(table, slot + 1))
      this.countEntry(table, info, slot);
    if (isValidatedTable(info)) this.fault ??= xenSlotsFault(state, table, info);
    if (isPartialTable(info) && (info & INFO_HANDED) !== 0)
      this.countHanded(table, frameOf(state.low(table, end), state.high(table, end)));
  }

  private countHanded(table: number, child: number): void {
    if (child >= this.frames) return;
    this.count(child, HANDED, 1);
    this.handedChild.set(table, child);
  }

  /** Drops what one slot of a counted table holds. */
  dropSlot(table: number, slot: number): void {
    this.dirty.add(table);
    const reference = this.pages.take(table, slot);
    if (reference === 0) return;
    this.words[reference - HELD] -= 1;
    this.touched.add(reference >> ACCOUNT_SHIFT);
    if ((reference & KIND) === LINEAR_IN) this.count(table, LINEAR_OUT, -1);
  }

  /** Counts what one slot of a counted table, whose reference has been dropped, holds now. */
  countSlot(table: number, slot: number): void {
    if (this.pages.get(table, slot) !== 0) return;
    const info = this.state.info(table);
    this.countEntry(table, info, slot);
    const level = info & INFO_TYPE;
    if (level === TYPE_L1 || level === TYPE_L3 || isGuestSlot(this.state.machine, info, slot)) return;
    this.fault ??= xenSlotFault(this.state, table, info, slot);
  }

  private countEntry(table: number, info: number, slot: number): void {
    const { state } = this;
    const low = state.low(table, slot);
    const high = state.high(table, slot);
    const level = info & INFO_TYPE;
    const isTheirs = level === TYPE_L1 || isGuestSlot(state.machine, info, slot);
    // Of slots that are not the guest's, `xenSlotFault` looks at Xen's: those that nobody uses are an L3's.
    const isFine = isTheirs ? (low & P) === 0 || this.rules.allow(level, low, high) : level !== TYPE_L3;
    if (!isFine && (info & INFO_PARTIAL) === 0) this.fault ??= entryFault(state, table, info, slot);
    if ((low & P) === 0 || !isTheirs) return;
    const target = frameOf(low, high);
    if (level !== TYPE_L1) this.countUpper(table, info, slot, target);
    // Bit 1 of an entry is RW.
    else if (target < this.frames) this.hold(table, slot, target, (low >> 1) & 1);
  }

  private countUpper(table: number, info: number, slot: number, target: number): void {
    const { state, words } = this;
    this.fault ??= treeFault(state, table, info, slot);
    if (target === table || target >= this.frames) return;
    const level = info & INFO_TYPE;
    if ((state.info(target) & INFO_TYPE) === level) {
      this.hold(table, slot, target, LINEAR_IN);
      this.count(table, LINEAR_OUT, 1);
      return;
    }
    const at = target << ACCOUNT_SHIFT;
    const wanted = (level - 1) | (isPaeSlot(state.machine, level, slot) ? INFO_PAE_XEN_L2 : 0);
    if (words[at | LOWER] === 0) words[at | LOWER_TYPE] = wanted;
    this.hold(table, slot, target, LOWER);
  }

  private hold(table: number, slot: number, target: number, kind: number): void {
    const at = (target << ACCOUNT_SHIFT) | kind;
    this.words[at] += 1;
    this.pages.put(table, slot, at + HELD);
    this.touched.add(target);
  }
}

/** Frame number of an entry's words as a small integer: NOWHERE for one that no memory has. */
function frameOf(low: number, high: number): number {
  const upper = high & 0xfffff;
  return upper < 256 ? (low >>> 12) | (upper << 20) : NOWHERE;
}
