/**
 * Operations that the lab does not run, as they would take away the mapping that its kernel runs in (docs/format.md): it lives in
 * what B2[0] and B2[2] map (x86_32: K0, K2, K3) and reaches programs' frames through B1; every table that is loaded must have them.
 */
import { type Model, type ModelState, XenStops } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { entry, entryOf, isSame, mfnOf, NX, P, RW, SLOTS, US } from '../../models/x86/entry.js';
import { codeOf, PREEMPTED } from '../../models/x86/result.js';
import { takeStart } from '../program/alike.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import * as op from '../program/record.js';
import { windowOf } from '../text/naming.js';
import type { LabProgram } from './mailbox.js';

const { B1, B2, B3, K0, K2, K3 } = BOOT_MFN;
/** Their frame is loaded, now or when the vCPU that is initialised runs. */
const LOADING = new Set([op.OP_NEW_BASEPTR, op.OP_WRITE_CR3, op.OP_INITIALISE]);
const SPARED = new Set([
  op.OP_UNPIN,
  op.OP_CLEAR_PAGE,
  op.OP_COPY_PAGE,
  op.OP_RELEASE,
  op.OP_DECREASE_RESERVATION,
]);

const scout = new OptimizedModel();

/** Index of the program's first operation that would take the mapping away; undefined if none does. */
export function firstToTakeTheKernelAway({ machine, code }: LabProgram): number | undefined {
  takeStart(scout, machine);
  const answers = new Int32Array(code.length / op.RECORD);
  /** By vCPU, where the call begins that it would go on with. */
  const calls: number[] = [];
  for (const [i, at] of op.operationStarts(code).entries()) {
    const cpu = cpuOf(code, at);
    const goesOn = (code[at]! & 0xff) === op.OP_RESUME && scout.interrupted(cpu) !== 0;
    const call = goesOn ? calls[cpu]! : at;
    if (takesTheKernelAway(scout, code, call)) return i;
    if (!survives(scout, code, at, answers)) return undefined;
    if (codeOf(answers[at / op.RECORD]!) === PREEMPTED) calls[cpu] = call;
  }
  return undefined;
}

/** Runs the operation; false where Xen would stop in it, and so never come to those after it. */
export function survives(model: Model, code: Int32Array, at: number, answers: Int32Array): boolean {
  try {
    model.run(code, at, answers);
    return true;
  } catch (error) {
    if (error instanceof XenStops) return false;
    throw error;
  }
}

/** Whether the operation at `at`, or an element of it, would do so in this state. */
export function takesTheKernelAway(state: ModelState, code: Int32Array, at: number): boolean {
  const end = at + op.span(code, at) * op.RECORD;
  const cpu = cpuOf(code, at);
  for (let i = at; i < end; i += op.RECORD) {
    if (alone(state, code, i)) return true;
    switch (code[i]! & 0xff) {
      case op.OP_IRET_USER:
        if (!userHasKernel(state, cpu) || changesUser(state, code, at, i, cpu)) return true;
        break;
      case op.OP_ACCESS_LDT:
        if (state.loadedBase(cpu) !== state.kernelBase(cpu) && !userHasKernel(state, cpu)) return true;
        break;
      case op.OP_NEW_BASEPTR:
        for (let j = at + op.RECORD; j < end; j += op.RECORD)
          if (writesPath(state, code, j, code[i + op.W_FRAME]! >>> 0)) return true;
    }
  }
  return false;
}

function cpuOf(code: Int32Array, at: number): number {
  return (code[at]! >> op.CPU_SHIFT) & op.CPU_MASK;
}

function alone(state: ModelState, code: Int32Array, at: number): boolean {
  const opcode = code[at]! & 0xff;
  const mfn = code[at + op.W_FRAME]! >>> 0;
  if (LOADING.has(opcode)) return !hasKernel(state, mfn);
  if (SPARED.has(opcode)) return isBootTable(mfn);
  if (opcode === op.OP_STORE) return storesToKernel(state, code, at);
  if (opcode !== op.OP_MMU_UPDATE || mfn === B1) return false;
  return isBootTable(mfn) || isPath(state, mfn, code[at + op.W_SLOT]!);
}

function isBootTable(mfn: number): boolean {
  return mfn >= B1 && mfn < FIRST_FRAME_MFN;
}

/** Xen emulates stores to L1 tables alone: x86_32's K tables. */
function storesToKernel(state: ModelState, code: Int32Array, at: number): boolean {
  const window = windowOf({ low: code[at + op.W_FRAME]!, high: code[at + op.W_SLOT]! }, state.machine);
  const low = window < 0 ? 0 : state.low(B1, window);
  const mfn = mfnOf(low, window < 0 ? 0 : state.high(B1, window));
  return (low & P) !== 0 && mfn >= K0 && isBootTable(mfn);
}

/** A slot by which a vCPU's root reaches the kernel. */
function isPath(state: ModelState, mfn: number, slot: number): boolean {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++)
    if (isPathOf(state, state.kernelBase(cpu), mfn, slot)) return true;
  return false;
}

function isPathOf(state: ModelState, root: number, mfn: number, slot: number): boolean {
  if (state.machine.arch === 'x86_64') return mfn === root && slot === SLOTS - 1;
  if (mfn === root) return slot === 3;
  return slot < 4 && mfn === mfnOf(state.low(root, 3), state.high(root, 3));
}

/** Whether the record, by itself, may write the slots of `root` (about to be loaded) that lead to the kernel. */
function writesPath(state: ModelState, code: Int32Array, at: number, root: number): boolean {
  const opcode = code[at]! & 0xff;
  const mfn = code[at + op.W_FRAME]! >>> 0;
  if (opcode === op.OP_MMU_UPDATE) return isPathOf(state, root, mfn, code[at + op.W_SLOT]!);
  if (opcode !== op.OP_CLEAR_PAGE && opcode !== op.OP_COPY_PAGE) return false;
  return mfn === root || (state.machine.arch === 'x86_32' && isOwn(state, mfn));
}

function isOwn(state: ModelState, mfn: number): boolean {
  return mfn >= FIRST_FRAME_MFN && mfn < FIRST_FRAME_MFN + state.machine.frames;
}

function hasKernel(state: ModelState, root: number): boolean {
  if (!isOwn(state, root)) return true; // Xen refuses what is none of the program's frames
  const at = (mfn: number, slot: number) => entryOf(state.low(mfn, slot), state.high(mfn, slot));
  const maps = (mfn: number, slot: number, child: number, flags: number, told: number) => {
    const { mfn: found, flags: held } = at(mfn, slot);
    return isSame(entry(found, held & told), entry(child, flags));
  };
  if (state.machine.arch === 'x86_64') return maps(root, SLOTS - 1, B3, P | RW | US, P | RW | US | NX);
  const { mfn: l2, flags } = at(root, 3);
  if ((flags & P) === 0) return false;
  if (l2 === B2) return true;
  return (
    isOwn(state, l2) && [K0, B1, K2, K3].every((table, slot) => maps(l2, slot, table, P | RW, P | RW | NX))
  );
}

/** Without a user base pointer Xen would end the domain. */
function userHasKernel(state: ModelState, cpu: number): boolean {
  const base = state.userBase(cpu);
  return base !== 0 && hasKernel(state, base);
}

/** Whether user mode might have other tables when the multicall's call at `iret` returns to it. */
function changesUser(state: ModelState, code: Int32Array, at: number, iret: number, cpu: number): boolean {
  for (let i = at + op.RECORD; i < iret; i += op.RECORD)
    if ((code[i]! & 0xff) === op.OP_NEW_USER_BASEPTR || writesPath(state, code, i, state.userBase(cpu)))
      return true;
  return false;
}
