import type { Model } from '../../models/model.js';
import { OK } from '../../models/x86/result.js';
import type { Machine } from '../program/machine.js';
import { encode } from '../program/codec.js';
import { RECORD } from '../program/record.js';
import type { Operation } from '../program/operation.js';
import { type Draw, oneIn, pick, weighted } from './draw.js';
import { disturbance, type Mood } from './environment.js';
import { drawOperation } from './operations.js';
import { type Plan, PLANS, type WeightedPlan } from './plans.js';
import { Scene } from './scene.js';

/** What a program is like, where that is not left to chance. */
export interface Taste {
  readonly mood?: Mood;
  readonly plans?: readonly WeightedPlan[];
}

/** Where programs are put together; their answers do not matter here. */
let code = new Int32Array(4096 * RECORD);
let results = new Int32Array(4096);

function grow(words: number): void {
  const before = code;
  code = new Int32Array(2 * words);
  code.set(before);
  results = new Int32Array(code.length / RECORD);
}

/**
 * The records of a program of at most `length` operations; it ends where its domain does. `model` runs along, so that each operation is chosen with
 * the state in view; it is left in the program's final state. Operations that do not `fit` are left out.
 */
export function drawProgram(
  draw: Draw,
  machine: Machine,
  length: number,
  model: Model,
  fits: (code: Int32Array, at: number) => boolean = () => true,
  taste: Taste = {},
): Int32Array {
  if (model.machine === machine) model.reset();
  else model.start(machine);
  const author = new Author(draw, new Scene(draw, machine, model), taste);
  const operation: number[] = [];
  let words = 0;
  for (let i = 0; i < length; i++) {
    operation.length = 0;
    const next = author.next(length - i);
    encode(next, operation);
    if (words + operation.length > code.length) grow(words + operation.length);
    code.set(operation, words);
    if (!fits(code, words)) continue;
    model.run(code, words, results);
    words += operation.length;
    if (next.kind === 'destroy' && results[(words - operation.length) / RECORD] === OK) break;
  }
  return code.slice(0, words);
}

/** With the losses of Xen 4.17 nothing is disturbed: what is known of them is known of that (rules 14). */
function drawMood(draw: Draw, { quirks }: Machine): Mood {
  return quirks === 'shipped' ? 'calm' : pick<Mood>(draw, ['calm', 'events', 'races']);
}

/** Chooses operation after operation: the steps of a plan, single ones in between, and what goes on after an interruption. */
class Author {
  /** How seldom single operations come between the steps of a plan. */
  private readonly patience: number;
  /** How many of the last operations destroy the domain. */
  private readonly ending: number;
  private plan: Plan | undefined;
  private readonly mood: Mood;
  private readonly plans: readonly WeightedPlan[];
  private readonly weights: readonly number[];
  private readonly total: number;

  constructor(
    private readonly draw: Draw,
    private readonly scene: Scene,
    { mood = drawMood(draw, scene.machine), plans = PLANS }: Taste,
  ) {
    this.mood = mood;
    this.plans = plans;
    this.weights = plans.map(([weight]) => weight);
    this.total = this.weights.reduce((sum, weight) => sum + weight, 0);
    this.patience = 1 + draw.below(8);
    this.ending = oneIn(draw, 6) ? 1 + draw.below(6) : 0;
  }

  /** With `left` operations to come, this one included. */
  next(left: number): Operation {
    const { draw, scene } = this;
    const { vcpus } = scene.machine;
    if (vcpus > 1 && (oneIn(draw, 3) || scene.state.loadedBase(scene.cpu) === 0)) this.switchVcpu();
    const operation = this.choose(left);
    const { cpu } = scene;
    return { ...operation, ...(cpu > 0 ? { cpu } : {}), ...disturbance(draw, this.mood, operation) };
  }

  /** To one that is up. */
  private switchVcpu(): void {
    const { scene } = this;
    const next = this.draw.below(scene.machine.vcpus);
    for (let i = 0; i < scene.machine.vcpus; i++) {
      scene.cpu = (next + i) % scene.machine.vcpus;
      if (scene.state.loadedBase(scene.cpu) !== 0) return;
    }
  }

  private choose(left: number): Operation {
    const { draw, scene } = this;
    if (left <= this.ending || scene.state.dying() !== 0) return { kind: 'destroy' };
    if (scene.state.interrupted(scene.cpu) !== 0 && oneIn(draw, 2)) return { kind: 'resume' };
    if (oneIn(draw, this.patience)) return drawOperation(scene);
    const step = this.plan?.next();
    if (step && !step.done) return step.value;
    this.plan = this.plans[weighted(draw, this.weights, this.total)]![1](scene);
    const first = this.plan.next();
    return first.done ? drawOperation(scene) : first.value;
  }
}
