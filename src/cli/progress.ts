import { SingleBar } from 'cli-progress';
import { setImmediate } from 'node:timers/promises';

/** Between looks at the clock, the terminal and the keyboard. */
const SLICE_MS = 100;

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
