/** Which programs the lab can run: those of a dom0, or of a second domain, whose calls an event interrupts at once, after a lost race, or not at all. */
import { mfnOf, P } from '../../models/x86/entry.js';
import { XEN_L4_FIRST, XEN_L4_LAST } from '../../models/x86/xen-entries.js';
import { BOOT_MFN, FIRST_FRAME_MFN, type Machine, WINDOW_0 } from '../program/machine.js';
import * as op from '../program/record.js';
import { hasName, windowOf } from '../text/naming.js';
import { buildName, type XenBuild } from './build.js';
import { firstToTakeTheKernelAway } from './guard.js';
import { endBeforeItsCleanup, hasSecondDomain, whyNotForeign } from './second-domain.js';
import { firstToAskTheTlb } from './tlb.js';
import {
  FRAMES_MAX,
  type LabProgram,
  requestWords,
  REQUEST_WORDS_MAX,
  VCPUS_MAX,
  XEN_VCPUS,
} from './mailbox.js';

const LIST_MAX = 128;
const LISTS_MAX = 8;
const RUNNABLE = new Set([
  op.OP_STORE,
  op.OP_STORE_FRAME,
  op.OP_FILL,
  op.OP_MMU_UPDATE,
  op.OP_MACHPHYS,
  op.OP_UPDATE_VA,
  op.OP_PIN,
  op.OP_UNPIN,
  op.OP_NEW_BASEPTR,
  op.OP_NEW_USER_BASEPTR,
  op.OP_CLEAR_PAGE,
  op.OP_COPY_PAGE,
  op.OP_SET_LDT,
  op.OP_MMUEXT,
  op.OP_SET_GDT,
  op.OP_UPDATE_DESCRIPTOR,
  op.OP_ACCESS_LDT,
  op.OP_WRITE_CR3,
  op.OP_RELEASE,
  op.OP_RECEIVE,
  op.OP_DECREASE_RESERVATION,
  op.OP_MMU_UPDATE_LIST,
  op.OP_MMUEXT_LIST,
  op.OP_MULTICALL,
  op.OP_FILL_ENTRY,
  op.OP_GDT_FRAME,
  op.OP_RESUME,
  op.OP_TOUCH,
  op.OP_STORE_CACHED,
  op.OP_IRET_USER,
  op.OP_INITIALISE,
  op.OP_RESET_VCPU,
]);
/** Brought about on x86_64 alone. */
const ONLY_64 = new Set([op.OP_IRET_USER, op.OP_INITIALISE, op.OP_RESET_VCPU]);
/** The bits of an operation that loses a race. */
export const CONTENDED = op.CONTEND_MASK << op.CONTEND_SHIFT;
/** What the environment may do: another vCPU, the event of `preempt=0`, which is pending when the call begins, and a lost race. */
const POSSIBLE = (op.CPU_MASK << op.CPU_SHIFT) | (1 << op.PREEMPT_SHIFT) | CONTENDED;
const THROUGH_WINDOWS = new Set([op.OP_STORE, op.OP_STORE_CACHED, op.OP_TOUCH]);
const ADDRESSED = new Set([...THROUGH_WINDOWS, op.OP_UPDATE_VA, op.OP_SET_LDT]);
const WITH_ENTRY = new Set([
  op.OP_STORE,
  op.OP_STORE_CACHED,
  op.OP_STORE_FRAME,
  op.OP_FILL_ENTRY,
  op.OP_MMU_UPDATE,
  op.OP_UPDATE_VA,
]);
/** Need a frame of the guest's: the kernel writes to it, or gives it away. */
const OWN_FRAME = new Set([
  op.OP_FILL,
  op.OP_STORE_FRAME,
  op.OP_RELEASE,
  op.OP_RECEIVE,
  op.OP_DECREASE_RESERVATION,
]);
/** From here on a 64-bit address is in the L3 entry that the kernel and the windows share. */
const KERNEL_1G_HIGH = 0xffffffff | 0;
const KERNEL_32 = (WINDOW_0.x86_32.low >>> 0) - 0x200000;

/** Why the machine is none that this lab can be, if so. */
export function whyNotMachine(machine: Machine, build: XenBuild): string | undefined {
  const { arch, debug, paeXenSlot } = build;
  if (machine.arch !== arch) return `is for ${machine.arch}, the lab is ${arch}`;
  if (machine.frames < 1 || machine.frames > FRAMES_MAX)
    return `needs a standard layout of 1 to ${FRAMES_MAX} frames`;
  if (!machine.hardwareDomain && !hasSecondDomain(build))
    return 'is for an ordinary domain, which the lab makes on Xen 4.17 for x86_64 alone';
  if (!machine.linear) return 'is for a Xen without linear pagetables';
  if (machine.debugBuild !== debug)
    return `is for a ${buildName(machine.debugBuild)} build of Xen, this is a ${buildName(debug)} build`;
  if (arch === 'x86_32' && machine.paeXenSlot !== paeXenSlot)
    return `has pae_xen_slot=${machine.paeXenSlot}, here it is ${paeXenSlot}`;
  return undefined;
}

/** Why the lab cannot run the program, if so. */
export function whyNot(program: LabProgram, build: XenBuild): string | undefined {
  const { machine, code } = program;
  const wrong = whyNotMachine(machine, build);
  if (wrong !== undefined) return wrong;
  if (requestWords(program) > REQUEST_WORDS_MAX) return 'is too long';
  const starts = op.operationStarts(code);
  const resets = starts.filter((at) => (code[at]! & 0xff) === op.OP_RESET_VCPU).length;
  if (machine.hardwareDomain && resets > XEN_VCPUS - VCPUS_MAX) return 'resets more vCPUs than the lab has';
  for (const [i, at] of starts.entries()) {
    if (!build.races && isContended(code, at))
      return `has a lost race, which cannot be brought about on this image of Xen (operation ${i + 1})`;
    const why = whyNotOperation(code, at, machine);
    if (why !== undefined) return `${why} (operation ${i + 1})`;
  }
  if (!machine.hardwareDomain) {
    const early = endBeforeItsCleanup(program);
    return early === undefined ? undefined : `ends before vCPU 0 has cleaned up (operation ${early + 1})`;
  }
  const asking = firstToAskTheTlb(program);
  if (asking !== undefined) return `asks what a TLB still holds (operation ${asking + 1})`;
  const taking = firstToTakeTheKernelAway(program);
  return taking === undefined ? undefined : `would take the lab's own mapping away (operation ${taking + 1})`;
}

/** Whether the operation at `at` loses a race. */
export function isContended(code: Int32Array, at: number): boolean {
  return (code[at]! & CONTENDED) !== 0;
}

/** Why the lab cannot run the operation at `at`, if so. */
export function whyNotOperation(code: Int32Array, at: number, machine: Machine): string | undefined {
  const end = at + op.span(code, at) * op.RECORD;
  for (let i = at; i < end; i += op.RECORD) {
    const why = whyNotRecord(code, i, machine);
    if (why !== undefined) return why;
  }
  return undefined;
}

function whyNotRecord(code: Int32Array, at: number, machine: Machine): string | undefined {
  const word = code[at]!;
  const opcode = word & 0xff;
  const frame = code[at + op.W_FRAME]! >>> 0;
  if (!machine.hardwareDomain) {
    const why = whyNotForeign(code, at);
    if (why !== undefined) return why;
  } else if (!RUNNABLE.has(opcode) || (ONLY_64.has(opcode) && machine.arch === 'x86_32'))
    return `has ${op.OPCODE_NAMES[opcode]}, which cannot be brought about on real Xen`;
  if ((word & op.ENVIRONMENT_MASK & ~POSSIBLE) !== 0)
    return 'has an event after preempt=0, which cannot be brought about';
  if (opcode === op.OP_RESET_VCPU) return machine.hardwareDomain ? whyNotReset(code, at, machine) : undefined;
  if (opcode === op.OP_INITIALISE && code[at + op.W_COUNT]! >= machine.vcpus)
    return 'initialises a vCPU that the machine does not have';
  if (WITH_ENTRY.has(opcode) && !hasName(mfnOf(code[at + op.W_LOW]!, code[at + op.W_HIGH]!), machine))
    return 'has an entry to a frame without a name';
  if (opcode === op.OP_UPDATE_DESCRIPTOR && isPresentElsewhere(code, at, machine))
    return 'has a descriptor that is an entry to a frame without a name';
  if (ADDRESSED.has(opcode)) return whyNotAddress(code, at, machine);
  if (opcode === op.OP_COPY_PAGE && !hasName(code[at + op.W_LOW]! >>> 0, machine)) return NAMELESS;
  if (opcode === op.OP_INITIALISE && !hasName(code[at + op.W_LOW]! >>> 0, machine)) return NAMELESS;
  if (namesFrame(opcode) && !hasName(frame, machine)) return NAMELESS;
  if (OWN_FRAME.has(opcode) && frame !== BOOT_MFN.B1 && !isProgramsFrame(frame, machine))
    return 'writes to a frame that is not the program’s';
  if (opcode === op.OP_RECEIVE && code[at + op.W_COUNT] !== 1) return 'receives several frames at once';
  const items = code[at + op.W_ITEMS]!;
  if (opcode !== op.OP_FILL && items > LIST_MAX) return `has a list of more than ${LIST_MAX} elements`;
  if (opcode === op.OP_MULTICALL && op.itemsAt(code, at).length > LISTS_MAX)
    return `has a multicall of more than ${LISTS_MAX} calls`;
  return undefined;
}

/** The lab plays the toolstack's part, as far as another vCPU goes down (rules 16.7). */
function whyNotReset(code: Int32Array, at: number, { vcpus }: Machine): string | undefined {
  const vcpu = code[at + op.W_COUNT]!;
  const isOther = vcpu < vcpus && vcpu !== ((code[at]! >> op.CPU_SHIFT) & op.CPU_MASK);
  if ((code[at]! & (CONTENDED | (op.PREEMPT_MASK << op.PREEMPT_SHIFT))) !== 0)
    return 'has an interrupted reset_vcpu';
  return isOther && vcpu !== 0 ? undefined : 'resets vCPU 0, the one that runs, or one that does not exist';
}

/** What the frame would be as an entry depends on the memory of the machine, not on the program. */
function isPresentElsewhere(code: Int32Array, at: number, machine: Machine): boolean {
  const low = code[at + op.W_LOW]!;
  return (low & P) !== 0 && !hasName(mfnOf(low, code[at + op.W_HIGH]!), machine);
}

function namesFrame(opcode: number): boolean {
  if (opcode === op.OP_GDT_FRAME || opcode === op.OP_INITIALISE) return true;
  return opcode < op.OP_MMU_UPDATE_LIST && opcode !== op.OP_MMUEXT && opcode !== op.OP_ACCESS_LDT;
}

const NAMELESS = 'names a frame by its number';

function isProgramsFrame(mfn: number, machine: Machine): boolean {
  return mfn >= FIRST_FRAME_MFN && mfn < FIRST_FRAME_MFN + machine.frames;
}

/** Stores go through windows; other addresses may be any but the kernel's own. */
function whyNotAddress(code: Int32Array, at: number, machine: Machine): string | undefined {
  const va = { low: code[at + op.W_FRAME]!, high: code[at + op.W_SLOT]! };
  if (windowOf(va, machine) >= 0) return undefined;
  if (THROUGH_WINDOWS.has(code[at]! & 0xff)) return 'uses an address that is no window';
  if ((code[at]! & 0xff) === op.OP_SET_LDT && code[at + op.W_COUNT] === 0) return undefined;
  const kernel = machine.arch === 'x86_64' ? va.high === KERNEL_1G_HIGH : va.low >>> 0 >= KERNEL_32;
  return kernel ? 'has an address of the kernel' : undefined;
}

/**
 * Whether the operation writes half of an entry where Xen has its own in an L4 that was one: the models know which of
 * those entries there are, and not what the other half holds (`models/x86/xen-entries.ts`).
 */
export function writesHalfOfXensSlot(code: Int32Array, at: number, machine: Machine): boolean {
  const word = code[at]!;
  const opcode = word & 0xff;
  const isStore = opcode === op.OP_STORE || opcode === op.OP_STORE_FRAME;
  if (!isStore || ((word >> op.VARIANT_SHIFT) & op.VARIANT_MASK) === 0 || machine.arch !== 'x86_64')
    return false;
  const slot = opcode === op.OP_STORE ? (code[at + op.W_FRAME]! & 0xfff) >> 3 : code[at + op.W_SLOT]!;
  return slot >= XEN_L4_FIRST && slot <= XEN_L4_LAST;
}
