/**
 * Breadth first through every state that programs of a scope can reach. States are expanded in chunks, by as many
 * workers as there are; their answers are taken in the order of the chunks, so that numbers of states, counterexample
 * and outcome cells do not depend on how many there are.
 */
import type { Failure } from '../lockstep/lockstep.js';
import type { Chunk, Expansion } from './expander.js';
import type { States } from './states.js';

/** States of a chunk: enough to make messages cheap, few enough to keep all workers busy. */
const CHUNK = 32;
/** Chunks under way for each worker. */
const AHEAD = 3;

/**
 * Transitions that one worker makes before the others are asked: V8 compiles what each of them runs anew, so that one
 * alone has done as many sooner.
 */
const ALONE = 1 << 16;

/** How far an exploration is; all of it that lasts beyond the process. */
export interface Stage {
  /** States below `known` have been found; those from `next` on are expanded in this depth. */
  readonly known: number;
  readonly next: number;
  /** Steps that lead to these. */
  readonly depth: number;
  readonly transitions: number;
  /** Outcome cells met so far. */
  readonly cells: readonly number[];
}

export const FIRST_STAGE: Stage = { known: 1, next: 0, depth: 0, transitions: 0, cells: [] };

export interface Verdict {
  /**
   * `complete`: no state is left. `depth`: none up to the depth asked for. `interrupted`: stopped by the signal.
   * `unsound`: what is left out of states makes a difference.
   */
  readonly end: 'violation' | 'complete' | 'depth' | 'interrupted' | 'unsound';
  readonly stage: Stage;
  readonly violation?: { readonly path: Uint32Array; readonly failure: Failure };
}

export interface Explorer {
  readonly states: States;
  readonly workers: number;
  readonly expand: (chunk: Chunk) => Promise<Expansion>;
  readonly maxDepth: number;
  readonly signal: AbortSignal;
  /** Called now and then with the depth under way, the states left in it and in all, and the transitions so far. */
  readonly show: (depth: number, left: number, queue: number, transitions: number) => void;
  /** Called when all states of a depth are expanded. */
  readonly keep: (stage: Stage) => void;
}

export async function exploreAll(explorer: Explorer, first: Stage): Promise<Verdict> {
  for (let stage = first; ;) {
    if (stage.next === stage.known) return { end: 'complete', stage };
    if (stage.depth === explorer.maxDepth) return { end: 'depth', stage };
    const done = await exploreDepth(explorer, stage);
    if (done.end)
      return { end: done.end, stage: done.stage, ...(done.violation ? { violation: done.violation } : {}) };
    stage = done.stage;
    explorer.keep(stage);
  }
}

interface Layer {
  readonly end?: Verdict['end'];
  readonly violation?: NonNullable<Verdict['violation']>;
  readonly stage: Stage;
}

async function exploreDepth(explorer: Explorer, stage: Stage): Promise<Layer> {
  const { states, expand, workers, signal } = explorer;
  const underWay: { from: number; chunk: Chunk; answer: Promise<Expansion> }[] = [];
  const cells = new Set(stage.cells);
  let { transitions } = stage;
  let next = stage.next;
  try {
    while (next < stage.known || underWay.length > 0) {
      const most = transitions < ALONE ? 1 : workers * AHEAD;
      while (next < stage.known && underWay.length < most) {
        const chunk = chunkOf(states, next, Math.min(CHUNK, stage.known - next), stage.depth);
        underWay.push({ from: next, chunk, answer: expand(chunk) });
        next += chunk.states;
      }
      const { from, chunk, answer } = underWay.shift()!;
      const { successors, steps, transitions: made, failure, unsound, cells: met } = await answer;
      if (unsound) return { end: 'unsound', stage };
      transitions += made;
      for (const cell of met) cells.add(cell);
      for (let i = 0; i < steps.length; i++) {
        const state = from + successors[3 * i + 2]!;
        if (states.isCrowded) {
          await Promise.allSettled(underWay.map(({ answer }) => answer));
          states.makeRoom();
        }
        states.add(successors[3 * i]!, successors[3 * i + 1]!, state, steps[i]!);
      }
      if (failure) {
        await Promise.allSettled(underWay.map(({ answer }) => answer));
        states.settle(stage.known);
        const { depth } = stage;
        const before = chunk.paths.subarray(failure.state * depth, (failure.state + 1) * depth);
        const path = Uint32Array.from([...before, failure.step]);
        const violation = { path, failure: failure.failure };
        return {
          end: 'violation',
          violation,
          stage: { ...stage, known: states.count, transitions, cells: [...cells] },
        };
      }
      if (signal.aborted) return { end: 'interrupted', stage: { ...stage, transitions } };
      const done = from + chunk.states;
      explorer.show(stage.depth, stage.known - done, states.count - done, transitions);
    }
  } finally {
    await Promise.allSettled(underWay.map(({ answer }) => answer));
  }
  states.settle(stage.known);
  const sorted = [...cells].sort((a, b) => a - b);
  return {
    stage: { known: states.count, next: stage.known, depth: stage.depth + 1, transitions, cells: sorted },
  };
}

function chunkOf(states: States, from: number, count: number, depth: number): Chunk {
  const paths = new Uint32Array(count * depth);
  for (let i = 0; i < count; i++) states.pathTo(from + i, paths.subarray(i * depth, (i + 1) * depth));
  return { paths, depth, states: count };
}
