import type { Model } from '../../models/model.js';
import { OK } from '../../models/x86/result.js';
import type { Machine } from '../program/machine.js';
import { CPU_SHIFT, OP_DESTROY, RECORD, W_OPCODE } from '../program/record.js';
import { RecordWriter } from '../program/writer.js';
import { type Draw, oneIn, pick } from './draw.js';
import { type Event, environmentOf, type Mood } from './environment.js';
import { drawOperation } from './operations.js';
import { type Plan, PLANS } from './plans.js';
import { Scene } from './scene.js';

/** What a program is like, where that is not left to chance. */
export interface Taste {
  readonly mood?: Mood;
  /** Each as often as it is to be drawn. */
  readonly plans?: readonly Plan[];
  /** How many vCPUs run operations, from vCPU 0 on; without it all. */
  readonly callers?: number;
  /** Most operations that destroy the domain at the end. */
  readonly endingMax?: number;
  /** Writes operations in some way of its own. */
  readonly write?: RecordWriter;
}

const ENDING_MAX = 6;

/** Whether the operation at `at` can stand in the program. */
export type Fits = (code: Int32Array, at: number) => boolean;

/** Thrown to leave the plan that is under way when the program ends. */
const THE_END = new Error('the program has ended');

/** Where programs are put together; their answers do not matter here. */
const writer = new RecordWriter();
let answers = new Int32Array(0);

const MOODS: readonly Mood[] = ['calm', 'events', 'races'];

/** With the losses of Xen 4.17 nothing is disturbed: what is known of them is known of that (rules 14). */
function drawMood(draw: Draw, { quirks }: Machine): Mood {
  return quirks === 'shipped' ? 'calm' : pick(draw, MOODS);
}

/**
 * Draws a program operation by operation: the steps of a plan, single ones in between, and what goes on after an
 * interruption. The model runs along, so that each is chosen with the state in view.
 */
export class Author {
  readonly scene: Scene;
  readonly write: RecordWriter;
  /** How seldom single operations come between the steps of a plan. */
  private readonly patience: number;
  /** How many of the last operations destroy the domain. */
  private readonly ending: number;
  private readonly callers: number;
  private readonly mood: Mood;
  private readonly plans: readonly Plan[];
  /** Operations to come, with the one that is being drawn. */
  private left = 0;
  /** Where that one begins. */
  private at = 0;

  constructor(
    readonly draw: Draw,
    private readonly model: Model,
    private readonly fits: Fits | undefined,
    taste: Taste,
  ) {
    this.write = taste.write ?? writer;
    this.scene = new Scene(draw, model.machine, model, this.write);
    this.callers = taste.callers ?? model.machine.vcpus;
    this.mood = taste.mood ?? drawMood(draw, model.machine);
    this.plans = taste.plans ?? PLANS;
    this.patience = 1 + draw.below(8);
    this.ending = oneIn(draw, 2) ? 1 + draw.below(taste.endingMax ?? ENDING_MAX) : 0;
  }

  /** The records of a program of at most so many operations; it ends where its domain does. */
  program(length: number): Int32Array {
    this.left = length;
    this.write.length = 0;
    try {
      this.untilPlansTurn();
      for (;;) this.carryOutPlan();
    } catch (error) {
      if (error !== THE_END) throw error;
    }
    return this.write.code.slice(0, this.write.length);
  }

  /** A plan has written its next operation; other operations come before it goes on. */
  step(_written: void, event: Event = 'any'): void {
    this.run(event);
    this.untilPlansTurn();
  }

  /** A plan that finds nothing to do leaves its turn to a single operation. */
  private carryOutPlan(): void {
    const { draw, scene, left } = this;
    pick(draw, this.plans)(this);
    if (this.left === left) this.step(drawOperation(scene));
  }

  /** Draws what comes before a plan's next step. */
  private untilPlansTurn(): void {
    const { draw, scene, write } = this;
    const { state } = scene;
    const { callers } = this;
    for (; this.left > 0; this.run()) {
      if (callers > 1 && (oneIn(draw, 3) || state.loadedBase(scene.cpu) === 0)) this.switchVcpu();
      if (this.left <= this.ending || state.dying() !== 0) write.destroy();
      else if (state.interrupted(scene.cpu) !== 0 && oneIn(draw, 2)) write.resume();
      else if (oneIn(draw, this.patience)) drawOperation(scene);
      else return;
    }
    throw THE_END;
  }

  /** Runs the operation that has been written, if it fits, on the vCPU whose turn it is, perhaps disturbed. */
  private run(event: Event = 'any'): void {
    const { at, write, scene, model } = this;
    this.left--;
    const opcode = write.code[at + W_OPCODE]! & 0xff;
    write.environment(at, (scene.cpu << CPU_SHIFT) | environmentOf(this.draw, this.mood, opcode, event));
    if (this.fits && !this.fits(write.code, at)) {
      write.length = at;
      return;
    }
    if (answers.length * RECORD < write.length) answers = new Int32Array(write.code.length / RECORD);
    model.run(write.code, at, answers);
    this.at = write.length;
    if (opcode === OP_DESTROY && answers[at / RECORD] === OK) this.left = 0;
  }

  /** To one that is up. */
  private switchVcpu(): void {
    const { scene } = this;
    const next = this.draw.below(this.callers);
    for (let i = 0; i < this.callers; i++) {
      scene.cpu = (next + i) % this.callers;
      if (scene.state.loadedBase(scene.cpu) !== 0) return;
    }
  }
}
