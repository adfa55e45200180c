import type { ModelState } from '../../models/model.js';
import {
  type Entry,
  entry,
  mfnOf,
  NX,
  P,
  RW,
  SLOTS,
  US,
  A,
  AVL9,
  D,
  G,
  GNTTAB,
  GUEST_KERNEL,
  PCD,
  PSE,
  PWT,
} from '../../models/x86/entry.js';
import {
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_WRITABLE,
  type Level,
} from '../../models/x86/page-type.js';
import { BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN, type Machine, WINDOW_0 } from '../program/machine.js';
import type { Word64 } from '../program/operation.js';
import type { RecordWriter } from '../program/writer.js';
import { type Draw, oneIn, pick } from './draw.js';

const FLAGS_SELDOM = [
  A,
  D,
  A | D,
  NX,
  NX | A,
  G,
  PWT,
  PCD,
  PWT | PCD,
  PSE,
  PSE | PWT,
  AVL9,
  GUEST_KERNEL,
  GNTTAB,
] as const;
/** Windows beyond those of the frames: second mappings of the same frame. */
const ALIASES = 4;
export const BOOT_TABLES = [BOOT_MFN.B1, BOOT_MFN.B2, BOOT_MFN.B3] as const;
/** Slots at which a rule changes. */
const SLOTS_SELDOM = [3, 4, 5, 300, 511] as const;
const L4_SLOTS_SELDOM = [255, 256, 258, 271, 272, 511, 511, 511] as const;

/**
 * What a generator sees while it builds a program: the model's state, and for each frame the level that it is
 * meant to become. Choices lean towards what can succeed now and keep to a few frames, so that tables get
 * built, shared, torn down and used for something else.
 */
export class Scene {
  readonly rootLevel: Level;
  /** The boot pagetable's root. */
  readonly bootRoot: number;
  /** The vCPU that runs the next operation. */
  cpu = 0;
  /** Windows that operations use. */
  readonly windows: number;
  /** Level that each `F` frame is built for; 0 for a data page. */
  private readonly roles: number[];
  private readonly working: number[];
  private readonly slotsOfL2Seldom: readonly number[];
  private readonly frameLimit: number;

  constructor(
    readonly draw: Draw,
    readonly machine: Machine,
    readonly state: ModelState,
    /** Takes what is drawn. */
    readonly write: RecordWriter,
  ) {
    this.frameLimit = state.frameLimit;
    this.rootLevel = machine.arch === 'x86_64' ? 4 : 3;
    this.bootRoot = machine.arch === 'x86_64' ? BOOT_MFN.B4 : BOOT_MFN.B3;
    this.slotsOfL2Seldom = [machine.paeXenSlot - 1, machine.paeXenSlot % SLOTS, 511, 4];
    this.windows = machine.frames + ALIASES;
    this.working = Array.from({ length: 2 + draw.below(oneIn(draw, 3) ? machine.frames - 1 : 3) }, () =>
      draw.below(machine.frames),
    );
    this.roles = Array.from({ length: machine.frames }, () => draw.below(this.rootLevel + 1));
  }

  /** One of the frames that this program is about; seldom any other. */
  frame(): number {
    const index = oneIn(this.draw, 12) ? this.draw.below(this.machine.frames) : pick(this.draw, this.working);
    return FIRST_FRAME_MFN + index;
  }

  /** A frame, or seldom a boot table, or a frame number beyond memory. */
  anyFrame(): number {
    switch (this.draw.below(40)) {
      case 0:
        return BAD_MFN[this.machine.arch];
      case 1:
      case 2:
        return pick(this.draw, BOOT_TABLES);
      case 3:
        return 0;
      default:
        return this.frame();
    }
  }

  /** Level that the frame is meant to become; what is none of the `F` frames stays what it is. */
  role(mfn: number): number {
    const index = mfn - FIRST_FRAME_MFN;
    return index >= 0 && index < this.roles.length ? this.roles[index]! : 1;
  }

  changeRole(mfn: number): void {
    if (mfn >= FIRST_FRAME_MFN) this.roles[mfn - FIRST_FRAME_MFN] = this.draw.below(this.rootLevel + 1);
  }

  setRole(mfn: number, level: number): void {
    if (mfn >= FIRST_FRAME_MFN) this.roles[mfn - FIRST_FRAME_MFN] = level;
  }

  /** One of the frames in use as a table of this level; 0 if none is found. */
  tableOf(level: number): number {
    const mfn = this.frameWhere((frame) => this.type(frame) === level && this.isTable(frame));
    return this.type(mfn) === level && this.isTable(mfn) ? mfn : 0;
  }

  /** The same, or seldom the boot table of the level. */
  someTable(level: number): number {
    if (oneIn(this.draw, 6)) return [0, BOOT_MFN.B1, BOOT_MFN.B2, BOOT_MFN.B3, BOOT_MFN.B4][level]!;
    return this.tableOf(level);
  }

  /** A slot with its neighbours in reach, seldom the last one. */
  lowSlot(): number {
    return oneIn(this.draw, 10) ? SLOTS - 1 : this.draw.below(3);
  }

  /** A few tries for a frame that passes; else any. */
  frameWhere(passes: (mfn: number) => boolean): number {
    let mfn = this.frame();
    for (let i = 0; i < 6 && !passes(mfn); i++) mfn = this.frame();
    return mfn;
  }

  /** Of frames that exist only is the model asked: typed arrays are slow with indices beyond their end. */
  private info(mfn: number): number {
    return mfn < this.frameLimit ? this.state.info(mfn) : 0;
  }

  type(mfn: number): number {
    return this.info(mfn) & INFO_TYPE;
  }

  /** The frame is a table in use. */
  isTable(mfn: number): boolean {
    const type = this.type(mfn);
    return type !== 0 && type !== TYPE_WRITABLE && this.state.typeCount(mfn) > 0;
  }

  isPinned(mfn: number): boolean {
    return (this.info(mfn) & INFO_PINNED) !== 0;
  }

  isWritable(mfn: number): boolean {
    return this.type(mfn) === TYPE_WRITABLE && this.state.typeCount(mfn) > 0;
  }

  /** Level of a table in use, else the level that the frame is meant for. */
  levelOf(mfn: number): number {
    const info = this.info(mfn);
    return (info & INFO_VALIDATED) !== 0 && this.isTable(mfn) ? info & INFO_TYPE : this.role(mfn);
  }

  /**
   * First slot whose entry would fail the frame's validation as a table of this level, as far as a glance tells;
   * -1 if none would.
   */
  firstBad(mfn: number, level: number): number {
    const { state } = this;
    if (level === 3 && this.rootLevel === 3 && (state.low(mfn, 3) & P) === 0) return 3;
    for (let slot = state.nextUsed(mfn, 0); slot < SLOTS; slot = state.nextUsed(mfn, slot + 1)) {
      const low = state.low(mfn, slot);
      if ((low & P) === 0) continue;
      const child = mfnOf(low, state.high(mfn, slot));
      const bad =
        level === 1
          ? (low & RW) !== 0 && this.isTable(child)
          : this.isWritable(child) || this.levelOf(child) !== level - 1;
      if (bad && !(level > 1 && child === mfn && (low & RW) === 0)) return slot;
    }
    return -1;
  }

  window(): number {
    return oneIn(this.draw, 8)
      ? this.machine.frames + this.draw.below(ALIASES)
      : this.frame() - FIRST_FRAME_MFN;
  }

  /** Virtual address of a window, and of what is `offset` bytes behind it. */
  addressOf(window: number, offset = 0): Word64 {
    const { low, high } = WINDOW_0[this.machine.arch];
    return { low: (low + window * 4096 + offset) | 0, high };
  }

  /** Mostly the first few slots; else those at which a rule changes. */
  slot(level: number): number {
    if (!oneIn(this.draw, 3)) return this.draw.below(4);
    if (level === 4) return pick(this.draw, L4_SLOTS_SELDOM);
    return pick(this.draw, level === 2 ? this.slotsOfL2Seldom : SLOTS_SELDOM);
  }

  /** An entry that a table of this level could hold. */
  entryFor(table: number, level: number, slot: number): Entry {
    const { draw } = this;
    if (oneIn(draw, 9)) return entry(0, 0);
    if (oneIn(draw, 25)) return entry(this.anyFrame(), draw.below(8) & ~P);
    const seldom = oneIn(draw, 8) ? pick(draw, FLAGS_SELDOM) : 0;
    if (level <= 1) return this.leaf(seldom);
    if (level === 4 && slot === 511 && !oneIn(draw, 4)) return entry(BOOT_MFN.B3, P | RW | US | seldom);
    if (oneIn(draw, 7))
      return entry(
        oneIn(draw, 2) ? table : this.frameWhere((mfn) => this.type(mfn) === level),
        P | US | seldom,
      );
    const child = oneIn(draw, 10)
      ? this.anyFrame()
      : this.frameWhere((mfn) => this.levelOf(mfn) === level - 1 && !this.isWritable(mfn));
    return entry(child, P | US | seldom | (oneIn(draw, 3) ? 0 : RW));
  }

  private leaf(seldom: number): Entry {
    const mfn = this.anyFrame();
    const writable = !this.isTable(mfn) || oneIn(this.draw, 5);
    const user = this.machine.arch === 'x86_64' && oneIn(this.draw, 2) ? US : 0;
    return entry(mfn, P | user | seldom | (writable && !oneIn(this.draw, 3) ? RW : 0));
  }
}
