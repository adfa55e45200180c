/**
 * Whether a long run stays as fast and as small as it began: fuzzes in one process in lockstep and looks at itself every
 * minute. `npm run bench:soak -- --minutes 30`. Operations are counted per second of processor time, so that what else
 * the machine does matters little; memory is looked at after a collection.
 */
import '../src/engine.js';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Fuzzer } from '../src/fuzz/fuzzer.js';
import { median, print } from './figures.js';
import { optionsOrExit, wholeNumber } from './options.js';

interface Minute {
  /** Operations a second of processor time. */
  readonly rate: number;
  /** Megabytes: what V8 has in use, what lies outside (typed arrays), and what the process takes of the machine. */
  readonly heap: number;
  readonly outside: number;
  readonly resident: number;
}

const MINUTE_MS = 60_000;
const MINUTES_MAX = 100_000;
const MB = 1e6;

function options() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: randomBytes(4).toString('hex') },
      json: { type: 'boolean' }, // read by figures.ts
    },
  });
  return { minutes: wholeNumber('--minutes', values.minutes, MINUTES_MAX, 3), seed: values.seed };
}

const { minutes, seed } = optionsOrExit('soak', options);

const fuzzer = new Fuzzer({
  arches: ['x86_64', 'x86_32'],
  seed,
  quirks: 'intended',
  defects: new Set(),
  alone: false,
});
const say = (line: string) => console.error(line);
say(`Seed ${seed}, ${minutes} minutes`);
const samples: Minute[] = [];
while (samples.length < minutes) {
  const minute = runMinute();
  samples.push(minute);
  const { rate, heap, outside, resident } = minute;
  say(
    `minute ${samples.length}: ${Math.round(rate).toLocaleString('en')} operations/CPU second, heap ${heap.toFixed(1)} MB, outside ${outside.toFixed(1)} MB, resident ${resident.toFixed(1)} MB`,
  );
}

const third = Math.floor(samples.length / 3);
const [first, last] = [samples.slice(0, third), samples.slice(-third)];
const rates = (part: readonly Minute[]) => median(part.map(({ rate }) => rate));
print('operations', fuzzer.operations, 'operations');
print('rate, first third', rates(first), 'operations/CPU second');
print('rate, last third', rates(last), 'operations/CPU second');
print('rate, last third of first', rates(last) / rates(first), '');
for (const what of ['heap', 'outside', 'resident'] as const) {
  // The first minute compiles and draws the machines.
  const settled = samples.slice(1).map((minute) => minute[what]);
  print(`${what} at the end`, settled.at(-1)!, 'MB');
  print(`${what}, slope`, 60 * slope(settled), 'MB/hour');
}

function runMinute(): Minute {
  const end = performance.now() + MINUTE_MS;
  const before = process.cpuUsage();
  const operations = fuzzer.operations;
  while (performance.now() < end) {
    const caught = fuzzer.next();
    if (caught) throw new Error(`${caught.failure.message} Repeat: ${fuzzer.repeatOf(caught)}`);
  }
  const { user, system } = process.cpuUsage(before);
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    rate: (fuzzer.operations - operations) / ((user + system) / 1e6),
    heap: heapUsed / MB,
    outside: external / MB,
    resident: rss / MB,
  };
}

/** By least squares, per sample. */
function slope(values: readonly number[]): number {
  const x = (values.length - 1) / 2;
  const y = values.reduce((sum, value) => sum + value, 0) / values.length;
  const over = values.reduce((sum, value, i) => sum + (i - x) * (value - y), 0);
  return over / values.reduce((sum, _, i) => sum + (i - x) ** 2, 0);
}
