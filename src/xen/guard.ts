/** Operations that the lab would not run, as the models see them (lab/guard.c decides): for programs that are drawn for it. */
import type { ModelState } from '../../models/model.js';
import { entryOf, isSame, mfnOf, NX, P, RW, SLOTS, US } from '../../models/x86/entry.js';
import { entry } from '../../models/x86/entry.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import * as op from '../program/record.js';

const { B1, B3, B4, K0, K2, K3 } = BOOT_MFN;
/** Their frame is loaded, now or when the vCPU that is initialised runs. */
const LOADING = new Set([op.OP_NEW_BASEPTR, op.OP_WRITE_CR3, op.OP_INITIALISE]);
const SPARED = new Set([
  op.OP_UNPIN,
  op.OP_CLEAR_PAGE,
  op.OP_COPY_PAGE,
  op.OP_RELEASE,
  op.OP_DECREASE_RESERVATION,
]);

/** Whether the operation at `at`, or an element of it, would take away the mapping that the kernel runs in. */
export function takesTheKernelAway(state: ModelState, code: Int32Array, at: number): boolean {
  const end = at + op.span(code, at) * op.RECORD;
  const cpu = (code[at]! >> op.CPU_SHIFT) & op.CPU_MASK;
  for (let i = at; i < end; i += op.RECORD) {
    if (alone(state, code, i)) return true;
    const opcode = code[i]! & 0xff;
    if (opcode === op.OP_IRET_USER && (!userHasKernel(state, cpu) || changesUser(code, at, i))) return true;
    if (opcode === op.OP_ACCESS_LDT && state.loadedBase(cpu) !== state.kernelBase(cpu)) {
      if (!userHasKernel(state, cpu)) return true;
    }
  }
  return end - at > op.RECORD && loadsAndWrites(code, at, end);
}

function alone(state: ModelState, code: Int32Array, at: number): boolean {
  const opcode = code[at]! & 0xff;
  const mfn = code[at + op.W_FRAME]! >>> 0;
  if (LOADING.has(opcode)) return !hasKernel(state, mfn);
  if (SPARED.has(opcode)) return isBootTable(mfn);
  if (opcode !== op.OP_MMU_UPDATE || mfn === B1) return false;
  return isBootTable(mfn) || isPath(state, mfn, code[at + op.W_SLOT]!);
}

function isBootTable(mfn: number): boolean {
  return mfn >= B1 && mfn < FIRST_FRAME_MFN;
}

/** A slot by which a vCPU's root reaches the kernel. */
function isPath(state: ModelState, mfn: number, slot: number): boolean {
  for (let cpu = 0; cpu < state.machine.vcpus; cpu++)
    if (isPathOf(state, state.kernelBase(cpu), mfn, slot)) return true;
  return false;
}

function isPathOf(state: ModelState, root: number, mfn: number, slot: number): boolean {
  if (state.machine.arch === 'x86_64') return mfn === root && slot === 511;
  if (mfn === root) return slot === 3;
  return slot < 4 && mfn === mfnOf(state.low(root, 3), state.high(root, 3));
}

function hasKernel(state: ModelState, root: number): boolean {
  if (root < FIRST_FRAME_MFN || root >= FIRST_FRAME_MFN + state.machine.frames) return true;
  const at = (mfn: number, slot: number) => entryOf(state.low(mfn, slot), state.high(mfn, slot));
  const maps = (mfn: number, slot: number, child: number, flags: number, told: number) => {
    const { mfn: found, flags: held } = at(mfn, slot);
    return isSame(entry(found, held & told), entry(child, flags));
  };
  if (state.machine.arch === 'x86_64') return maps(root, 511, B3, P | RW | US, P | RW | US | NX);
  const { mfn: l2, flags } = at(root, 3);
  if ((flags & P) === 0) return false;
  if (l2 === BOOT_MFN.B2) return true;
  const own = l2 >= FIRST_FRAME_MFN && l2 < FIRST_FRAME_MFN + state.machine.frames;
  return own && [K0, B1, K2, K3].every((table, slot) => maps(l2, slot, table, P | RW, P | RW | NX));
}

/** Without a user base pointer Xen would end the domain. */
function userHasKernel(state: ModelState, cpu: number): boolean {
  const base = state.userBase(cpu);
  return base !== 0 && hasKernel(state, base);
}

/** A multicall whose calls before the return to user mode may change the tables that are loaded then. */
function changesUser(code: Int32Array, at: number, iret: number): boolean {
  for (let i = at + op.RECORD; i < iret; i += op.RECORD) {
    const opcode = code[i]! & 0xff;
    if (opcode === op.OP_NEW_USER_BASEPTR || opcode === op.OP_CLEAR_PAGE || opcode === op.OP_COPY_PAGE)
      return true;
    if (opcode === op.OP_MMU_UPDATE && code[i + op.W_SLOT] === SLOTS - 1) return true;
  }
  return false;
}

/** One call that both loads a base pointer and may write what it maps. */
function loadsAndWrites(code: Int32Array, at: number, end: number): boolean {
  let loads = false;
  let writes = false;
  for (let i = at + op.RECORD; i < end; i += op.RECORD) {
    const opcode = code[i]! & 0xff;
    loads ||= opcode === op.OP_NEW_BASEPTR && code[i + op.W_FRAME] !== B4;
    writes ||= opcode === op.OP_MMU_UPDATE || opcode === op.OP_CLEAR_PAGE || opcode === op.OP_COPY_PAGE;
  }
  return loads && writes;
}
