import type { ModelState } from '../models/model.js';
import { P, PSE, RW, SLOTS, US, mfnOf } from '../models/x86/entry.js';
import { PAE_L3_SLOTS, isGuests, rootLevel } from './frames.js';
import type { EntryPlace, Invariant, Violation } from './invariant.js';
import { LDT_PAGES } from './recount.js';
import { frameName, pathName } from './wording.js';

const name = 'hardware-walk';

/**
 * What direct paging is for, seen from the processor: it knows nothing of types and counts, only base
 * pointers and memory (rules 4).
 */
export const hardwareWalk: Invariant = {
  name,
  meaning:
    'On no path from a base pointer that is writable at every level does the processor reach a page that it uses as a pagetable, or a frame of the GDT or LDT.',
  why: 'This is what the guest can really do. It holds if the other invariants do; checked on its own, it also catches what they fail to say.',
  check(state) {
    const tables = new Uint8Array(state.frameLimit);
    const bases = basesOf(state);
    const all = new Walk(state, tables, false, () => undefined);
    for (const base of bases) all.visit(base, rootLevel(state.machine));
    for (let cpu = 0; cpu < state.machine.vcpus; cpu++) markDescriptorTables(state, cpu, tables);
    const writable = new Walk(state, new Uint8Array(state.frameLimit), true, (first, count, path) =>
      reached(state, tables, first, count, path),
    );
    for (const base of bases) {
      const violation = writable.visit(base, rootLevel(state.machine));
      if (violation) return violation;
    }
    return undefined;
  },
};

/** All that some processor may load: a vCPU that is in user mode now goes back to its kernel's base. */
function basesOf(state: ModelState): Set<number> {
  const bases = new Set<number>();
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++)
    for (const mfn of [state.kernelBase(cpu), state.userBase(cpu), state.loadedBase(cpu)])
      if (mfn !== 0) bases.add(mfn);
  return bases;
}

function markDescriptorTables(state: ModelState, cpu: number, tables: Uint8Array): void {
  for (let i = 0; i < state.gdtFrames(cpu); i++) tables[state.gdtFrame(i, cpu)] = 1;
  for (let page = 0; page < LDT_PAGES; page++)
    if (state.ldtFrame(page, cpu) !== 0) tables[state.ldtFrame(page, cpu)] = 1;
}

type Leaf = (first: number, count: number, path: readonly EntryPlace[]) => Violation | undefined;

/** Visits every page at every level at which the processor can come to it, once each. */
class Walk {
  private readonly path: EntryPlace[] = [];

  constructor(
    private readonly state: ModelState,
    /** A bit for each level at which the frame has been visited. */
    private readonly visited: Uint8Array,
    private readonly writableOnly: boolean,
    private readonly leaf: Leaf,
  ) {}

  visit(table: number, level: number): Violation | undefined {
    const { state } = this;
    if (table >= state.frameLimit || (this.visited[table] & (1 << level)) !== 0) return undefined;
    this.visited[table] |= 1 << level;
    // What lies in pages of Xen's own is out of the guest's reach.
    if (!isGuests(state.info(table))) return undefined;
    const slots = level === 3 && state.machine.arch === 'x86_32' ? PAE_L3_SLOTS : SLOTS;
    for (let slot = state.nextUsed(table, 0); slot < slots; slot = state.nextUsed(table, slot + 1)) {
      const violation = this.follow(table, slot, level);
      if (violation) return violation;
    }
    return undefined;
  }

  private follow(table: number, slot: number, level: number): Violation | undefined {
    const low = this.state.low(table, slot);
    if ((low & P) === 0 || (this.writableOnly && (low & RW) === 0)) return undefined;
    // A 64-bit guest's kernel runs in ring 3: Xen's supervisor entries in L4 slots 256..271 are closed to it, at
    // whichever level a linear entry brings them. A 32-bit one runs in ring 1, for which they would be open, but
    // those in a slot-3 L2 are beyond its segment limits; they are never writable either.
    if (this.state.machine.arch === 'x86_64' && (low & US) === 0) return undefined;
    const mfn = mfnOf(low, this.state.high(table, slot));
    this.path.push({ mfn: table, slot });
    const superpage = (low & PSE) !== 0 && (level === 2 || level === 3);
    const pages = level === 1 ? 1 : SLOTS ** (level - 1);
    const violation =
      level === 1 || superpage
        ? this.leaf(mfn - (mfn % pages), pages, this.path)
        : this.visit(mfn, level - 1);
    this.path.pop();
    return violation;
  }
}

/** Looks for a pagetable among the frames that a writable leaf entry maps. */
function reached(
  state: ModelState,
  tables: Uint8Array,
  first: number,
  count: number,
  path: readonly EntryPlace[],
): Violation | undefined {
  for (let frame = first; frame < Math.min(first + count, tables.length); frame++) {
    if (tables[frame] === 0) continue;
    const what = `${frameName(frame, state.machine)}, which the processor uses as a pagetable or descriptor table`;
    const message = `${pathName(path, state.machine)} is writable and reaches ${what}.`;
    return { invariant: name, message, frame, entry: path.at(-1)!, path: [...path] };
  }
  return undefined;
}
