import { OptimizedModel } from '../../models/optimized/model.js';
import { judgeOf } from '../lockstep/judge.js';
import type { Failure } from '../lockstep/lockstep.js';
import { operationStarts } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import type { Reducer, Reduction } from '../shrink/reduce.js';
import { quoted } from '../text/shell.js';
import { Cells, isTellable } from './cells.js';
import { Corpus } from './corpus.js';
import { type DrawingSettings, Drawings, type Drawn } from './drawings.js';
import { Outcomes } from './outcomes.js';
import { type LockstepMode, Panel } from './panel.js';
import { Siblings } from './siblings.js';
import { type Court, courtText, type Trials, trialsOf } from './trials.js';

export interface FuzzSettings extends Court, DrawingSettings {
  readonly seed: string;
  /** Which programs of the run the reference model judges: see `Panel`. Without it every one. */
  readonly lockstep?: LockstepMode;
  /** Keep count of what operations met (`cells`), for which every program is run once more. */
  readonly stats?: boolean;
  /** Keep the shortest way to each cell (`corpus`); this too runs every program once more. */
  readonly corpus?: boolean;
}

/** A program that fails, as it was drawn. */
export interface Catch extends Drawn {
  readonly failure: Failure;
}

/** The same, shrunk. */
export interface Find extends Catch {
  readonly reduction: Reduction;
  /** The optimized model's answers to the shrunk program, by record; unknown where it gave up. */
  readonly answers: Int32Array;
  /** Operations before shrinking. */
  readonly operationsDrawn: number;
  /** With defects: the program fails without them too, so it is not what was looked for. */
  readonly withoutDefects: boolean;
}

/** Every so many programs end with a look at the whole state, which costs as much as some hundred operations. */
const THOROUGH_EVERY = 100;

/**
 * Draws programs and judges them. Program k of a run comes from a stream of its own, so that it can be drawn
 * again without those before it.
 */
export class Fuzzer {
  readonly outcomes = new Outcomes();
  /** With `stats`: what operations met. */
  readonly cells: Cells | undefined;
  /** With `corpus`: how programs reached what they met in a model without defects. */
  readonly corpus: Corpus | undefined;
  programs = 0;
  operations = 0;
  private readonly drawings: Drawings;
  private readonly trials: Trials;
  private readonly siblings: Siblings;
  private readonly panel: Panel;
  private readonly clean: Trials;
  /** What finds the cells for `corpus`. */
  private readonly surveyor: Cells | undefined;

  /**
   * `first` is the number of the program that the first `next` draws. With the `siblings` of an earlier run of the same
   * settings these need not be drawn and shrunk again.
   */
  constructor(
    private readonly settings: FuzzSettings,
    private readonly first = 0,
    siblings?: Siblings,
  ) {
    this.drawings = new Drawings(settings);
    this.trials = trialsOf(settings);
    this.siblings = siblings ?? new Siblings(settings);
    this.panel = new Panel(settings, this.trials, settings.lockstep);
    this.clean = trialsOf({ defects: new Set(), alone: settings.alone, quirks: 'intended' });
    this.cells = settings.stats
      ? new Cells(new OptimizedModel(settings.defects), settings.arches)
      : undefined;
    if (settings.corpus) {
      this.corpus = new Corpus();
      this.surveyor = new Cells(new OptimizedModel(), settings.arches);
    }
  }

  /** Draws and runs the next program; what it fails with, if it does. */
  next(): Catch | undefined {
    const number = this.first + this.programs;
    const { arch, seed, program } = this.draw(number);
    const failure = this.panel.judge(program, number, number % THOROUGH_EVERY === 0);
    this.programs++;
    const end = failure && failure.operation + 1;
    this.operations += this.outcomes.add(program.code, this.panel.answers, end);
    this.cells?.add(program, end);
    this.survey(program, number);
    return failure && { arch, seed, program, failure };
  }

  private survey(program: Candidate, number: number): void {
    let isTold = true;
    this.surveyor?.add(program, Infinity, (cell, i) => {
      isTold &&= isTellable(cell);
      if (isTold) this.corpus!.see(cell, i + 1, number);
    });
  }

  /** The run's program of this number, counted from 0. */
  draw(number: number): Drawn {
    return this.drawings.draw(this.settings.seed, number);
  }

  /** The command that draws a catch again and shrinks it to the same form. */
  repeatOf(caught: Catch): string {
    const { arches } = this.settings;
    const court = courtText(this.settings);
    return [
      'npx pvmmu fuzz',
      ...(arches.length === 1 ? [`--arch ${caught.arch}`] : []),
      ...(court === '' ? [] : [court]),
      `--seed ${quoted(caught.seed)} --ops ${this.operationsBefore(caught) + 1}`,
    ].join(' ');
  }

  /** Operations that a run with the seed of a catch goes through first: the same turn's programs for other architectures. */
  operationsBefore({ arch, seed }: Catch): number {
    let operations = 0;
    for (let i = 0; i < this.settings.arches.indexOf(arch); i++)
      operations += operationStarts(this.drawings.draw(seed, i).program.code).length;
    return operations;
  }

  /** What any program fails with, if it does. */
  judge(program: Candidate): Failure | undefined {
    return this.trials.run(program);
  }

  /** Shrinks what `next` has caught. */
  shrink(caught: Catch, budget = Infinity): Find {
    const reducer = this.reducer(caught);
    reducer.advance(budget);
    return this.find(caught, reducer.result());
  }

  /** The shrinking of what `next` has caught, to be done bit by bit; its result makes a `find`. */
  reducer({ program, failure }: Catch): Reducer {
    const siblings = this.siblings.of(judgeOf(failure));
    return this.trials.reducer(program, failure, this.settings.arches, { siblings });
  }

  find(caught: Catch, reduction: Reduction): Find {
    const { program, failure } = reduction;
    const answers = this.answersTo(program, failure);
    const withoutDefects = this.settings.defects.size > 0 && this.clean.run(program) !== undefined;
    const operationsDrawn = operationStarts(caught.program.code).length;
    return { ...caught, reduction, answers, operationsDrawn, withoutDefects };
  }

  /** The optimized model's answers to a program that fails, by record. */
  answersTo(program: Candidate, failure: Failure): Int32Array {
    return this.trials.answersTo(program, failure);
  }
}
