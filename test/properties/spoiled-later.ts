/** More of them: several vCPUs, interrupted hypercalls, the TLB and the end of a domain (rules 16). */
import { A, D, P, RW, US } from '../../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_HANDED,
  INFO_PARTIAL,
  TYPE_L1,
  TYPE_L2,
  TYPE_L4,
  TYPE_SEG_DESC,
} from '../../models/x86/page-type.js';
import type { Arch } from '../../src/program/machine.js';
import { B1, B3, B4, F0, F1, F2, type FakeState, GUESTS } from './fake-state.js';

export const TABLE = P | RW | US | A | D;

export interface Spoiled {
  readonly invariant: string;
  readonly what: string;
  readonly arch?: Arch;
  readonly vcpus?: number;
  readonly spoil: (state: FakeState) => void;
  readonly message: string;
}

/** F0 as a pinned L1 table without entries. */
export function pinnedL1(state: FakeState, mfn = F0): void {
  state.makeTable(mfn, TYPE_L1);
  state.pin(mfn);
}

/** The frame as a table that has been validated up to `from`, with the reference of the partial mark. */
export function partial(state: FakeState, mfn: number, level: number, from: number): void {
  state.makeTable(mfn, level);
  state.infos[mfn] = GUESTS | level | INFO_PARTIAL;
  state.froms[mfn] = from;
  state.hold(mfn, 1, 1);
}

/** The frame waits for its cleanup on a vCPU, with the references that it is due. */
export function defer(state: FakeState, mfn: number, whole: number, parent = 0, cpu = 0): void {
  Object.assign(state.cpus[cpu], { deferred: mfn, whole, parent });
  state.hold(mfn, whole, 1);
}

/** The domain has been destroyed, and nothing is left of it. */
export function destroyed(state: FakeState): void {
  state.dies = 1;
  for (const cpu of state.cpus) cpu.base = 0;
  for (let mfn = B1; mfn < state.frameLimit; mfn++) {
    state.infos[mfn] = state.types[mfn] = state.generals[mfn] = 0;
  }
}

export const SPOILED_LATER: readonly Spoiled[] = [
  {
    invariant: 'owned-tables',
    what: 'a kernel base of another vCPU that is no root',
    vcpus: 2,
    spoil: (state) => {
      state.cpus[1].base = B3;
    },
    message: 'B3 is the kernel base pointer of vCPU 1, but is L3 with type count 1.',
  },
  {
    invariant: 'owned-tables',
    what: 'a GDT frame of another vCPU that is writable',
    vcpus: 3,
    spoil: (state) => state.cpus[2].gdt.push(F1),
    message: 'F1 is frame 0 of the GDT of vCPU 2, but is writable with type count 1, not a validated table.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a writable path to a frame of another vCPU’s LDT',
    vcpus: 2,
    spoil: (state) => state.cpus[1].ldt.set(3, F1),
    message:
      'B4[511] → B3[510] → B2[1] → B1[1] is writable and reaches F1, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a writable path to what is loaded, but no base pointer any more',
    spoil: (state) => {
      state.cpu0.loaded = F0;
    },
    message:
      'B4[511] → B3[510] → B2[1] → B1[0] is writable and reaches F0, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'xen-slots',
    what: 'a kernel base of another vCPU without the M2P',
    vcpus: 2,
    spoil: (state) => {
      state.makeTable(F0, TYPE_L4);
      state.fillXenSlots(F0);
      state.put(F0, 256, 0, 0);
      state.cpus[1].base = F0;
      state.hold(B4, -1, -1);
      state.hold(F0, 1, 1);
    },
    message: 'F0[256], a slot of Xen’s, holds 0x0.',
  },
  {
    invariant: 'reference-counts',
    what: 'a base pointer of another vCPU that holds no reference',
    vcpus: 2,
    spoil: (state) => state.hold(B4, -1, -1),
    message: 'B4 has type count 2, but its holders add up to 3.',
  },
  {
    invariant: 'reference-counts',
    what: 'a deferred table without its type reference',
    spoil: (state) => {
      pinnedL1(state);
      defer(state, F0, 1);
      state.hold(F0, -1, 0);
    },
    message: 'F0 has type count 1, but its holders add up to 2.',
  },
  {
    invariant: 'reference-counts',
    what: 'a table deferred on two vCPUs with the reference of one',
    vcpus: 2,
    spoil: (state) => {
      partial(state, F0, TYPE_L2, 7);
      defer(state, F0, 0, 0, 0);
      defer(state, F0, 0, 0, 1);
      state.hold(F0, 0, -1);
    },
    message: 'F0 has general count 3, but its holders add up to 4.',
  },
  {
    invariant: 'reference-counts',
    what: 'a child in slot 0 whose reference was not kept',
    spoil: (state) => {
      partial(state, F0, TYPE_L4, 0);
      state.infos[F0] |= INFO_HANDED;
      state.put(F0, 0, F2, TABLE);
    },
    message: 'F2 has general count 2, but its holders add up to 3.',
  },
  {
    invariant: 'linear-counts',
    what: 'a deferred linear table that its parent no longer counts',
    spoil: (state) => {
      for (const mfn of [F0, F1]) {
        state.makeTable(mfn, TYPE_L2);
        state.pin(mfn);
      }
      defer(state, F1, 1, F0);
    },
    message: 'F0 has linear count 0, but its linear entries make it 1.',
  },
  {
    invariant: 'loaded-base',
    what: 'a loaded base that is none of the vCPU’s base pointers',
    vcpus: 2,
    spoil: (state) => {
      state.cpus[1].loaded = F0;
    },
    message: 'F0 is loaded by vCPU 1, which has other base pointers.',
  },
  {
    invariant: 'loaded-base',
    what: 'a user base that is loaded, but has no reference',
    spoil: (state) => {
      state.makeTable(F0, TYPE_L4);
      state.cpu0.user = state.cpu0.loaded = F0;
    },
    message: 'F0 is loaded by vCPU 0, which needs a root table in use.',
  },
  {
    invariant: 'tlb',
    what: 'a translation that lets stores through to a pagetable',
    spoil: (state) => {
      pinnedL1(state);
      state.translate(F0, 1);
    },
    message:
      'The TLB of vCPU 0 lets stores to 0xffffffff80200000 through to F0, which is L1 with type count 1.',
  },
  {
    invariant: 'tlb',
    what: 'a translation of another vCPU that lets stores through to a frame of the GDT',
    vcpus: 2,
    spoil: (state) => {
      state.makeTable(F0, TYPE_SEG_DESC);
      state.cpu0.gdt.push(F0);
      state.hold(F0, 1, 1);
      state.translate(F0, 1, 1);
    },
    message:
      'The TLB of vCPU 1 lets stores to 0xffffffff80200000 through to F0, which is seg_desc with type count 1.',
  },
  {
    invariant: 'tlb',
    what: 'a translation that lets stores through to a frame of Xen’s',
    spoil: (state) => state.translate(1, 1),
    message: 'The TLB of vCPU 0 lets stores to 0xffffffff80200000 through to 0x1, which is not the guest’s.',
  },
  {
    invariant: 'legal-state',
    what: 'a table that waits as a whole, but is partial',
    spoil: (state) => {
      partial(state, F0, TYPE_L2, 7);
      defer(state, F0, 1);
      state.hold(F0, -1, 0);
    },
    message:
      'F0 (L2, type count 1, general count 3) awaits its cleanup as a whole table, but is none that is validated and in use.',
  },
  {
    invariant: 'legal-state',
    what: 'a partial table with a second type reference',
    spoil: (state) => {
      partial(state, F0, TYPE_L2, 7);
      state.hold(F0, 1, 1);
    },
    message: 'F0 (L2, type count 2, general count 3) is partial with a type count other than 1.',
  },
  {
    invariant: 'legal-state',
    what: 'a partial L1 table',
    spoil: (state) => partial(state, F0, TYPE_L1, 7),
    message: 'F0 (L1, type count 1, general count 2) is partial, but no L2, L3 or L4.',
  },
  {
    invariant: 'dead-domain',
    what: 'a frame of a dead domain that keeps a reference',
    spoil: (state) => {
      destroyed(state);
      state.infos[F0] = GUESTS & ~INFO_ALLOCATED;
      state.hold(F0, 0, 1);
    },
    message: 'F0 is left with type count 0 and general count 1, but its holders add up to 0 and 0.',
  },
];
