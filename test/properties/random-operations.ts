/** Random operations for the standard layout that often get pagetables accepted, broken and resumed. */
import { A, D, G, NX, P, PCD, PSE, RW, US, entry, type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import type { Draw } from '../../src/generate/draw.js';
import { stream } from '../../src/generate/streams.js';
import { BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN, WINDOW_0, type Machine } from '../../src/program/machine.js';
import {
  MMU_COMMANDS,
  type Hypercall,
  type Mmuext,
  type MmuUpdate,
  type Operation,
  type Word64,
} from '../../src/program/operation.js';

export class RandomOperations {
  private readonly draw: Draw;
  private readonly boot: readonly number[];

  constructor(
    seed: string,
    private readonly machine: Machine,
  ) {
    this.draw = stream(seed);
    const { B1, B2, B3, B4, K0, K2, K3 } = BOOT_MFN;
    this.boot = machine.arch === 'x86_64' ? [B1, B2, B3, B4] : [B1, B2, B3, K0, K2, K3];
  }

  /** Takes away most windows' write access, so that the frames can become tables. */
  opening(): Operation[] {
    const operations: Operation[] = [];
    for (let i = 0; i < this.machine.frames; i++) {
      if (this.chance(0.8))
        operations.push(this.updateVa(i, entry(FIRST_FRAME_MFN + i, this.chance(0.5) ? P | US : 0)));
    }
    return operations;
  }

  next(): Operation {
    const draw = this.random();
    if (draw < 0.05) return { kind: 'multicall', items: this.some(() => this.hypercall()) };
    if (draw < 0.12)
      return {
        kind: 'store',
        va: this.window(this.slot(1)),
        part: this.pick(['entry', 'low', 'high']),
        entry: this.entry(1),
      };
    if (draw < 0.16) return { kind: 'write_cr3', mfn: this.table(this.root()) };
    if (draw < 0.18) return { kind: 'access_ldt', page: this.below(3) };
    if (draw < 0.19) return { kind: 'decrease_reservation', mfn: this.frame() };
    if (draw < 0.2) return { kind: 'release', mfn: this.frame() };
    if (draw < 0.21) return { kind: 'receive', mfn: this.frame(), count: 1 };
    return this.hypercall();
  }

  /** In [0, 1). */
  private random(): number {
    return this.draw.below(2 ** 30) / 2 ** 30;
  }

  private hypercall(): Hypercall {
    const draw = this.random();
    const options = { fd: 'self', badList: false } as const;
    if (draw < 0.5) return this.mmuUpdate();
    if (draw < 0.78) return this.mmuext();
    if (draw < 0.88) return this.updateVa(this.below(this.machine.frames), this.entry(1));
    if (draw < 0.91) return { kind: 'set_gdt', frames: [this.frame()], entries: this.pick([0, 512]) };
    if (draw < 0.93) {
      const descriptor = { low: -1, high: this.pick([0, 0x00cffb00, 0x00cf9200]) };
      return {
        kind: 'update_descriptor',
        mfn: this.frame(),
        slot: this.below(8),
        descriptor,
        misaligned: false,
      };
    }
    if (draw < 0.97)
      return { kind: 'mmu_update_list', options, pfd: 'self', items: this.some(() => this.mmuUpdate()) };
    return { kind: 'mmuext_op_list', options, items: this.some(() => this.mmuext()) };
  }

  private mmuUpdate(): MmuUpdate {
    if (this.chance(0.02))
      return { kind: 'machphys', mfn: this.frame(), value: { low: this.below(99), high: 0 } };
    const level = this.level();
    const command = this.chance(0.9)
      ? 'normal'
      : this.pick(Object.keys(MMU_COMMANDS) as (keyof typeof MMU_COMMANDS)[]);
    return {
      kind: 'mmu_update',
      command,
      mfn: this.table(level),
      slot: this.slot(level),
      entry: this.entry(level),
    };
  }

  private mmuext(): Mmuext {
    const draw = this.random();
    const level = this.level();
    if (draw < 0.45) return { kind: 'pin', level, mfn: this.table(level) };
    if (draw < 0.65) return { kind: 'unpin', mfn: this.table(level) };
    if (draw < 0.75)
      return {
        kind: 'new_baseptr',
        mfn: this.chance(0.3) ? this.boot[this.root() - 1] : this.table(this.root()),
      };
    if (draw < 0.82) return { kind: 'new_user_baseptr', mfn: this.chance(0.3) ? 0 : this.table(this.root()) };
    if (draw < 0.87) return { kind: 'clear_page', mfn: this.frame() };
    if (draw < 0.92)
      return {
        kind: 'copy_page',
        mfn: this.frame(),
        source: this.chance(0.2) ? this.pick(this.boot) : this.frame(),
      };
    if (draw < 0.97)
      return { kind: 'set_ldt', va: this.window(this.below(4)), entries: this.pick([0, 16, 1024]) };
    return { kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false };
  }

  private updateVa(window: number, value: Entry): Hypercall {
    return {
      kind: 'update_va',
      va: this.window(window),
      entry: value,
      flush: 'none',
      badBitmap: false,
      fd: 'self',
    };
  }

  private entry(level: number): Entry {
    if (this.chance(0.2)) return entry(0, 0);
    let flags = P;
    if (this.chance(level === 1 ? 0.4 : 0.7)) flags |= RW;
    if (this.chance(0.7)) flags |= US;
    if (this.chance(0.1)) flags |= this.pick([G, PCD, NX, PSE, A | D]);
    if (this.chance(0.04)) flags &= ~P;
    return entry(
      level === 1 ? this.anyFrame() : this.chance(0.85) ? this.table(level - 1) : this.table(level),
      flags,
    );
  }

  /** A frame often used as a table of this level: one in as many frames as there are levels. */
  private table(level: number): number {
    if (this.chance(0.04)) return this.pick(this.boot);
    if (this.chance(0.1)) return this.frame();
    const group = Math.max(1, Math.floor(this.machine.frames / this.root()));
    return FIRST_FRAME_MFN + (((level - 1) * group + this.below(group)) % this.machine.frames);
  }

  private anyFrame(): number {
    return this.chance(0.04) ? this.pick([...this.boot, BAD_MFN[this.machine.arch], 0, 0x100]) : this.frame();
  }

  private slot(level: number): number {
    if (level === 3 && this.machine.arch === 'x86_32') return this.pick([0, 1, 2, 3, 3, 3, 5]);
    return this.chance(0.9) ? this.below(4) : this.pick([256, 258, 272, 427, 428, 510, 511]);
  }

  private root(): number {
    return this.machine.arch === 'x86_64' ? 4 : 3;
  }

  private level(): Level {
    return (1 + this.below(this.root())) as Level;
  }

  private window(page: number): Word64 {
    const base = WINDOW_0[this.machine.arch];
    return { low: (base.low + (page << 12) + 8 * this.below(4)) | 0, high: base.high };
  }

  private frame(): number {
    return FIRST_FRAME_MFN + this.below(this.machine.frames);
  }

  private some<T>(draw: () => T): T[] {
    return Array.from({ length: 1 + this.below(3) }, draw);
  }

  private pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  private below(limit: number): number {
    return this.draw.below(limit);
  }

  private chance(probability: number): boolean {
    return this.random() < probability;
  }
}
