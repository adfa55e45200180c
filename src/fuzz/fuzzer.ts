import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { drawMachine } from '../generate/machines.js';
import { drawProgram } from '../generate/program.js';
import { stream } from '../generate/streams.js';
import { type Failure, Lockstep } from '../lockstep/lockstep.js';
import type { Arch, Machine } from '../program/machine.js';
import { operationStarts } from '../program/record.js';
import type { Candidate } from '../shrink/candidates.js';
import { reduce } from '../shrink/reduce.js';
import { Outcomes } from './outcomes.js';

/** A program that fails, shrunk. */
export interface Find {
  readonly arch: Arch;
  /** Name of the stream that gave the program. */
  readonly seed: string;
  readonly program: Candidate;
  readonly failure: Failure;
  /** The optimized model's answers, by record. */
  readonly answers: Int32Array;
  /** Operations before shrinking. */
  readonly operationsDrawn: number;
}

/** Long enough that what a program builds is also torn down and used again. */
const LENGTH_MAX = 400;
/** Every so many programs end with a look at the whole state, which costs as much as some hundred operations. */
const THOROUGH_EVERY = 100;

/**
 * Draws programs and runs them on both models in lockstep. Program k of a run comes from a stream of its own,
 * so that it can be drawn again without those before it.
 */
export class Fuzzer {
  readonly outcomes = new Outcomes();
  programs = 0;
  operations = 0;
  /** Programs that end with references lost as Xen 4.17 loses them (rules 14). */
  losing = 0;
  private readonly scout = new OptimizedModel();
  private readonly pairs = new Map<Machine, { optimized: OptimizedModel; lockstep: Lockstep }>();

  constructor(
    private readonly arches: readonly Arch[],
    private readonly seed: string,
  ) {}

  /** Draws and runs the next program. */
  next(): Find | undefined {
    const arch = this.arches[this.programs % this.arches.length]!;
    const seed = streamName(this.seed, Math.floor(this.programs / this.arches.length));
    const draw = stream(`${arch} ${seed}`);
    const machine = drawMachine(draw, arch);
    const code = drawProgram(draw, machine, 1 + draw.below(LENGTH_MAX), this.scout);
    const { lockstep, optimized } = this.pairFor(machine);
    const thorough = this.programs % THOROUGH_EVERY === 0;
    const failure = lockstep.run(machine, code, thorough);
    this.programs++;
    this.operations += this.outcomes.add(code, lockstep.answers);
    if (failure === undefined) {
      if (losesReferences(optimized)) this.losing++;
      return undefined;
    }
    const run = (candidate: Candidate) =>
      this.pairFor(candidate.machine).lockstep.run(candidate.machine, candidate.code, thorough);
    const shrunk = reduce({ machine, code }, failure, run);
    run(shrunk.program);
    const { answers } = this.pairFor(shrunk.program.machine).lockstep;
    const { program } = shrunk;
    return {
      arch,
      seed,
      operationsDrawn: operationStarts(code).length,
      answers,
      program,
      failure: shrunk.failure,
    };
  }

  private pairFor(machine: Machine) {
    let pair = this.pairs.get(machine);
    if (pair === undefined) {
      const optimized = new OptimizedModel();
      pair = { optimized, lockstep: new Lockstep(new ReferenceModel(), optimized) };
      this.pairs.set(machine, pair);
    }
    return pair;
  }
}

/** Program 0 of a run has the run's own name, so that any program's stream can be given as a seed. */
function streamName(seed: string, program: number): string {
  return program === 0 ? seed : `${seed}.${program}`;
}

function losesReferences(model: OptimizedModel): boolean {
  for (let mfn = 0; mfn < model.frameLimit; mfn++) if (model.lostGeneralReferences(mfn) > 0) return true;
  return false;
}
