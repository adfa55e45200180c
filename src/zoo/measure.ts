/** Hunts one defect with many seeds, with and without the reference model. */
import { type Control, type Defect, defectsNamed } from '../../models/defects/index.js';
import { classOf } from '../fuzz/class.js';
import type { Find } from '../fuzz/fuzzer.js';
import type { MachineOptions } from '../program/machine.js';
import type { Candidate } from '../program/candidate.js';
import { draftOf } from '../shrink/draft.js';
import { idOf } from '../shrink/identity.js';
import { compare, isSmaller } from '../shrink/order.js';
import { sameFailure } from '../shrink/reduce.js';
import { parseProgram } from '../text/parse.js';
import { HEADER } from '../text/print.js';
import { type Caught, type ControlFigures, type DefectFigures } from './figures.js';
import { type Hunt, hunt, type HuntOptions, type Limit } from './hunt.js';
import { type Judge, judgeOf } from '../lockstep/judge.js';
import { JUDGES, objectors } from './judges.js';
import { knownProgram, lengthOf, textOf } from './programs.js';

export interface MeasureOptions {
  /** How many seeds; they are called `zoo 1`, `zoo 2` … */
  readonly seeds: number;
  /** Of each hunt. */
  readonly limit: Limit;
  /** How long a hunt with both models lasts at most, instead. Controls and hunts alone keep the limit: most of them end with it. */
  readonly milliseconds?: number;
  /** Called before each hunt. */
  readonly onHunt?: (seed: string, alone: boolean) => void;
}

export interface Measurement {
  readonly figures: DefectFigures;
  /** Milliseconds to find and to shrink, of the hunts with both models that found something. */
  readonly findMs: readonly number[];
  readonly shrinkMs: readonly number[];
}

/**
 * Where the catalogue says that no invariant sees a defect, hunts without the reference model only look whether
 * that is true: they are given a tenth of the operations.
 */
const HOPELESS_SHARE = 0.1;
const ONLY_COMPARED: readonly string[] = ['agreement', 'progress'];

export function measure(defect: Defect, options: MeasureOptions): Measurement {
  const { limit, milliseconds } = options;
  const ownLimit = milliseconds === undefined ? limit : { operations: Infinity, milliseconds };
  const hopeless = defect.breaks.every((one) => ONLY_COMPARED.includes(one));
  const aloneLimit = { ...limit, operations: limit.operations * (hopeless ? HOPELESS_SHARE : 1) };
  const hunts = huntAll(defect, options, { alone: false, limit: ownLimit });
  const alone = huntAll(defect, options, { alone: true, limit: aloneLimit });
  const finds = hunts.flatMap(({ find }) => find ?? []);
  const known = knownProgram(defect);
  const best = finds.toSorted((a, b) => compare(draftOf(shrunk(a)), draftOf(shrunk(b))))[0];
  const shorter = best && (!known || isSmaller(draftOf(shrunk(best)), draftOf(known))) ? best : undefined;
  const aloneFinds = alone.flatMap(({ find }) => find ?? []);
  const programs = [...finds, ...aloneFinds].map(shrunk);
  const found = hunts.filter(({ find }) => find !== undefined);
  return {
    figures: {
      id: defect.id,
      hunts: hunts.map(huntFigures),
      alone: alone.map(huntFigures),
      ...(known ? { known: lengthOf(known) } : {}),
      ...(best ? { best: caughtOf(best) } : {}),
      ...(shorter ? { shorter: textOf(shrunk(shorter)) } : {}),
      seenBy: seenBy(defect, known ? [...programs, known] : programs),
    },
    findMs: found.map(({ findMs }) => findMs),
    shrinkMs: found.map(({ shrinkMs }) => shrinkMs),
  };
}

/** Hunts a control's defect as any other, on the machines that the control names. */
export function measureControl(control: Control, options: MeasureOptions): ControlFigures {
  const [defect] = defectsNamed(control.defect);
  const machine = optionsOf(control);
  const hunts = huntAll(defect!, options, { alone: false, limit: options.limit, machine });
  return { id: control.id, hunts: hunts.map(huntFigures) };
}

type SeedHunt = Hunt & { readonly seed: string };

function huntAll(
  defect: Defect,
  { seeds, onHunt }: MeasureOptions,
  options: Omit<HuntOptions, 'seed'>,
): SeedHunt[] {
  return Array.from({ length: seeds }, (_, i) => {
    const seed = `zoo ${i + 1}`;
    onHunt?.(seed, options.alone);
    return { seed, ...hunt(defect, { ...options, seed }) };
  });
}

function huntFigures({ seed, operations, strays, find }: SeedHunt) {
  return { seed, operations, strays, ...(find ? { caught: caughtOf(find) } : {}) };
}

function caughtOf({ reduction }: Find): Caught {
  const { id, program, failure, minimal, proof } = reduction;
  return {
    id,
    length: lengthOf(program),
    class: classOf(program),
    judge: judgeOf(failure),
    minimal: minimal && proof.every((one) => !one.failure || !sameFailure(one.failure, failure)),
  };
}

function shrunk({ reduction }: Find): Candidate {
  return reduction.program;
}

/** The judges that see the defect in any of the programs. */
export function seenBy({ id }: Defect, programs: readonly Candidate[]): Judge[] {
  const different = new Map(programs.map((program) => [idOf(program), program]));
  const seen = new Set([...different.values()].flatMap((one) => [...objectors(new Set([id]), one)]));
  return JUDGES.filter((judge) => seen.has(judge));
}

/** The options that the keys of a control's machine line stand for. */
function optionsOf({ id, machine: keys }: Control): Partial<MachineOptions> {
  const options = (line: string) => {
    const { machine } = parseProgram(`${HEADER}program ${id}\nmachine x86_64 frames=8 ${line}\n`, id);
    const { start: _start, frames: _frames, ...rest } = machine;
    return Object.entries(rest);
  };
  const usual = new Map(options(''));
  return Object.fromEntries(options(keys).filter(([key, value]) => usual.get(key) !== value));
}
