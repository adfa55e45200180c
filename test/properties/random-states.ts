/**
 * Random steps from one state made by hand to the next: mostly such as interrupted hypercalls, several vCPUs, the
 * TLB and the end of a domain bring about, with all their references, and now and then one that spoils a number.
 */
import { A, P, RW, SLOTS, US, mfnOf } from '../../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_L1,
  TYPE_L4,
  TYPE_SEG_DESC,
} from '../../models/x86/page-type.js';
import { isLinearToParent } from '../../properties/recount.js';
import type { Draw } from '../../src/generate/draw.js';
import { stream } from '../../src/generate/streams.js';
import type { Machine } from '../../src/program/machine.js';
import { B1, F0, type FakeCpu, FakeModel, GUESTS } from './fake-state.js';

/** All numbers of the state, to go back to. */
type Saved = ReturnType<RandomStates['save']>;

export class RandomStates extends FakeModel {
  private readonly draw: Draw;
  private saved: Saved;

  constructor(seed: string, machine: Machine) {
    super(machine);
    this.draw = stream(seed);
    this.saved = this.save();
  }

  /** Takes a step and names exactly what is another now among the changes. */
  step(): void {
    this.saved = this.save();
    if (this.draw.below(8) === 0) this.spoil();
    else this.move();
    this.nameChanges();
  }

  /** Goes back to the state before the last step. */
  undo(): void {
    const { saved } = this;
    for (const [list, values] of saved.lists) list.splice(0, list.length, ...values);
    this.words.clear();
    for (const [key, word] of saved.words) this.words.set(key, word);
    this.cpus.forEach((cpu, i) => {
      const { fields, gdt, tlb } = saved.cpus[i]!;
      Object.assign(cpu, fields);
      cpu.gdt.splice(0, cpu.gdt.length, ...gdt);
      cpu.tlb.splice(0, cpu.tlb.length, ...tlb);
    });
    this.dies = saved.dies;
  }

  private save() {
    const { infos, types, generals, linears, froms, lostTypes, lostGenerals } = this;
    return {
      lists: [infos, types, generals, linears, froms, lostTypes, lostGenerals].map(
        (list) => [list, [...list]] as const,
      ),
      words: new Map(this.words),
      cpus: this.cpus.map((cpu) => ({ fields: fieldsOf(cpu), gdt: [...cpu.gdt], tlb: [...cpu.tlb] })),
      dies: this.dies,
    };
  }

  private nameChanges(): void {
    const { saved, changes } = this;
    changes.clear();
    for (let mfn = 0; mfn < this.frameLimit; mfn++)
      if (saved.lists.some(([list, values]) => list[mfn] !== values[mfn])) changes.frame(mfn);
    for (const key of new Set([...this.words.keys(), ...saved.words.keys()])) {
      const [low, high] = this.words.get(key) ?? [0, 0];
      const [oldLow, oldHigh] = saved.words.get(key) ?? [0, 0];
      if (low !== oldLow || high !== oldHigh) changes.slot(Math.floor(key / SLOTS), key % SLOTS);
    }
  }

  private move(): void {
    const moves = [
      () => this.pinTable(),
      () => this.pinTable(),
      () => this.link(),
      () => this.link(),
      () => this.link(),
      () => this.link(),
      () => this.unlink(),
      () => this.interrupt(),
      () => this.goOn(),
      () => this.deferTable(),
      () => this.deferTable(),
      () => this.cleanUp(),
      () => this.retype(),
      () => this.otherBase(),
      () => this.descriptors(),
      () => this.touchTlb(),
      () => void (this.dies = this.draw.below(4) === 0 ? 1 : 0),
    ];
    this.pick(moves)();
  }

  /** A frame that nothing refers to becomes a pinned table without entries. */
  private pinTable(): void {
    const mfn = this.frame();
    const windowed = this.low(B1, mfn - F0) !== 0 ? 1 : 0;
    if (this.types[mfn] !== windowed || this.generals[mfn] !== 1 + windowed) return;
    this.makeTable(mfn, this.pick([1, 2, 2, 3, 4]));
    this.linears[mfn] = 0;
    for (let slot = 0; slot < SLOTS; slot = this.nextUsed(mfn, slot + 1)) this.put(mfn, slot, 0, 0);
    if ((this.infos[mfn] & INFO_TYPE) === TYPE_L4) this.fillXenSlots(mfn);
    this.pin(mfn);
  }

  /** An entry of a table, to one of the level below or, read-only, of its own. */
  private link(): void {
    const [table, child, slot] = [this.frame(), this.frame(), this.draw.below(3)];
    const [level, lower] = [this.infos[table] & INFO_TYPE, this.infos[child] & INFO_TYPE];
    if (!this.isValidated(table) || !this.isValidated(child) || this.low(table, slot) !== 0) return;
    if (level === TYPE_L1 || (lower !== level && lower !== level - 1)) return;
    if (table !== child && (this.infos[child] & INFO_PINNED) !== 0 && this.draw.below(2) === 0) {
      this.infos[child] &= ~INFO_PINNED;
      this.hold(child, -1, -1);
    }
    this.map(table, level, slot, child, P | US | A | (lower === level ? 0 : RW));
    if (lower === level && table !== child) this.edge(table, child, 1);
  }

  private unlink(): void {
    const table = this.frame();
    if (this.isValidated(table)) this.drop(table, this.nextUsed(table, 0));
  }

  private drop(table: number, slot: number): void {
    if (slot >= 6 || this.low(table, slot) === 0) return;
    const child = mfnOf(this.low(table, slot), this.high(table, slot));
    this.put(table, slot, 0, 0);
    if (child === table) return;
    this.hold(child, -1, -1);
    if ((this.infos[child] & INFO_TYPE) === (this.infos[table] & INFO_TYPE)) this.edge(table, child, -1);
  }

  /** A pinned table is unpinned, which is interrupted: the pin's references become those of the partial mark. */
  private interrupt(): void {
    const mfn = this.frame();
    const level = this.infos[mfn] & INFO_TYPE;
    if (!this.isValidated(mfn) || (this.infos[mfn] & INFO_PINNED) === 0 || this.types[mfn] !== 1) return;
    if (level === TYPE_L1) return;
    const from = this.pick([1 + this.draw.below(5), this.nextUsed(mfn, 0) % 6]);
    for (let slot = from + 1; slot < 6; slot++) this.drop(mfn, slot);
    this.infos[mfn] = GUESTS | level | INFO_PARTIAL;
    this.froms[mfn] = from;
    const child = mfnOf(this.low(mfn, from), this.high(mfn, from));
    const type = this.infos[child] & INFO_TYPE;
    if (child === mfn || this.types[child] !== 1 || type === TYPE_L1 || !this.isValidated(child)) {
      this.drop(mfn, from);
      return;
    }
    // The child is partial too: its entry's type reference is its mark's, its general one stays with the slot.
    this.infos[mfn] |= INFO_HANDED;
    if (type === level) this.edge(mfn, child, -1);
    this.infos[child] = (this.infos[child] & ~INFO_VALIDATED) | INFO_PARTIAL;
    this.froms[child] = 5;
    this.hold(child, 0, 1);
  }

  /** A partial table is validated again, for a pin. */
  private goOn(): void {
    const mfn = this.frame();
    const info = this.infos[mfn];
    if ((info & INFO_PARTIAL) === 0 || (info & INFO_HANDED) !== 0) return;
    this.infos[mfn] = GUESTS | (info & INFO_TYPE) | INFO_VALIDATED | INFO_PINNED;
    for (let slot = this.froms[mfn]; slot < 6; slot++) this.put(mfn, slot, 0, 0);
    this.froms[mfn] = 0;
  }

  /** A pin becomes a deferred table's references, or a partial table waits too. */
  private deferTable(): void {
    const cpu = this.pick(this.cpus);
    const mfn = this.frame();
    if (cpu.deferred !== 0) return;
    const whole = this.isValidated(mfn) && (this.infos[mfn] & INFO_PINNED) !== 0;
    if (whole) this.infos[mfn] &= ~INFO_PINNED;
    else if ((this.infos[mfn] & INFO_PARTIAL) !== 0) this.hold(mfn, 0, 1);
    else return;
    cpu.deferred = mfn;
    cpu.whole = whole ? 1 : 0;
    cpu.parent = whole && this.draw.below(2) === 0 ? this.frame() : 0;
    if (isLinearToParent(this, this.cpus.indexOf(cpu))) this.edge(cpu.parent, mfn, 1);
  }

  private cleanUp(parentToo = true): void {
    const cpu = this.pick(this.cpus);
    const { deferred, whole, parent } = cpu;
    if (deferred === 0) return;
    if (isLinearToParent(this, this.cpus.indexOf(cpu))) {
      this.linears[deferred] += 1;
      if (parentToo) this.linears[parent] -= 1;
    }
    cpu.deferred = cpu.whole = cpu.parent = 0;
    if (whole === 0 || (this.infos[deferred] & INFO_PINNED) !== 0) this.hold(deferred, -whole, -1);
    else this.infos[deferred] |= INFO_PINNED;
  }

  /** A table's last reference goes, its entries stay in memory, and the frame is of another level by now. */
  private retype(): void {
    const mfn = this.frame();
    if ((this.infos[mfn] & INFO_PINNED) !== 0 && this.types[mfn] === 1) {
      for (let slot = this.nextUsed(mfn, 0); slot < 6; slot = this.nextUsed(mfn, slot + 1))
        this.drop(mfn, slot);
      this.infos[mfn] = GUESTS | (this.infos[mfn] & INFO_TYPE);
      this.hold(mfn, -1, -1);
    } else if (this.types[mfn] === 0) {
      this.infos[mfn] = GUESTS | (1 + this.draw.below(4));
    }
  }

  private otherBase(): void {
    const cpu = this.pick(this.cpus);
    const mfn = this.frame();
    if (cpu.user !== 0) {
      cpu.loaded = this.pick([undefined, cpu.user, 0]);
      if (cpu.loaded !== undefined || this.draw.below(2) === 0) return;
      this.hold(cpu.user, -1, -1);
      cpu.user = 0;
    } else if (this.isValidated(mfn) && (this.infos[mfn] & INFO_TYPE) === TYPE_L4) {
      cpu.user = mfn;
      this.hold(mfn, 1, 1);
    }
  }

  private descriptors(): void {
    const cpu = this.pick(this.cpus);
    const mfn = this.frame();
    if (cpu.gdt.length > 0 && this.draw.below(2) === 0) this.hold(cpu.gdt.pop()!, -1, -1);
    else if (cpu.gdt.length < 3 && this.types[mfn] === 0 && (this.infos[mfn] & INFO_PARTIAL) === 0) {
      this.infos[mfn] = GUESTS | TYPE_SEG_DESC | INFO_VALIDATED;
      this.linears[mfn] = 0;
      this.hold(mfn, 1, 1);
      cpu.gdt.push(mfn);
    }
  }

  private touchTlb(): void {
    const cpu = this.draw.below(this.cpus.length);
    if (this.draw.below(3) === 0) this.cpus[cpu]!.tlb.length = 0;
    else this.translate(this.pick([this.frame(), B1, 0, 0x99999]), this.draw.below(2), cpu);
  }

  /** Another value for one number. */
  private spoil(): void {
    const mfn = this.draw.below(4) === 0 ? this.pick(this.machine.start.tables).mfn : this.frame();
    const cpu = this.pick(this.cpus);
    const bits = [INFO_VALIDATED, INFO_PINNED, INFO_PARTIAL, INFO_HANDED, INFO_PAE_XEN_L2, 1, 2, 4];
    const by = this.pick([-1, 1]);
    this.pick([
      () => (this.infos[mfn] ^= this.pick(bits)),
      () => (this.types[mfn] += by),
      () => (this.generals[mfn] += by),
      () => (this.linears[mfn] += by),
      () => (this.froms[mfn] = this.pick([0, 1, 3, 511, 512])),
      () => (this.lostTypes[mfn] += 1),
      () => this.put(mfn, this.draw.below(6), this.frame(), this.pick([P, P | US | A, P | RW | US | A])),
      () => (cpu.base = this.pick([0, mfn])),
      () => (cpu.user = this.pick([0, mfn])),
      () => (cpu.loaded = this.pick([undefined, 0, mfn])),
      () => (cpu.deferred = this.pick([0, mfn])),
      () => (cpu.whole ^= 1),
      () => (cpu.parent = this.pick([0, mfn])),
      () => cpu.gdt.push(mfn),
      () => this.translate(mfn, 1),
      () => this.cleanUp(false),
    ])();
  }

  private edge(table: number, child: number, by: number): void {
    this.linears[table] += by;
    this.linears[child] -= by;
  }

  private isValidated(mfn: number): boolean {
    const type = this.infos[mfn] & INFO_TYPE;
    return (this.infos[mfn] & INFO_VALIDATED) !== 0 && type >= TYPE_L1 && type <= TYPE_L4;
  }

  private frame(): number {
    return F0 + this.draw.below(this.machine.frames);
  }

  private pick<T>(values: readonly T[]): T {
    return values[this.draw.below(values.length)]!;
  }
}

function fieldsOf({ base, user, loaded, deferred, whole, parent, interrupted }: FakeCpu) {
  return { base, user, loaded, deferred, whole, parent, interrupted };
}

/** Whether the state is one that only interruptions bring about, for tests to see that they are reached. */
export function featuresOf(state: RandomStates): string[] {
  const found = new Set<string>();
  for (const info of state.infos) {
    if ((info & INFO_PARTIAL) !== 0) found.add((info & INFO_HANDED) !== 0 ? 'handed' : 'partial');
  }
  state.cpus.forEach((cpu, i) => {
    if (cpu.deferred !== 0) found.add(cpu.whole !== 0 ? 'deferred whole' : 'deferred partial');
    if (isLinearToParent(state, i)) found.add('deferred linear');
    if (cpu.loaded === cpu.user && cpu.user !== 0) found.add('user mode');
    if (cpu.gdt.length > 0) found.add('GDT');
    if (cpu.tlb.length > 0) found.add('TLB');
  });
  if (state.dies !== 0) found.add('dying');
  return [...found];
}
