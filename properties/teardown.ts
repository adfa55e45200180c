/**
 * Teardown: whatever a guest has done, it can give up every use of its frames and write all of them again.
 *
 * The toolstack resets all virtual CPUs but one. There the guest drops GDT, LDT and user base, resumes partial tables so that they end validated or untyped, unpins,
 * clears every entry of every table, makes the boot pagetable whole again and loads it. After that no frame of its
 * own may have a type reference other than a writable one, and each can be mapped writable through its window.
 *
 * Excepted, and reported as such:
 * - the boot tables and the table that the base pointer names;
 * - frames with type references that failed validations have lost (rules 14), and what a 32-bit L3 among
 *   them, or the base, names in slot 3, which no request can change (rules 3.5);
 * - the mapping through windows when the boot pagetable cannot be made whole, because one of its frames
 *   is lost in that way or has been given back to Xen.
 */
import type { Model } from '../models/model.js';
import { A, P, RW, SLOTS, US, ZERO, entry, mfnOf } from '../models/x86/entry.js';
import {
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  TYPE_L1,
  TYPE_WRITABLE,
  type Level,
} from '../models/x86/page-type.js';
import { OK, PREEMPTED, codeOf } from '../models/x86/result.js';
import { FIRST_FRAME_MFN, WINDOW_0 } from '../src/program/machine.js';
import type { Operation } from '../src/program/operation.js';
import { encode } from '../src/program/codec.js';
import { RECORD } from '../src/program/record.js';
import { isGuestSlot, isGuests, isPaeSlot, isValidatedTable, rootLevel } from './frames.js';
import type { Violation } from './invariant.js';
import { frameName, typeName } from './wording.js';

const name = 'teardown';

export interface Teardown {
  readonly violation?: Violation;
  /** Frames that failed validations have taken from the guest for good. */
  readonly excepted: readonly number[];
  /** Whether the boot pagetable could be made whole, so that frames could be mapped again. */
  readonly windows: boolean;
}

/**
 * Drives a model of the standard layout from any state but that of a dying domain (for which `zeroAfterTeardown`
 * says what must hold). Whoever follows the model must be reset after it.
 */
export function teardown(model: Model): Teardown {
  return new Guest(model).tearDown();
}

class Guest {
  /** Tables of the start state. */
  private readonly boot: ReadonlySet<number>;
  /** The virtual CPU that gives everything up. */
  private readonly cpu: number;

  constructor(private readonly model: Model) {
    this.cpu = cpusOf(model).find((cpu) => model.loadedBase(cpu) !== 0) ?? 0;
    this.boot = new Set(model.machine.start.tables.map((table) => table.mfn));
  }

  tearDown(): Teardown {
    const { model } = this;
    const { base } = model.machine.start;
    this.resetOthers();
    // Runs a cleanup that MOV CR3 or an interruption may have left (rules 5.4, 16.4).
    this.run({ kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false });
    this.run({ kind: 'set_gdt', frames: [], entries: 0 });
    this.run({ kind: 'set_ldt', va: { low: 0, high: 0 }, entries: 0 });
    if (model.userBase(this.cpu) !== 0) this.run({ kind: 'new_user_baseptr', mfn: 0 });
    this.giveUp();
    this.restoreBoot();
    this.run({ kind: 'new_baseptr', mfn: base });
    if ((model.info(base) & INFO_PINNED) === 0)
      this.run({ kind: 'pin', level: rootLevel(model.machine) as Level, mfn: base });
    // The old base is no longer in use only now.
    this.giveUp();
    const windows = this.windowsWork();
    const excepted = this.lostFrames();
    const violation = this.leftover(excepted) ?? (windows ? this.mapAll(excepted) : undefined);
    return { ...(violation ? { violation } : {}), excepted: [...excepted], windows };
  }

  private run(operation: Operation): number {
    const code: number[] = [];
    encode({ ...operation, cpu: this.cpu }, code);
    const results = new Int32Array(code.length / RECORD);
    this.model.run(Int32Array.from(code), 0, results);
    return codeOf(results[0]);
  }

  /** The others lose their tables, GDT and LDT, in as many turns as it takes. */
  private resetOthers(): void {
    for (const vcpu of cpusOf(this.model)) {
      if (vcpu === this.cpu) continue;
      while (this.run({ kind: 'reset_vcpu', vcpu }) === PREEMPTED);
    }
  }

  private giveUp(): void {
    this.resumePartial();
    this.unpinAll();
    this.clearAll();
  }

  /** A request for a partial table's type resumes it, from the top down since one may hold another (rules 14.1). */
  private resumePartial(): void {
    for (let level = rootLevel(this.model.machine); level > TYPE_L1; level--) {
      for (const mfn of this.frames((info) => (info & INFO_PARTIAL) !== 0 && (info & INFO_TYPE) === level)) {
        this.run({ kind: 'pin', level: level as Level, mfn });
      }
    }
  }

  private unpinAll(): void {
    const { base } = this.model.machine.start;
    for (const mfn of this.frames((info) => (info & INFO_PINNED) !== 0)) {
      if (mfn !== base) this.run({ kind: 'unpin', mfn });
    }
  }

  /** Clears the entries of all tables, of the boot tables only those that name other frames. */
  private clearAll(): void {
    const { model } = this;
    for (const mfn of this.frames(isValidatedTable)) {
      for (let slot = model.nextUsed(mfn, 0); slot < SLOTS; slot = model.nextUsed(mfn, slot + 1)) {
        const info = model.info(mfn);
        const low = model.low(mfn, slot);
        if (!isValidatedTable(info) || !isGuestSlot(model.machine, info, slot) || (low & P) === 0) continue;
        if (this.boot.has(mfn) && this.boot.has(mfnOf(low, model.high(mfn, slot)))) continue;
        this.run({ kind: 'mmu_update', command: 'normal', mfn, slot, entry: ZERO });
      }
    }
  }

  /** Gives the boot tables, lowest level first, their entries back, except for the windows. */
  private restoreBoot(): void {
    const { model } = this;
    const { tables } = model.machine.start;
    for (const { mfn } of tables) if (model.typeCount(mfn) === 0) this.run({ kind: 'clear_page', mfn });
    for (const { mfn, level, entries } of tables) {
      if (level === TYPE_L1) continue;
      for (const { slot, entry: value } of entries)
        this.run({ kind: 'mmu_update', command: 'normal', mfn, slot, entry: value });
    }
  }

  private windowsWork(): boolean {
    const { model } = this;
    const { base, tables } = model.machine.start;
    if (model.kernelBase(this.cpu) !== base) return false;
    return tables.every(({ mfn, level, entries }) => {
      const info = model.info(mfn);
      if (!isGuests(info) || !isValidatedTable(info) || (info & INFO_TYPE) !== level) return false;
      const names = (slot: number) => mfnOf(model.low(mfn, slot), model.high(mfn, slot));
      return (
        level === TYPE_L1 ||
        entries.every(
          ({ slot, entry: { mfn: child } }) => names(slot) === child && (model.low(mfn, slot) & P) !== 0,
        )
      );
    });
  }

  /** Frames in use by references that nobody can drop any more. */
  private lostFrames(): ReadonlySet<number> {
    const { model } = this;
    const lost = new Set(this.frames((_, mfn) => model.lostTypeReferences(mfn) > 0));
    for (const mfn of [...lost, model.kernelBase(this.cpu)]) {
      const slot = 3;
      if (!isValidatedTable(model.info(mfn)) || !isPaeSlot(model.machine, model.info(mfn) & INFO_TYPE, slot))
        continue;
      const child = mfnOf(model.low(mfn, slot), model.high(mfn, slot));
      if (!this.boot.has(child)) lost.add(child);
    }
    return lost;
  }

  private leftover(excepted: ReadonlySet<number>): Violation | undefined {
    const { model } = this;
    for (const mfn of this.frames((info) => (info & INFO_TYPE) !== TYPE_WRITABLE)) {
      if (
        model.typeCount(mfn) === 0 ||
        excepted.has(mfn) ||
        this.boot.has(mfn) ||
        mfn === model.kernelBase(this.cpu)
      )
        continue;
      const what = `${typeName(model.info(mfn))} with type count ${model.typeCount(mfn)}`;
      return this.fault(mfn, `is still ${what} after the guest has given up everything`);
    }
    return undefined;
  }

  private mapAll(excepted: ReadonlySet<number>): Violation | undefined {
    const { machine } = this.model;
    const window = WINDOW_0[machine.arch];
    for (let i = 0; i < machine.frames; i++) {
      const mfn = FIRST_FRAME_MFN + i;
      if (!isGuests(this.model.info(mfn)) || excepted.has(mfn)) continue;
      const va = { low: (window.low + i * 4096) | 0, high: window.high };
      const value = entry(mfn, P | RW | US | A);
      const code = this.run({
        kind: 'update_va',
        va,
        entry: value,
        flush: 'invlpg',
        badBitmap: false,
        fd: 'self',
      });
      if (code !== OK)
        return this.fault(
          mfn,
          `cannot be mapped writable (error ${code}) after the guest has given up everything`,
        );
    }
    return undefined;
  }

  private frames(wanted: (info: number, mfn: number) => boolean): number[] {
    const { model } = this;
    const found: number[] = [];
    for (let mfn = 0; mfn < model.frameLimit; mfn++) {
      const info = model.info(mfn);
      if (isGuests(info) && wanted(info, mfn)) found.push(mfn);
    }
    return found;
  }

  private fault(frame: number, what: string): Violation {
    return { invariant: name, message: `${frameName(frame, this.model.machine)} ${what}.`, frame };
  }
}

function cpusOf({ machine }: Model): number[] {
  return Array.from({ length: machine.vcpus }, (_, cpu) => cpu);
}
