import { OptimizedModel } from '../../models/optimized/model.js';
import { pick } from '../generate/draw.js';
import { drawMachine, machineOf } from '../generate/machines.js';
import { drawProgram } from '../generate/program.js';
import { stream } from '../generate/streams.js';
import { ByStart } from '../program/alike.js';
import type { Candidate } from '../program/candidate.js';
import type { Arch, Machine, MachineOptions } from '../program/machine.js';

export interface DrawingSettings {
  readonly arches: readonly Arch[];
  readonly quirks: MachineOptions['quirks'];
  /** Options that every machine has, whatever is drawn for the others. */
  readonly machine?: Partial<MachineOptions>;
}

/** A program as it was drawn. */
export interface Drawn {
  readonly arch: Arch;
  /** Name of the stream that gave the program. */
  readonly seed: string;
  readonly program: Candidate;
}

/** Short programs meet the start state's rules sooner, long ones tear down and use again what they built. */
const LENGTHS = [40, 120, 400] as const;

/** Draws the programs of runs. Each comes from a stream of its own, so that it can be drawn again without those before it. */
export class Drawings {
  private readonly scouts = new ByStart(() => new OptimizedModel());

  constructor(private readonly settings: DrawingSettings) {}

  /** The program of this number, counted from 0, of the run with this seed. */
  draw(run: string, number: number): Drawn {
    const { arches, quirks } = this.settings;
    const arch = arches[number % arches.length]!;
    const seed = streamName(run, Math.floor(number / arches.length));
    const draw = stream(`${arch} ${seed}`);
    const machine = this.settled(drawMachine(draw, arch, quirks));
    const length = 1 + draw.below(pick(draw, LENGTHS));
    const code = drawProgram(draw, machine, length, this.scouts.of(machine));
    return { arch, seed, program: { machine, code } };
  }

  private settled(drawn: Machine): Machine {
    if (this.settings.machine === undefined) return drawn;
    const { start: _start, frames: _frames, ...options } = drawn;
    return machineOf({ ...options, ...this.settings.machine });
  }
}

/** Program 0 of a run has the run's own name, so that any program's stream can be given as a seed. */
export function streamName(seed: string, program: number): string {
  return program === 0 ? seed : `${seed}.${program}`;
}
