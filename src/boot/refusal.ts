/** Why Xen refuses what a guest asks: the first conflict that it meets, for the words that it says on its console. */
import { P, PSE, RW, type Entry, entryOf } from '../../models/x86/entry.js';
import {
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  isTable,
  type Level,
  OWNER_GUEST,
  OWNER_IO,
  TYPE_L1,
  TYPE_WRITABLE,
} from '../../models/x86/page-type.js';
import type { ModelState } from '../../models/model.js';
import type { Hypercall, Word64 } from '../program/operation.js';

/** What stands in the way; `entry` is the L1 entry that wanted the frame, if it was one. */
export type Conflict =
  | {
      readonly kind: 'type';
      readonly mfn: number;
      readonly wanted: number;
      readonly entry?: Entry;
      /** The frame is being taken for a table of this level while its own entry is looked at. */
      readonly checkedAs?: Level;
    }
  | { readonly kind: 'foreign'; readonly mfn: number; readonly entry?: Entry }
  | { readonly kind: 'flags'; readonly level: Level; readonly entry: Entry }
  | { readonly kind: 'shared'; readonly mfn: number }
  | { readonly kind: 'pinned' | 'not pinned'; readonly mfn: number }
  | { readonly kind: 'no L1' };

/** The conflict that the call meets in this state; undefined if there is none of these. */
export function conflictOf(
  state: ModelState,
  call: Hypercall,
  l1Of: (va: Word64) => number | undefined,
): Conflict | undefined {
  switch (call.kind) {
    case 'pin':
      if (state.info(call.mfn) & INFO_PINNED && typeOf(state, call.mfn) === call.level)
        return { kind: 'pinned', mfn: call.mfn };
      return tableConflict(state, call.mfn, call.level, false);
    case 'unpin':
      return { kind: 'not pinned', mfn: call.mfn };
    case 'new_baseptr':
    case 'new_user_baseptr':
      return tableConflict(state, call.mfn, state.machine.arch === 'x86_64' ? 4 : 3, false);
    case 'mmu_update': {
      const type = state.typeCount(call.mfn) > 0 ? typeOf(state, call.mfn) : TYPE_WRITABLE;
      if (owner(state, call.mfn) !== OWNER_GUEST) return { kind: 'foreign', mfn: call.mfn };
      return isTable(type) ? entryConflict(state, call.entry, type as Level, call.slot) : undefined;
    }
    case 'mmu_update_list':
      for (const item of call.items) {
        const found = conflictOf(state, item, l1Of);
        if (found) return found;
      }
      return undefined;
    case 'update_va':
      return l1Of(call.va) === undefined ? { kind: 'no L1' } : l1Conflict(state, call.entry);
    default:
      return undefined;
  }
}

/** What an L1 entry meets (get_page_from_l1e). */
export function l1Conflict(state: ModelState, entry: Entry): Conflict | undefined {
  const { mfn, flags } = entry;
  if ((flags & P) === 0) return undefined;
  const owned = owner(state, mfn);
  if (owned === OWNER_IO && state.machine.hardwareDomain) return undefined;
  if (owned !== OWNER_GUEST) return { kind: 'foreign', mfn, entry };
  if ((flags & RW) === 0 || state.typeCount(mfn) === 0 || typeOf(state, mfn) === TYPE_WRITABLE)
    return undefined;
  return { kind: 'type', mfn, wanted: TYPE_WRITABLE, entry };
}

function entryConflict(
  state: ModelState,
  entry: Entry,
  level: Level,
  slot: number,
  checking: ReadonlySet<number> = new Set(),
): Conflict | undefined {
  if (level === TYPE_L1) {
    const isOwn = checking.has(entry.mfn) && (entry.flags & (P | RW)) === (P | RW);
    const { mfn } = entry;
    return isOwn
      ? { kind: 'type', mfn, wanted: TYPE_WRITABLE, entry, checkedAs: 1 }
      : l1Conflict(state, entry);
  }
  if ((entry.flags & P) === 0) return undefined;
  if (entry.flags & PSE) return { kind: 'flags', level, entry };
  const pae = level === 3 && state.machine.arch === 'x86_32' && slot === 3;
  return tableConflict(state, entry.mfn, (level - 1) as Level, pae, checking);
}

/** What taking the frame for a table of this level meets, itself or in what it holds. */
function tableConflict(
  state: ModelState,
  mfn: number,
  level: Level,
  pae: boolean,
  checking: ReadonlySet<number> = new Set(),
): Conflict | undefined {
  if (owner(state, mfn) !== OWNER_GUEST) return { kind: 'foreign', mfn };
  if (state.typeCount(mfn) > 0) {
    if (typeOf(state, mfn) !== level) return { kind: 'type', mfn, wanted: level };
    return pae ? { kind: 'shared', mfn } : undefined;
  }
  const within = new Set([...checking, mfn]);
  const wide = state.machine.arch === 'x86_64';
  const end = !wide && level === 3 ? 4 : !wide && pae ? state.machine.paeXenSlot : 512;
  for (let slot = state.nextUsed(mfn, 0); slot < end; slot = state.nextUsed(mfn, slot + 1)) {
    if (level === 4 && slot >= 256 && slot <= 271) continue;
    const entry = entryOf(state.low(mfn, slot), state.high(mfn, slot));
    const found = entryConflict(state, entry, level, slot, within);
    if (found) return found;
  }
  return undefined;
}

export function typeOf(state: ModelState, mfn: number): number {
  return state.info(mfn) & INFO_TYPE;
}

function owner(state: ModelState, mfn: number): number {
  return mfn < state.frameLimit ? (state.info(mfn) & INFO_OWNER) >> INFO_OWNER_SHIFT : 0;
}

/** Xen's word for a frame's use as 4.9 and before print it: type, pinned, validated, count; or of one that is being checked. */
export function typeWord(state: ModelState, mfn: number, checkedAs = 0): string {
  if (checkedAs > 0) return `${checkedAs}${'1'.padStart(15, '0')}`;
  const info = state.info(mfn);
  const high = (info & INFO_TYPE) * 16 + (info & INFO_PINNED ? 8 : 0) + (info & INFO_VALIDATED ? 4 : 0);
  return high.toString(16).padStart(2, '0') + state.typeCount(mfn).toString(16).padStart(14, '0');
}

/** Entries of L1 tables in use that map the frame writable. */
export function writableHolders(
  state: ModelState,
  mfn: number,
): { readonly mfn: number; readonly slot: number }[] {
  const holders = [];
  for (let table = 0; table < state.frameLimit; table++) {
    if (typeOf(state, table) !== TYPE_L1 || state.typeCount(table) === 0) continue;
    for (let slot = state.nextUsed(table, 0); slot < 512; slot = state.nextUsed(table, slot + 1)) {
      const low = state.low(table, slot);
      const isWritable = (low & (P | RW)) === (P | RW);
      if (isWritable && entryOf(low, state.high(table, slot)).mfn === mfn) holders.push({ mfn: table, slot });
    }
  }
  return holders;
}

/** What keeps a frame a table: pins, on it or above it; where there is none, the vCPUs that have it loaded. */
export function keepersOf(state: ModelState, mfn: number): 'pin' | readonly number[] {
  const above = tablesAbove(state, mfn);
  if ([...above].some((table) => state.info(table) & INFO_PINNED)) return 'pin';
  const vcpus = Array.from({ length: state.machine.vcpus }, (_, vcpu) => vcpu);
  return vcpus.filter((vcpu) => above.has(state.kernelBase(vcpu)));
}

/** The table and those in use that lead to it. */
function tablesAbove(state: ModelState, mfn: number): Set<number> {
  const found = new Set([mfn]);
  for (const below of found) {
    const wanted = typeOf(state, below) + 1;
    for (let table = 0; table < state.frameLimit; table++) {
      if (typeOf(state, table) !== wanted || state.typeCount(table) === 0 || !isTable(wanted)) continue;
      for (let slot = state.nextUsed(table, 0); slot < 512; slot = state.nextUsed(table, slot + 1))
        if (
          state.low(table, slot) & P &&
          entryOf(state.low(table, slot), state.high(table, slot)).mfn === below
        )
          found.add(table);
    }
  }
  return found;
}
