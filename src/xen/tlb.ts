/**
 * Operations whose answer depends on what the processor's TLB still holds. QEMU's holds a translation until it is flushed or makes
 * room for another, so a store through one that should be gone shows a flush that is missing; what may still be held nobody can say.
 */
import { OptimizedModel } from '../../models/optimized/model.js';
import type { ModelState } from '../../models/model.js';
import { A, D, type Entry, entryOf, isSame, P, RW } from '../../models/x86/entry.js';
import { INFO_TYPE, TYPE_L1 } from '../../models/x86/page-type.js';
import { OK } from '../../models/x86/result.js';
import { isValidatedTable } from '../../properties/frames.js';
import { takeStart } from '../program/alike.js';
import { BOOT_MFN } from '../program/machine.js';
import * as op from '../program/record.js';
import { windowOf } from '../text/naming.js';
import { survives } from './guard.js';
import type { LabProgram } from './mailbox.js';

const THROUGH_THE_TLB = new Set([op.OP_TOUCH, op.OP_STORE_CACHED]);
const ACCESSES = new Set([...THROUGH_THE_TLB, op.OP_STORE]);

const scout = new OptimizedModel();

/** Whether the operation at `at` is one whose answer may. */
export function goesThroughTheTlb(code: Int32Array, at: number): boolean {
  return THROUGH_THE_TLB.has(code[at]! & 0xff);
}

/** Index of the first such operation; undefined if there is none. */
export function firstToAskTheTlb({ machine, code }: LabProgram): number | undefined {
  const starts = op.operationStarts(code);
  if (!starts.some((at) => goesThroughTheTlb(code, at))) return undefined;
  takeStart(scout, machine);
  const answers = new Int32Array(code.length / op.RECORD);
  /** By window, the entry whose translation may be held. */
  const held = new Map<number, Entry>();
  for (const [i, at] of starts.entries()) {
    const opcode = code[at]! & 0xff;
    const window = ACCESSES.has(opcode) ? windowOf(addressAt(code, at), machine) : -1;
    const now = entryOfWindow(scout, window);
    const was = opcode === op.OP_STORE ? undefined : held.get(window);
    // A store of eight bytes reads before it writes where words have four.
    const reads = opcode === op.OP_TOUCH || machine.arch === 'x86_32';
    const matters = was && (reads || (was.flags & RW) !== 0);
    if (matters && !isSame(was, now)) return i;
    if (!survives(scout, code, at, answers)) return undefined;
    const isDone = answers[at / op.RECORD] === OK;
    if (window >= 0 && isDone) held.set(window, now);
    if (opcode === op.OP_STORE && !isDone) held.delete(window);
    if (opcode === op.OP_MMU_UPDATE && isDone && levelInUse(scout, code[at + op.W_FRAME]! >>> 0) > TYPE_L1)
      held.clear(); // flush_linear_pt
    // Xen flushes where a page becomes a table if a writable translation of that very page may be held.
    for (const [other, { mfn, flags }] of held)
      if ((flags & RW) !== 0 && levelInUse(scout, mfn) !== 0) held.delete(other);
  }
  return undefined;
}

function addressAt(code: Int32Array, at: number): { low: number; high: number } {
  return { low: code[at + op.W_FRAME]!, high: code[at + op.W_SLOT]! };
}

/** What B1 holds of a window, without what the processor sets. */
function entryOfWindow(state: ModelState, window: number): Entry {
  const slot = Math.max(window, 0);
  const { mfn, flags } = entryOf(state.low(BOOT_MFN.B1, slot), state.high(BOOT_MFN.B1, slot));
  return { mfn, flags: flags & P ? flags & ~(A | D) : 0 };
}

function levelInUse(state: ModelState, mfn: number): number {
  const info = state.info(mfn);
  return isValidatedTable(info) ? info & INFO_TYPE : 0;
}
