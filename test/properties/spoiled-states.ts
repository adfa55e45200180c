/** States that violate one invariant each, made by hand, and what is found. */
import { A, D, G, P, PCD, PSE, RW, US } from '../../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_OWNER,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  TYPE_L1,
  TYPE_L2,
  TYPE_L3,
  TYPE_SEG_DESC,
} from '../../models/x86/page-type.js';
import { B1, B2, B3, B4, EMPTY_L2, F0, F1, F2, GUESTS } from './fake-state.js';
import { SPOILED_LATER, TABLE, pinnedL1, type Spoiled } from './spoiled-later.js';

const LEAF = P | RW | US | A | D | G;
export const SPOILED: readonly Spoiled[] = [
  {
    invariant: 'no-writable-pagetable',
    what: 'a writable entry that maps a pinned L1 table',
    spoil: (state) => {
      pinnedL1(state);
      state.put(B1, 7, F0, LEAF);
    },
    message: 'B1[7] maps F0 writable, which is L1 with type count 1.',
  },
  {
    invariant: 'no-writable-pagetable',
    what: 'a writable entry that maps a GDT frame',
    spoil: (state) => {
      state.makeTable(F0, TYPE_SEG_DESC);
      state.cpu0.gdt.push(F0);
      state.hold(F0, 1, 1);
      state.put(B1, 7, F0, LEAF);
    },
    message: 'B1[7] maps F0 writable, which is seg_desc with type count 1.',
  },
  {
    invariant: 'no-writable-pagetable',
    what: 'a writable entry in a table that no base pointer reaches',
    spoil: (state) => {
      pinnedL1(state, F0);
      state.put(F0, 3, F0, LEAF);
    },
    message: 'F0[3] maps F0 writable, which is L1 with type count 1.',
  },
  {
    invariant: 'no-writable-pagetable',
    what: 'more writable entries than type references',
    spoil: (state) => state.put(B1, 9, F1, LEAF),
    message: 'B1[1] maps F1 writable, whose type count is 1, with 2 writable entries.',
  },
  {
    invariant: 'no-writable-pagetable',
    what: 'a writable entry to a frame without a type',
    spoil: (state) => {
      state.infos[F1] = GUESTS;
    },
    message: 'B1[1] maps F1 writable, whose type is none.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a writable path to a pagetable',
    spoil: (state) => state.put(B1, 5, B3, LEAF),
    message:
      'B4[511] → B3[510] → B2[1] → B1[5] is writable and reaches B3, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a linear entry with RW',
    spoil: (state) => state.put(B4, 5, B4, TABLE),
    message:
      'B4[5] → B4[5] → B4[5] → B4[5] is writable and reaches B4, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a superpage that covers a pagetable',
    spoil: (state) => {
      pinnedL1(state);
      state.map(B2, TYPE_L2, 4, F0, TABLE);
      state.put(B2, 9, F0, TABLE | PSE);
    },
    message:
      'B4[511] → B3[510] → B2[9] is writable and reaches F0, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'hardware-walk',
    what: 'a writable path to a frame of the GDT',
    spoil: (state) => state.cpu0.gdt.push(F1),
    message:
      'B4[511] → B3[510] → B2[1] → B1[1] is writable and reaches F1, which the processor uses as a pagetable or descriptor table.',
  },
  {
    invariant: 'table-tree',
    what: 'an entry that names a frame which is no table',
    spoil: (state) => state.put(B2, 5, F1, TABLE),
    message: 'B2[5] names F1, which is writable, not validated.',
  },
  {
    invariant: 'table-tree',
    what: 'an entry that names a frame beyond memory',
    spoil: (state) => state.put(B3, 5, 0x99999, TABLE),
    message: 'B3[5] names 0x99999, which is no frame of the guest’s.',
  },
  {
    invariant: 'table-tree',
    what: 'an entry that names a table two levels below',
    spoil: (state) => state.put(B3, 5, B1, TABLE),
    message: 'B3[5] names B1, which is L1.',
  },
  {
    invariant: 'table-tree',
    what: 'a linear entry with RW',
    spoil: (state) => state.put(B4, 5, B4, TABLE),
    message: 'B4[5] names B4, a table of its own level 4, writable.',
  },
  {
    invariant: 'table-tree',
    what: 'an L3 that names itself in a 32-bit guest',
    arch: 'x86_32',
    spoil: (state) => state.put(B3, 1, B3, P | US),
    message: 'B3[1] names B3, an L3 below a 32-bit L3.',
  },
  {
    invariant: 'table-tree',
    what: 'a slot-3 L2 in another slot',
    arch: 'x86_32',
    spoil: (state) => state.put(B3, 1, B2, TABLE),
    message: 'B3[1] names B2, a slot-3 L2.',
  },
  {
    invariant: 'table-tree',
    what: 'a slot-3 L2 that two L3s share',
    arch: 'x86_32',
    spoil: (state) => {
      state.makeTable(F0, TYPE_L3);
      state.map(F0, TYPE_L3, 3, B2, TABLE);
    },
    message: 'F0[3] names B2, the slot-3 L2 of another L3 too.',
  },
  {
    invariant: 'legal-entries',
    what: 'a superpage',
    spoil: (state) => state.put(B2, 1, B1, TABLE | PSE),
    message: 'B2[1] has forbidden flags 0x80.',
  },
  {
    invariant: 'legal-entries',
    what: 'an L2 entry without US',
    spoil: (state) => state.put(B2, 1, B1, P | RW),
    message: 'B2[1] lacks flags 0x4 that Xen sets.',
  },
  {
    invariant: 'legal-entries',
    what: 'an L1 entry marked neither as kernel page nor as global',
    spoil: (state) => state.put(B1, 1, F1, P | RW | US),
    message: 'B1[1] is marked neither as kernel page (bit 52) nor as global (G).',
  },
  {
    invariant: 'legal-entries',
    what: 'a cache attribute in an L3 entry',
    arch: 'x86_32',
    spoil: (state) => state.put(B3, 0, EMPTY_L2, TABLE | PCD),
    message: 'B3[0] has forbidden flags 0x10.',
  },
  {
    invariant: 'legal-entries',
    what: 'a fifth entry of a 32-bit L3',
    arch: 'x86_32',
    spoil: (state) => state.put(B3, 4, 0, D),
    message: 'B3[4] is not zero, beyond the four slots of a 32-bit L3.',
  },
  {
    invariant: 'xen-slots',
    what: 'an entry of the guest’s in a slot of Xen’s',
    spoil: (state) => state.put(B4, 262, F1, TABLE),
    message: 'B4[262], a slot of Xen’s, holds 0x201067.',
  },
  {
    invariant: 'xen-slots',
    what: 'a kernel base without the M2P',
    spoil: (state) => state.put(B4, 256, 0, 0),
    message: 'B4[256], a slot of Xen’s, holds 0x0.',
  },
  {
    invariant: 'xen-slots',
    what: 'an entry of the guest’s in a slot-3 L2',
    arch: 'x86_32',
    spoil: (state) => state.put(B2, 430, F1, TABLE),
    message: 'B2[430], a slot of Xen’s, holds 0x201067.',
  },
  {
    invariant: 'owned-tables',
    what: 'a table that is not the guest’s',
    spoil: (state) => {
      state.infos[F0] = TYPE_L2 | INFO_VALIDATED;
    },
    message: 'F0 is L2 with type count 1, but is not the guest’s.',
  },
  {
    invariant: 'owned-tables',
    what: 'a kernel base that is no validated table',
    spoil: (state) => {
      state.infos[B4] &= ~INFO_VALIDATED;
    },
    message: 'B4 is the kernel base pointer, but is L4 with type count 2, not a validated table.',
  },
  {
    invariant: 'owned-tables',
    what: 'a user base of the wrong level',
    spoil: (state) => {
      state.cpu0.user = B3;
    },
    message: 'B3 is the user base pointer, but is L3 with type count 1.',
  },
  {
    invariant: 'owned-tables',
    what: 'a user base of a 32-bit guest',
    arch: 'x86_32',
    spoil: (state) => {
      state.cpu0.user = B3;
    },
    message: 'B3 is the user base pointer of a 32-bit guest.',
  },
  {
    invariant: 'owned-tables',
    what: 'a GDT frame of the wrong type',
    spoil: (state) => state.cpu0.gdt.push(F1),
    message: 'F1 is frame 0 of the GDT, but is writable with type count 1, not a validated table.',
  },
  {
    invariant: 'owned-tables',
    what: 'an LDT page beyond memory',
    spoil: (state) => state.cpu0.ldt.set(2, 0x99999),
    message: '0x99999 is page 2 of the LDT, but is no memory.',
  },
  {
    invariant: 'owned-mappings',
    what: 'a mapping of a frame that is nobody’s',
    spoil: (state) => {
      state.put(B1, 8, 0x180, P | US | G);
    },
    message: 'B1[8] maps 0x180, which is not the guest’s.',
  },
  {
    invariant: 'reference-counts',
    what: 'a type count that is too high',
    spoil: (state) => state.hold(F2, 1, 0),
    message: 'F2 has type count 2, but its holders add up to 1.',
  },
  {
    invariant: 'reference-counts',
    what: 'a general count that is too low',
    spoil: (state) => state.hold(B2, 0, -1),
    message: 'B2 has general count 1, but its holders add up to 2.',
  },
  {
    invariant: 'reference-counts',
    what: 'a reference on an I/O frame',
    spoil: (state) => state.hold(0, 0, 1),
    message: '0x0 has general count 2, but its holders add up to 1.',
  },
  {
    invariant: 'linear-counts',
    what: 'a linear count without linear entries',
    spoil: (state) => {
      state.linears[B4] = 1;
    },
    message: 'B4 has linear count 1, but its linear entries make it 0.',
  },
  {
    invariant: 'linear-counts',
    what: 'a chain of linear entries',
    spoil: (state) => {
      for (const mfn of [F0, F1, F2]) state.makeTable(mfn, TYPE_L2);
      state.map(F0, TYPE_L2, 0, F1, P | US);
      state.map(F1, TYPE_L2, 0, F2, P | US);
      state.linears[F0] = 1;
    },
    message: 'F1 holds 1 linear entries to other tables and is the target of 1.',
  },
  ...illegalStates(),
  ...SPOILED_LATER,
];

/** Information words of F1, of which the first line of `legal-state` says what is wrong. */
function illegalStates(): Spoiled[] {
  const writable = 'F1 (writable, type count 1, general count 2)';
  const cases: readonly (readonly [what: string, info: (info: number) => number, message: string])[] = [
    [
      'a pinned frame that is no table',
      (info) => info | INFO_PINNED,
      `${writable} is pinned, but is not a validated table.`,
    ],
    [
      'an allocated frame of nobody’s',
      (info) => info & ~INFO_OWNER,
      `${writable} has references but no owner.`,
    ],
    [
      'a writable frame that is not validated',
      (info) => info & ~INFO_VALIDATED,
      `${writable} is in use, but not validated.`,
    ],
    [
      'a table in use that is neither validated nor partial',
      () => GUESTS | TYPE_L2,
      'F1 (L2, type count 1, general count 2) is a table in use that is neither validated nor partial.',
    ],
    [
      'a frame in use without a type',
      (info) => info & ~INFO_TYPE,
      'F1 (none, type count 1, general count 2) has no type, but is in use or validated.',
    ],
    [
      'a type that does not exist',
      (info) => (info & ~INFO_TYPE) | 6,
      'F1 (shared, type count 1, general count 2) has a type that does not exist.',
    ],
    [
      'the mark of a slot-3 L2 on another table',
      () => GUESTS | TYPE_L1 | INFO_VALIDATED | INFO_PAE_XEN_L2,
      'F1 (L1+pae, type count 1, general count 2) has the mark of a slot-3 L2 without being one in use.',
    ],
    [
      'a partial frame that is no table',
      (info) => info | INFO_PARTIAL,
      `${writable} is partial, but no L2, L3 or L4.`,
    ],
    [
      'a partial table that is validated',
      () => GUESTS | TYPE_L2 | INFO_PARTIAL | INFO_VALIDATED,
      'F1 (L2, type count 1, general count 2) is partial and yet validated or pinned.',
    ],
    [
      'a partial table that stopped at slot 0',
      () => GUESTS | TYPE_L2 | INFO_PARTIAL,
      'F1 (L2, type count 1, general count 2) is partial, but its validation stopped at slot 0.',
    ],
    [
      'a handed-over child of no partial table',
      (info) => info | INFO_HANDED,
      `${writable} is not partial, but holds a handed-over child.`,
    ],
  ];
  return cases.map(([what, change, message]) => ({
    invariant: 'legal-state',
    what,
    spoil: (state) => {
      state.infos[F1] = change(state.infos[F1]);
    },
    message,
  }));
}
