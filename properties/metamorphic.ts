/**
 * Oracles that need no second opinion: what holds between an operation and the same one refused, interrupted or
 * taken back. They run operations on a model in any state; whoever follows that model must be reset afterwards.
 */
import type { Model, ModelState } from '../models/model.js';
import { P, ZERO, mfnOf, type Entry } from '../models/x86/entry.js';
import { INFO_TYPE, TYPE_L1 } from '../models/x86/page-type.js';
import { EFAULT, NONE, OK, PREEMPTED, RESULT_NAMES, codeOf, doneOf } from '../models/x86/result.js';
import { takeStart } from '../src/program/alike.js';
import type { Machine } from '../src/program/machine.js';
import type { Operation, Word64 } from '../src/program/operation.js';
import { encode } from '../src/program/codec.js';
import { OPCODE_NAMES, PREEMPT_MAX, RECORD, W_OPCODE, operationStarts } from '../src/program/record.js';
import { compareStates } from './agreement.js';
import { isGuests } from './frames.js';
import type { EntryPlace, Violation } from './invariant.js';
import { Recount } from './recount.js';
import { Snapshot } from './snapshot.js';
import { frameName, typeName } from './wording.js';

/** Resumptions after which a call is said never to end; one makes at least a slot's progress. */
const RESUMPTIONS_MAX = 100_000;

/**
 * An operation that answers an error leaves counts, frames in use and holders as they were. What it may change is
 * what the rules say: frames without a type reference (2.6), references booked as lost (14), and, where a table is
 * partial or waits for its cleanup, that table and what it holds (then nothing is said). Of lists only those are
 * judged whose first element failed. EFAULT of update_va tells of its flush, after the entry was changed (3.7).
 */
export function failedCallChangesNothing(model: Model, operation: Operation): Violation | undefined {
  const before = new Snapshot(model);
  const result = run(model, operation);
  const code = codeOf(result);
  if (code === OK || code === NONE || code === PREEMPTED || !isOneRequest(operation, result))
    return undefined;
  if (operation.kind === 'update_va' && operation.badBitmap && code === EFAULT) return undefined;
  if (!before.sameUnfinished()) return undefined;
  const validatesDescriptors = operation.kind === 'set_gdt' || operation.kind === 'access_ldt';
  const change = before.change(validatesDescriptors ? 'descriptors' : 'adjusted');
  if (!change) return undefined;
  const after = `after ${nameOf(operation)} was refused with ${RESULT_NAMES.get(code) ?? code}`;
  return violation('failed-call-changes-nothing', model, change.frame, `${change.what}, ${after}`);
}

/** Whether all that has happened is one request that failed; the others did their own work before. */
function isOneRequest(operation: Operation, result: number): boolean {
  switch (operation.kind) {
    case 'multicall':
    case 'initialise':
    case 'resume':
      return false;
    case 'mmu_update_list':
    case 'mmuext_op_list':
      return (doneOf(result) ?? 0) === (operation.options.continued ?? 0) || doneOf(result) === undefined;
    default:
      return true;
  }
}

/**
 * An operation that is interrupted after K units of work and then goes on until it is done gives the same answer
 * and the same state as without interruption, for every K; whether it then goes on in one piece or is interrupted at
 * every turn. For one vCPU, nothing else being run in between.
 *
 * @param models two models of the same kind, whose states are overwritten
 * @param prefix records of the program that leads to the state in question
 */
export function resumedEqualsUninterrupted(
  models: readonly [whole: Model, parts: Model],
  machine: Machine,
  prefix: Int32Array,
  operation: Operation,
): Violation | undefined {
  const [whole, parts] = models;
  const { preempt: _, contend: __, ...bare } = operation;
  reach(whole, machine, prefix);
  if (whole.interrupted(operation.cpu) !== 0) return undefined;
  const expected = run(whole, bare);
  for (let units = 0; units <= PREEMPT_MAX; units++) {
    for (const again of [undefined, 0]) {
      reach(parts, machine, prefix);
      const first = run(parts, { ...bare, preempt: units });
      const result = codeOf(first) === PREEMPTED ? goOn(parts, bare, again) : first;
      const what = difference(whole, expected, parts, result);
      if (what) {
        const when = `${nameOf(operation)} was interrupted after ${units} units of work`;
        return violation('resumed-equals-uninterrupted', whole, what.frame, `${what.what}, where ${when}`);
      }
      if (codeOf(first) !== PREEMPTED) return undefined;
    }
  }
  return undefined;
}

/** Goes on with the interrupted operation until it answers something else; `preempt` interrupts every turn again. */
function goOn(model: Model, operation: Operation, preempt: number | undefined): number {
  const { cpu } = operation;
  // An instruction is executed again, and the toolstack calls again; what is left of a hypercall is resumed.
  const repeated = ['write_cr3', 'reset_vcpu', 'destroy'].includes(operation.kind);
  const turn: Operation = repeated ? operation : { kind: 'resume', ...(cpu === undefined ? {} : { cpu }) };
  for (let i = 0; i < RESUMPTIONS_MAX; i++) {
    const result = run(model, preempt === undefined ? turn : { ...turn, preempt });
    if (codeOf(result) !== PREEMPTED) return result;
  }
  return PREEMPTED;
}

function difference(whole: Model, expected: number, parts: Model, result: number) {
  if (result !== expected) {
    return {
      frame: whole.kernelBase(),
      what: `is the base when the answer is ${shown(result)} instead of ${shown(expected)}`,
    };
  }
  const found = compareStates(whole, parts);
  if (!found) return undefined;
  const { what, frame, slot, reference, optimized } = found;
  const where = slot === undefined ? '' : ` in slot ${slot}`;
  return {
    frame: frame ?? whole.kernelBase(),
    what: `ends with ${what}${where} ${optimized} instead of ${reference}`,
  };
}

/** Mapping a frame in an unused page and taking the entry away again restores all counts. */
export function mapThenUnmapIsIdentity(model: Model, va: Word64, entry: Entry): Violation | undefined {
  const place = leafPlace(model, va);
  if (!place || (model.low(place.mfn, place.slot) | model.high(place.mfn, place.slot)) !== 0)
    return undefined;
  const before = new Snapshot(model);
  const remap = (value: Entry) =>
    codeOf(run(model, { kind: 'update_va', va, entry: value, flush: 'none', badBitmap: false, fd: 'self' }));
  if (remap(entry) !== OK) return undefined;
  const oracle = 'map-then-unmap-is-identity';
  const code = remap(ZERO);
  if (code !== OK)
    return violation(oracle, model, place.mfn, `cannot be rid of an entry again (error ${code})`);
  const change = before.change();
  return change && violation(oracle, model, change.frame, `${change.what}, after it was mapped and unmapped`);
}

/**
 * Asks of every frame of the guest's for the type L1, by pinning it: refused while a writable entry maps it or it is
 * in use as something else; where it is granted, unpinning restores all counts.
 *
 * @param model a model of its own, on which the program is run again: the probe leaves its traces on it
 */
export function pinProbe(model: Model, machine: Machine, program: Int32Array): Violation | undefined {
  reach(model, machine, program);
  if (model.dying() !== 0 || model.loadedBase() === 0) return undefined;
  // Cleans up what waits, which each pin would do otherwise.
  run(model, { kind: 'mmuext', command: 'tlb_flush_local', badBitmap: false });
  const { writableEntries } = new Recount(model);
  for (let mfn = 0; mfn < model.frameLimit; mfn++) {
    const info = model.info(mfn);
    if (!isGuests(info)) continue;
    const inUse =
      model.typeCount(mfn) > 0 && (info & INFO_TYPE) !== TYPE_L1 ? `in use as ${typeName(info)}` : undefined;
    const refusedFor = writableEntries[mfn] > 0 ? 'mapped writable' : inUse;
    const found = pinAndUnpin(model, mfn, refusedFor);
    if (found) return found;
  }
  return undefined;
}

function pinAndUnpin(model: Model, mfn: number, refusedFor: string | undefined): Violation | undefined {
  const oracle = 'pin-probe';
  const before = new Snapshot(model);
  if (codeOf(run(model, { kind: 'pin', level: TYPE_L1, mfn })) === OK) {
    if (refusedFor !== undefined)
      return violation(oracle, model, mfn, `is pinned as L1, but was ${refusedFor}`);
    const code = codeOf(run(model, { kind: 'unpin', mfn }));
    if (code !== OK) return violation(oracle, model, mfn, `cannot be unpinned again (error ${code})`);
  }
  const change = before.change();
  return (
    change &&
    violation(
      oracle,
      model,
      change.frame,
      `${change.what}, after ${frameName(mfn, model.machine)} was probed`,
    )
  );
}

/** The slot of an L1 table through which the vCPU's kernel base translates the address, if there is one. */
function leafPlace(state: ModelState, { low, high }: Word64): EntryPlace | undefined {
  const wide = state.machine.arch === 'x86_64';
  const upper = wide ? [(high >>> 7) & 511, ((high & 0x7f) << 2) | (low >>> 30)] : [low >>> 30];
  let mfn = state.kernelBase();
  for (const slot of [...upper, (low >>> 21) & 511]) {
    if (mfn >= state.frameLimit || !isGuests(state.info(mfn)) || (state.low(mfn, slot) & P) === 0)
      return undefined;
    mfn = mfnOf(state.low(mfn, slot), state.high(mfn, slot));
  }
  if (mfn >= state.frameLimit || !isGuests(state.info(mfn))) return undefined;
  return { mfn, slot: (low >>> 12) & 511 };
}

/** Runs the program from the machine's start state. */
function reach(model: Model, machine: Machine, program: Int32Array): void {
  takeStart(model, machine);
  const results = new Int32Array(program.length / RECORD);
  for (const at of operationStarts(program)) model.run(program, at, results);
}

function recordsOf(operation: Operation): Int32Array {
  const code: number[] = [];
  encode(operation, code);
  return Int32Array.from(code);
}

function run(model: Model, operation: Operation): number {
  const code = recordsOf(operation);
  const results = new Int32Array(code.length / RECORD);
  model.run(code, 0, results);
  return results[0];
}

function nameOf(operation: Operation): string {
  return OPCODE_NAMES[recordsOf(operation)[W_OPCODE] & 0xff]!;
}

function shown(result: number): string {
  const done = doneOf(result);
  const code = codeOf(result);
  return `${RESULT_NAMES.get(code) ?? code}${done === undefined ? '' : ` with ${done} done`}`;
}

function violation(oracle: string, state: ModelState, frame: number, what: string): Violation {
  return { invariant: oracle, message: `${frameName(frame, state.machine)} ${what}.`, frame };
}
