/** `pvmmu fuzz --jobs`: the programs of a run in shards, on worker threads. */
import { randomBytes } from 'node:crypto';
import { runShards } from '../campaign/run-shards.js';
import type { ShardResult } from '../campaign/shard.js';
import { parseFind } from '../database/find-text.js';
import { FINDS_FOLDER, saveFind } from '../database/finds.js';
import { type FuzzSettings, streamName } from '../fuzz/fuzzer.js';
import { courtText } from '../fuzz/trials.js';
import { Pool } from '../workers/pool.js';
import { archesFor, courtOf } from './court-options.js';
import type { FuzzOptions } from './fuzz.js';
import { Progress } from './progress.js';

const SECONDS_DEFAULT = 30;
/** A shard takes about a second, and some more where finds are shrunk. */
const SHARD_LIMIT_MS = 120_000;
const EXIT_FOUND = 1;
const EXIT_INTERRUPTED = 130;

/** Exit status 0 if nothing was found, 1 if something was or a program was lost, 130 after Ctrl-C. */
export async function fuzzWithJobs(options: FuzzOptions, workers: number): Promise<void> {
  const { seed = randomBytes(4).toString('hex'), ops = Infinity, lockstep = 'every' } = options;
  const seconds = options.time ?? (options.ops === undefined ? SECONDS_DEFAULT : Infinity);
  const settings: FuzzSettings = {
    ...courtOf(options),
    arches: archesFor(options, options.arch),
    seed,
    lockstep,
  };
  const say = (line: string) => {
    if (!options.json) console.log(line);
  };
  say(`Fuzzing ${settings.arches.join(' and ')} with worker threads. Seed ${seed}`);
  const begin = performance.now();
  const spent = () => (performance.now() - begin) / 1000;
  let interrupted = false;
  process.once('SIGINT', () => (interrupted = true));
  const progress = new Progress(seconds, '{rate} operations/s  {programs} programs  {finds} finds');
  const pool = new Pool({ workers, data: { work: 'shard', settings }, limitMs: SHARD_LIMIT_MS });
  const { union, lost } = await runShards({
    run: (shard) => pool.run<ShardResult>(shard),
    workers,
    isEnough: (done) => {
      const rate = Math.round(done.operations / spent()).toLocaleString('en');
      progress.update(spent(), { rate, programs: done.programs, finds: done.finds.length });
      return interrupted || done.operations >= ops || spent() >= seconds;
    },
  });
  progress.stop();
  await pool.close();
  const finds = union.finds.map(({ id, text }) => {
    const find = parseFind(text, id, `find ${id}`);
    return { id, text, known: !saveFind(FINDS_FOLDER, find) };
  });
  const reported = lost.map(({ number, reason }) => {
    const turn = Math.floor(number / settings.arches.length);
    const arch = settings.arches[number % settings.arches.length]!;
    const court = courtText(settings);
    return {
      reason,
      repeat: `npx pvmmu fuzz --arch ${arch} ${court} --seed ${streamName(seed, turn)} --ops 1`,
    };
  });
  if (options.json) {
    for (const find of finds) console.log(JSON.stringify({ type: 'stored_find', ...find }));
    const { programs, operations, failed } = union;
    const answers = union.outcomes.byOperation();
    const sums = { operations, programs, failed, finds: finds.length, lost: reported, answers };
    console.log(JSON.stringify({ type: 'jobs_summary', ...sums, interrupted }));
  } else {
    for (const { reason, repeat } of reported)
      say(`Lost: ${reason}. Repeat: ${repeat.replaceAll('  ', ' ')}`);
    say(union.report());
  }
  if (interrupted) process.exitCode = EXIT_INTERRUPTED;
  else process.exitCode = finds.length + reported.length === 0 ? 0 : EXIT_FOUND;
}
