import { SingleBar } from 'cli-progress';
import { setImmediate } from 'node:timers/promises';
import type { Reducer } from '../shrink/reduce.js';

/** Between looks at the clock, the terminal and the keyboard. */
const SLICE_MS = 100;
/** Runs of a shrinking between looks at the clock. */
const RUNS_AT_ONCE = 20;

/** A line on standard error that shows how a run goes; nothing where that is no terminal. */
export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly total: number;

  /** `format` is what cli-progress shows after the bar; without a finite total there is no bar. */
  constructor(total: number, format: string) {
    const finite = Number.isFinite(total);
    this.total = finite ? total : 0;
    if (!process.stderr.isTTY) return;
    const options = { format: finite ? `{bar} ${format}` : format, barsize: 20, hideCursor: true };
    this.bar = new SingleBar({ ...options, stream: process.stderr });
  }

  update(done: number, shown: Record<string, string | number>): void {
    if (this.bar?.isActive) this.bar.update(Math.floor(done), shown);
    else this.bar?.start(this.total, Math.floor(done), shown);
  }

  stop(): void {
    this.bar?.stop();
  }
}

/** Calls `work` until it says that it is done; now and then the keyboard is heard and `show` called. */
export async function inSlices(signal: AbortSignal, work: () => boolean, show: () => void): Promise<void> {
  let done = false;
  while (!done && !signal.aborted) {
    const end = performance.now() + SLICE_MS;
    while (!done && performance.now() < end) done = work();
    show();
    await setImmediate();
  }
}

/** Lets the reducer work to its end, its budget of runs or an interruption, with a line that shows how far it is. */
export async function shrinkInSlices(
  signal: AbortSignal,
  reducer: Reducer,
  budget = Infinity,
): Promise<void> {
  const progress = new Progress(budget, 'shrinking: {shown} runs  {operations} operations left');
  const step = () => reducer.advance(Math.min(RUNS_AT_ONCE, budget - reducer.runs)) || reducer.runs >= budget;
  await inSlices(signal, step, () => {
    const { runs, operations } = reducer;
    progress.update(runs, { shown: runs.toLocaleString('en'), operations });
  });
  progress.stop();
}
