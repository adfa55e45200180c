import { afterEach, expect, test } from 'vitest';
import { Pool } from '../../src/workers/pool.js';

/** Answers a number with twice it; dies of `die`, and hangs on `hang`. */
const PROGRAM = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', (task) => {
      if (task === 'die') throw new Error('of this task');
      if (task === 'exit') process.exit(7);
      if (task === 'hang') for (;;);
      parentPort.postMessage(2 * task);
    });
  `)}`,
);

let pool: Pool | undefined;
afterEach(() => pool?.close());

test('does every task once, whatever the number of workers', async () => {
  pool = new Pool({ program: PROGRAM, workers: 3, data: undefined });
  const tasks = Array.from({ length: 50 }, (_, i) => i);
  expect(await Promise.all(tasks.map((task) => pool!.run<number>(task)))).toEqual(
    tasks.map((task) => 2 * task),
  );
});

test('replaces workers that die or hang, says why, and loses no other task', async () => {
  pool = new Pool({ program: PROGRAM, workers: 2, data: undefined, limitMs: 1500 });
  const tasks = [1, 'die', 2, 'hang', 3, 'exit', 4, 'die', 5];
  const answers = await Promise.allSettled(tasks.map((task) => pool!.run<number>(task)));
  expect(
    answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : answer.reason.message)),
  ).toEqual([
    2,
    'Error: of this task',
    4,
    'no answer within 1.5 s',
    6,
    'the worker exited with 7',
    8,
    'Error: of this task',
    10,
  ]);
});
