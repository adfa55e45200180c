/** The machine's start state: what is spelled out, and the types and counts that follow from it (docs/format.md). */
import { type Machine, type Range, type StartTable, XEN_MFN } from '../../src/program/machine.js';
import { highWord, lowWord, P, RW } from '../x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER_SHIFT,
  INFO_PAE_XEN_L2,
  INFO_PINNED,
  INFO_SPECIAL,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_IO,
  OWNER_XEN,
  TYPE_L1,
  TYPE_L2,
  TYPE_L3,
  TYPE_L4,
  TYPE_WRITABLE,
} from '../x86/page-type.js';
import { OWNED } from './frame-table.js';
import type { State } from './state.js';
import { fillRoMpt, writeXenL2Slots, writeXenL4Slots } from './xen-slots.js';

const WRITABLE = TYPE_WRITABLE | INFO_VALIDATED;

export function start(s: State, machine: Machine): void {
  const { ram, shared, io, ioReadOnly, tables, base } = machine.start;
  s.clear(machine, Math.max(...[...ram, ...shared].map((range) => range.mfn + range.count)));
  if (XEN_MFN < s.limit) s.setInfo(XEN_MFN, OWNER_XEN << INFO_OWNER_SHIFT);
  for (const range of [...io, ...ioReadOnly]) {
    for (let mfn = range.mfn; mfn < Math.min(s.limit, range.mfn + range.count); mfn++) {
      place(s, mfn, (OWNER_IO << INFO_OWNER_SHIFT) | WRITABLE, 1);
    }
  }
  for (const mfn of ram.flatMap(frames)) place(s, mfn, OWNED | INFO_ALLOCATED, 0);
  for (const mfn of shared.flatMap(frames))
    place(s, mfn, OWNED | INFO_ALLOCATED | INFO_SPECIAL | WRITABLE, 1);
  for (const table of tables) {
    s.setInfo(table.mfn, s.info(table.mfn) | table.level | INFO_VALIDATED);
    for (const { slot, entry } of table.entries) {
      s.setEntry(table.mfn, slot, lowWord(entry.mfn, entry.flags), highWord(entry.mfn, entry.flags));
    }
  }
  for (const table of tables) count(s, table);
  s.setStartBase(base);
  for (let i = 0; i < machine.vcpus; i++) refer(s, base);
  for (const table of tables) writeXenSlots(s, table.mfn);
  if (!s.compat) fillRoMpt(s, base);
  s.keepAsStart();
}

function frames(range: Range): number[] {
  return Array.from({ length: range.count }, (_, i) => range.mfn + i);
}

/** Each frame's allocation is a general reference; a frame of Xen's or an I/O frame has a type reference too. */
function place(s: State, mfn: number, info: number, typeCount: number): void {
  s.setInfo(mfn, info);
  s.setTypeCount(mfn, typeCount);
  s.setGeneralCount(mfn, 1);
}

function refer(s: State, mfn: number): void {
  s.addTypes(mfn, 1);
  s.addGenerals(mfn, 1);
}

/** What a table's entries and its pin refer to (rules 2.10). */
function count(s: State, table: StartTable): void {
  if (table.pinned) {
    s.setInfo(table.mfn, s.info(table.mfn) | INFO_PINNED);
    refer(s, table.mfn);
  }
  for (const { slot, entry } of table.entries) {
    if ((entry.flags & P) === 0) continue;
    if (table.level === TYPE_L1) {
      if (!s.owned(entry.mfn)) continue;
      s.addGenerals(entry.mfn, 1);
      if ((entry.flags & RW) === 0) continue;
      s.addTypes(entry.mfn, 1);
      s.setInfo(entry.mfn, s.info(entry.mfn) | WRITABLE);
      continue;
    }
    if (entry.mfn === table.mfn) continue;
    refer(s, entry.mfn);
    if (s.compat && table.level === TYPE_L3 && slot === 3)
      s.setInfo(entry.mfn, s.info(entry.mfn) | INFO_PAE_XEN_L2);
  }
}

function writeXenSlots(s: State, mfn: number): void {
  const type = s.info(mfn) & INFO_TYPE;
  if (type === TYPE_L4) writeXenL4Slots(s, mfn);
  else if (type === TYPE_L2 && (s.info(mfn) & INFO_PAE_XEN_L2) !== 0) writeXenL2Slots(s, mfn);
}
