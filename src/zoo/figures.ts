/** What a measurement of the catalogue comes to. Nothing here depends on the speed of the machine. */
import { CONTROLS, type Defect, type DefectClass, type DefectId } from '../../models/defects/index.js';
import { INVARIANTS } from '../../properties/index.js';
import { AGREEMENT, type Judge } from '../lockstep/judge.js';
import { JUDGES } from './judges.js';

/** A shrunk find. */
export interface Caught {
  /** Canonical id of the program (`src/shrink/identity.ts`). */
  readonly id: string;
  /** Operations; of a list or multicall, those in it. */
  readonly length: number;
  readonly class: DefectClass;
  /** Who saw it first. */
  readonly judge: Judge;
  /** Without any one operation or element the program no longer fails so. */
  readonly minimal: boolean;
}

export interface HuntFigures {
  readonly seed: string;
  /** Operations until something was caught, or all of the hunt. */
  readonly operations: number;
  /** Programs that failed without the defect too. */
  readonly strays: number;
  readonly caught?: Caught;
}

export interface DefectFigures {
  readonly id: DefectId;
  /** With both models and all invariants, seed by seed. */
  readonly hunts: readonly HuntFigures[];
  /** By the invariants alone. */
  readonly alone: readonly HuntFigures[];
  /** Operations of the catalogue's program, if it has one. */
  readonly known?: number;
  /** Of the programs found the first in the shrinker's order. */
  readonly best?: Caught;
  /** Machine line and operations of `best`, where it comes before the catalogue's; its answers are those without the defect. */
  readonly shorter?: string;
  /** Judges that object to one of the finds or to the catalogue's program. */
  readonly seenBy: readonly Judge[];
}

export interface ControlFigures {
  readonly id: string;
  readonly hunts: readonly HuntFigures[];
}

export interface ZooFigures {
  /** Most operations of a hunt. */
  readonly operations: number;
  readonly seeds: number;
  readonly defects: readonly DefectFigures[];
  readonly controls: readonly ControlFigures[];
}

export function catches(hunts: readonly HuntFigures[]): Caught[] {
  return hunts.flatMap(({ caught }) => caught ?? []);
}

export function isFound({ hunts }: { hunts: readonly HuntFigures[] }): boolean {
  return catches(hunts).length > 0;
}

/** How many different programs the seeds came down to. */
export function forms({ hunts }: DefectFigures): number {
  return new Set(catches(hunts).map(({ id }) => id)).size;
}

/** Whether what was found is no longer than the shortest program known. */
export function reachesShortest({ known = Infinity, best }: DefectFigures): boolean {
  return best !== undefined && best.length <= known;
}

/** Finds of which one operation could have been left out. */
export function notMinimal({ hunts, alone }: DefectFigures): number {
  return catches([...hunts, ...alone]).filter(({ minimal }) => !minimal).length;
}

/** The defect breaks something that an invariant says of every state, so it must be found without the reference model. */
export function breaksInvariant({ breaks }: Defect): boolean {
  return breaks.some((one) => INVARIANTS.some(({ name }) => name === one));
}

/** Whether the control did what it is there for. */
export function holds({ id, hunts }: ControlFigures): boolean {
  const { expected } = CONTROLS.find((control) => control.id === id)!;
  return expected === 'survives' ? !isFound({ hunts }) : hunts.every(({ caught }) => caught !== undefined);
}

export interface JudgeFigures {
  readonly judge: Judge;
  /** How many defects it sees. */
  readonly sees: number;
  /** Those that no other judge sees, the comparison with the reference model left aside. */
  readonly only: readonly DefectId[];
}

export function judgeFigures(defects: readonly DefectFigures[]): JudgeFigures[] {
  return JUDGES.map((judge) => {
    const seen = defects.filter(({ seenBy }) => seenBy.includes(judge));
    const only = seen.filter(({ seenBy }) => seenBy.every((one) => one === judge || one === AGREEMENT));
    return { judge, sees: seen.length, only: only.map(({ id }) => id) };
  });
}

export interface Summary {
  readonly defects: number;
  readonly found: number;
  readonly alone: number;
  /** Defects whose finds come down to at most two programs. */
  readonly canonical: number;
  /** Defects found with no more operations than the shortest program known has. */
  readonly shortest: number;
}

export function summary(defects: readonly DefectFigures[]): Summary {
  const count = (test: (figures: DefectFigures) => boolean) => defects.filter(test).length;
  return {
    defects: defects.length,
    found: count(isFound),
    alone: count(({ alone }) => isFound({ hunts: alone })),
    canonical: count((one) => isFound(one) && forms(one) <= MOST_FORMS),
    shortest: count(reachesShortest),
  };
}

/** One on each architecture. */
const MOST_FORMS = 2;

/** The value below which `share` of them lie; undefined where there are none. */
export function quantile(values: readonly number[], share: number): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1];
}

export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5);
}
