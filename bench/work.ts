/** The generated programs on which speed is measured. */
import { OptimizedModel } from '../models/optimized/model.js';
import { drawMachine } from '../src/generate/machines.js';
import { drawProgram } from '../src/generate/program.js';
import { stream } from '../src/generate/streams.js';
import { type Arch, FIRST_FRAME_MFN, type Machine } from '../src/program/machine.js';
import { operationStarts } from '../src/program/record.js';

const PROGRAMS = 120;
export const LENGTH = 1000;

export interface Work {
  readonly machine: Machine;
  readonly programs: readonly Int32Array[];
}

/** Programs of 8-frame machines, by machine. */
export function drawWork(arch: Arch): Work[] {
  const draw = stream(`bench ${arch}`);
  const scout = new OptimizedModel();
  const byMachine = new Map<Machine, Int32Array[]>();
  for (let i = 0; i < PROGRAMS; i++) {
    const machine = drawMachine(draw, arch, i % 2 === 0 ? 'shipped' : 'intended');
    byMachine.set(machine, [...(byMachine.get(machine) ?? []), drawProgram(draw, machine, LENGTH, scout)]);
  }
  return [...byMachine].map(([machine, programs]) => ({ machine, programs }));
}

export function operationsIn(work: readonly Work[]): number {
  return work
    .flatMap(({ programs }) => programs)
    .reduce((sum, code) => sum + operationStarts(code).length, 0);
}

/** The same programs on a machine with more memory, so many frames, besides the frames that they name. */
export function enlarged({ machine, programs }: Work, frames: number): Work {
  const mfn = FIRST_FRAME_MFN + machine.frames;
  const ram = [...machine.start.ram, { mfn, count: frames - machine.frames }];
  return { machine: { ...machine, start: { ...machine.start, ram } }, programs };
}
