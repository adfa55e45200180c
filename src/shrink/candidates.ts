import { ZERO } from '../../models/x86/entry.js';
import { machineOf } from '../generate/machines.js';
import { DEFAULT_PAE_XEN_SLOT, type Machine } from '../program/machine.js';
import type { Operation } from '../program/operation.js';
import { decode, encode, operationStarts } from '../program/record.js';

/** A program as it is generated and shrunk: no name, no expected answers. */
export interface Candidate {
  readonly machine: Machine;
  readonly code: Int32Array;
}

/** Programs a little smaller than this one, largest steps first: what fails among them is tried next. */
export function* smallerThan({ machine, code }: Candidate): Generator<Candidate> {
  const starts = operationStarts(code);
  for (let size = starts.length; size >= 1; size = Math.floor(size / 2)) {
    for (let end = starts.length; end > 0; end -= size) {
      yield { machine, code: without(code, starts, Math.max(0, end - size), end) };
    }
  }
  for (let i = 0; i < starts.length; i++) {
    const operation = decode(code, starts[i]!);
    for (const simpler of simplerThan(operation)) yield { machine, code: replaced(code, starts, i, simpler) };
  }
  for (const plainer of plainerThan(machine)) yield { machine: plainer, code };
}

function without(code: Int32Array, starts: number[], from: number, to: number): Int32Array {
  const first = starts[from]!;
  const rest = starts[to] ?? code.length;
  const smaller = new Int32Array(code.length - (rest - first));
  smaller.set(code.subarray(0, first));
  smaller.set(code.subarray(rest), first);
  return smaller;
}

function replaced(code: Int32Array, starts: number[], index: number, operation: Operation): Int32Array {
  const records: number[] = [];
  encode(operation, records);
  const end = starts[index + 1] ?? code.length;
  return Int32Array.from([...code.subarray(0, starts[index]), ...records, ...code.subarray(end)]);
}

function* simplerThan(operation: Operation): Generator<Operation> {
  switch (operation.kind) {
    case 'mmu_update_list':
    case 'mmuext_op_list':
    case 'multicall':
      yield* operation.items;
      for (let i = 0; i < operation.items.length; i++) {
        yield { ...operation, items: operation.items.toSpliced(i, 1) } as Operation;
      }
      return;
    case 'fill':
      for (let i = 0; i < operation.entries.length; i++)
        yield { ...operation, entries: operation.entries.toSpliced(i, 1) };
      return;
    case 'mmu_update':
      if (operation.command !== 'normal') yield { ...operation, command: 'normal' };
      break;
    case 'update_va':
      if (operation.flush !== 'none') yield { ...operation, flush: 'none', badBitmap: false };
      if (operation.fd !== 'self') yield { ...operation, fd: 'self' };
  }
  if (!('entry' in operation)) return;
  const { mfn, flags } = operation.entry;
  if (mfn !== 0 || flags !== 0) yield { ...operation, entry: ZERO };
  for (let bits = flags; bits !== 0; bits &= bits - 1) {
    yield { ...operation, entry: { mfn, flags: flags & ~(bits & -bits) } };
  }
  if ('slot' in operation && operation.slot > 0) yield { ...operation, slot: 0 };
}

function* plainerThan(machine: Machine): Generator<Machine> {
  const { start: _start, frames: _frames, ...options } = machine;
  if (machine.debugBuild) yield machineOf({ ...options, debugBuild: false });
  if (!machine.hardwareDomain) yield machineOf({ ...options, hardwareDomain: true });
  if (machine.writablePagetables) yield machineOf({ ...options, writablePagetables: false });
  if (machine.quirks === 'intended') yield machineOf({ ...options, quirks: 'shipped' });
  if (machine.paeXenSlot !== DEFAULT_PAE_XEN_SLOT)
    yield machineOf({ ...options, paeXenSlot: DEFAULT_PAE_XEN_SLOT });
}
