/**
 * The order of programs that makes a shrunk form unique: those that nothing interrupts first, then fewer records and inputs of
 * the environment together, then fewer of these inputs, then fewer lost races, then the plainer machine, then operation by
 * operation the simpler kind, operands, and names.
 * Of two programs for one machine one is smaller, or they are the same. A shrinking that only ever takes smaller
 * programs ends, and the order in which it tries them does not decide what is simple.
 */
import { flagsOf, mfnOf } from '../../models/x86/entry.js';
import { BAD_MFN, FIRST_FRAME_MFN, MAX_FRAMES, type Arch } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import * as op from '../program/record.js';
import { type Draft, recordsOf, wordsOf } from './draft.js';
import { distanceFromPlain } from './machines.js';
import { indexOf, windowOf } from './names.js';

/** From the simplest kind on: what a simpler kind can do is not left to one that comes later. */
const SIMPLEST_FIRST = [
  op.OP_FILL_ENTRY,
  op.OP_GDT_FRAME,
  op.OP_MMUEXT,
  op.OP_MMU_UPDATE,
  op.OP_UPDATE_VA,
  op.OP_PIN,
  op.OP_UNPIN,
  op.OP_NEW_BASEPTR,
  op.OP_NEW_USER_BASEPTR,
  op.OP_CLEAR_PAGE,
  op.OP_COPY_PAGE,
  op.OP_MACHPHYS,
  op.OP_SET_GDT,
  op.OP_SET_LDT,
  op.OP_ACCESS_LDT,
  op.OP_UPDATE_DESCRIPTOR,
  op.OP_WRITE_CR3,
  op.OP_STORE_FRAME,
  op.OP_STORE,
  op.OP_FILL,
  op.OP_RELEASE,
  op.OP_DECREASE_RESERVATION,
  op.OP_RECEIVE,
  op.OP_TOUCH,
  op.OP_STORE_CACHED,
  op.OP_IRET_USER,
  op.OP_RESUME,
  op.OP_INITIALISE,
  op.OP_RESET_VCPU,
  op.OP_DESTROY,
  op.OP_MMU_UPDATE_LIST,
  op.OP_MMUEXT_LIST,
  op.OP_MULTICALL,
];
const RANK: number[] = [];
for (const [rank, opcode] of SIMPLEST_FIRST.entries()) RANK[opcode] = rank;

const ADDRESSED = new Set([op.OP_STORE, op.OP_STORE_CACHED, op.OP_TOUCH, op.OP_UPDATE_VA, op.OP_SET_LDT]);
const WITH_ENTRY = new Set([
  op.OP_STORE,
  op.OP_STORE_CACHED,
  op.OP_STORE_FRAME,
  op.OP_FILL_ENTRY,
  op.OP_MMU_UPDATE,
  op.OP_UPDATE_VA,
]);
const WITH_SECOND_FRAME = new Set([op.OP_COPY_PAGE, op.OP_INITIALISE]);

/** Less than, equal to or more than 0 as `a` comes before `b`, is `b`, or comes after it. */
export function compare(a: Draft, b: Draft): number {
  const inputs = [inputsOf(a.operations), inputsOf(b.operations)] as const;
  const coarse =
    Math.sign(inputs[0]) - Math.sign(inputs[1]) ||
    wordsOf(a.operations) / op.RECORD + inputs[0] - (wordsOf(b.operations) / op.RECORD + inputs[1]) ||
    inputs[0] - inputs[1] ||
    racesOf(a.operations) - racesOf(b.operations) ||
    distanceFromPlain(a.machine) - distanceFromPlain(b.machine);
  if (coarse !== 0) return coarse;
  const { arch } = a.machine;
  for (let i = 0; i < a.operations.length; i++) {
    const difference = compareKeys(keyOf(a.operations[i]!, arch), keyOf(b.operations[i]!, arch));
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isSmaller(a: Draft, b: Draft): boolean {
  return compare(a, b) < 0;
}

function racesOf(operations: readonly Operation[]): number {
  return operations.filter(({ contend }) => contend !== undefined).length;
}

/** How many inputs the environment gives: events, lost races, operations of other vCPUs. */
function inputsOf(operations: readonly Operation[]): number {
  let inputs = racesOf(operations);
  for (const { cpu, preempt } of operations) inputs += (cpu ? 1 : 0) + (preempt === undefined ? 0 : 1);
  return inputs;
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

const keys: Record<Arch, WeakMap<Operation, number[]>> = { x86_64: new WeakMap(), x86_32: new WeakMap() };

/** The operation as numbers, of which the first that differs decides. */
function keyOf(operation: Operation, arch: Arch): number[] {
  let key = keys[arch].get(operation);
  if (key === undefined) {
    key = [];
    const records = recordsOf(operation);
    for (let at = 0; at < records.length; at += op.RECORD) addRecord(key, records, at, arch);
    keys[arch].set(operation, key);
  }
  return key;
}

function addRecord(key: number[], code: Int32Array, at: number, arch: Arch): void {
  const word = code[at + op.W_OPCODE]!;
  const opcode = word & 0xff;
  const frame = code[at + op.W_FRAME]!;
  const slot = code[at + op.W_SLOT]!;
  const low = code[at + op.W_LOW]!;
  const high = code[at + op.W_HIGH]!;
  key.push(RANK[opcode]!, (word >> op.VARIANT_SHIFT) & op.VARIANT_MASK, code[at + op.W_ITEMS]!);
  if (opcode === op.OP_SET_LDT) key.push(code[at + op.W_COUNT]! >>> 0);
  if (ADDRESSED.has(opcode)) {
    const window = windowOf({ low: frame, high: slot }, arch);
    if (window >= 0) key.push(0, window, frame & 0xfff);
    else key.push(1, slot >>> 0, frame >>> 0);
  } else if (opcode === op.OP_NEW_USER_BASEPTR && frame === 0)
    key.push(0, -1, 0); // none at all
  else key.push(0, frameRank(frame >>> 0), slot);
  if (WITH_ENTRY.has(opcode)) {
    const flags = flagsOf(low, high);
    const zero = low === 0 && high === 0;
    key.push(zero ? -1 : frameRank(mfnOf(low, high)), bitsOf(flags), flags);
  } else if (WITH_SECOND_FRAME.has(opcode)) key.push(0, 0, frameRank(low >>> 0));
  else key.push(0, high >>> 0, low >>> 0);
  key.push(code[at + op.W_COUNT]! >>> 0, code[at + op.W_OPTIONS]! >>> 0, word >>> op.CPU_SHIFT);
}

/** `F0` and its like come first, then zero, the boot tables, `BAD`, and numbers without a name. */
export function frameRank(mfn: number): number {
  const index = indexOf(mfn);
  if (index >= 0) return index;
  return mfn === BAD_MFN.x86_64 || mfn === BAD_MFN.x86_32
    ? MAX_FRAMES + FIRST_FRAME_MFN - 0.5
    : MAX_FRAMES + mfn;
}

export function bitsOf(flags: number): number {
  let bits = 0;
  for (let rest = flags; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}
