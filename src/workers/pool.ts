/** Worker threads that do tasks by message. One that dies or hangs is replaced; its task is answered with the reason. */
import { Worker } from 'node:worker_threads';

/** A task was not done: its worker died, or gave no answer in time and was ended. */
export class WorkerLost extends Error {
  override readonly name = 'WorkerLost';
}

interface Job {
  readonly task: unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: WorkerLost) => void;
}

export interface PoolOptions {
  /** The workers' program; without it `worker.js` beside the bundle of the command (rolldown.config.js). */
  readonly program?: URL;
  readonly workers: number;
  /** Handed to each worker when it starts (`worker.ts`). */
  readonly data: unknown;
  /** Most milliseconds for a task; without it no limit. */
  readonly limitMs?: number;
}

export class Pool {
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();
  private readonly busy = new Map<
    Worker,
    { readonly job: Job; readonly timer: NodeJS.Timeout | undefined }
  >();
  private readonly waiting: Job[] = [];
  private closed = false;

  constructor(private readonly options: PoolOptions) {
    for (let i = 0; i < options.workers; i++) this.idle.push(this.start());
  }

  /** @throws WorkerLost if the task's worker dies or hangs. */
  run<T>(task: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ task, resolve: resolve as Job['resolve'], reject });
      this.assign();
    });
  }

  /** Ends all workers; tasks under way are given up, without an answer. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { timer } of this.busy.values()) clearTimeout(timer);
    await Promise.all([...this.all].map((worker) => worker.terminate()));
  }

  private start(): Worker {
    const { program = new URL('./worker.js', import.meta.url), data } = this.options;
    const worker = new Worker(program, { workerData: data });
    worker.on('message', (answer: unknown) => this.answered(worker, answer));
    worker.on('error', (error) => this.lose(worker, String(error)));
    worker.on('exit', (status) => this.lose(worker, `the worker exited with ${status}`));
    this.all.add(worker);
    return worker;
  }

  private assign(): void {
    while (!this.closed && this.waiting.length > 0 && this.idle.length > 0) {
      const worker = this.idle.pop()!;
      const job = this.waiting.shift()!;
      const { limitMs } = this.options;
      const late = () => this.lose(worker, `no answer within ${limitMs! / 1000} s`);
      this.busy.set(worker, { job, timer: limitMs === undefined ? undefined : setTimeout(late, limitMs) });
      worker.postMessage(job.task);
    }
  }

  private answered(worker: Worker, answer: unknown): void {
    const work = this.busy.get(worker);
    if (work === undefined) return; // it has been given up
    clearTimeout(work.timer);
    this.busy.delete(worker);
    this.idle.push(worker);
    work.job.resolve(answer);
    this.assign();
  }

  /** Puts another worker in the place of this one. */
  private lose(worker: Worker, reason: string): void {
    if (this.closed || !this.all.delete(worker)) return;
    const work = this.busy.get(worker);
    this.busy.delete(worker);
    clearTimeout(work?.timer);
    void worker.terminate();
    const at = this.idle.indexOf(worker);
    if (at >= 0) this.idle.splice(at, 1);
    this.idle.push(this.start());
    work?.job.reject(new WorkerLost(reason));
    this.assign();
  }
}
