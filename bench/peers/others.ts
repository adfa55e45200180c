/** The peers that are programs of their own: built and run where their tools are there. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SEED } from './subset.js';

export interface Count {
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
}

export interface Drawn {
  readonly operations: number;
  readonly seconds: number;
  /** Of the answers. */
  readonly digest?: number;
}

export interface Peer {
  /** What is not there, and how to have it. */
  readonly missing?: string;
  readonly random?: (frames: number, slots: number, operations: number) => Drawn;
  readonly explore?: (frames: number, slots: number, depth: number) => Count;
  readonly hypothesis?: (frames: number, slots: number, programs: number) => Drawn;
}

/** Debian's; the first of a PATH may be one without its packages. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
/** SPIN stores two states of its process before the first of the subset, and comes to it by two steps. */
const SPIN_START = 2;
const OUTPUT_MAX = 2 ** 24;

/** The folder of the sources, from `dist` and from here alike. */
function source(name: string): string {
  const here = fileURLToPath(new URL(`../bench/peers/${name}`, import.meta.url));
  return existsSync(here) ? here : fileURLToPath(new URL(name, import.meta.url));
}

function has(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0;
}

function output(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: OUTPUT_MAX,
    ...(cwd ? { cwd } : {}),
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
  return stdout;
}

export function cPeer(folder: string): Peer {
  if (!has('gcc', '--version')) return { missing: 'C needs gcc (apt-get install gcc)' };
  const program = join(folder, 'subset');
  output('gcc', ['-O2', '-Wall', '-Werror', '-o', program, source('subset.c')]);
  const run = (...args: (string | number)[]) => JSON.parse(output(program, args.map(String)));
  return {
    random: (frames, slots, operations) => run('random', frames, slots, operations, SEED) as Drawn,
    explore: (frames, slots, depth) => run('explore', frames, slots, depth) as Count,
  };
}

export function pythonPeer(): Peer {
  if (!has(PYTHON, '--version')) return { missing: 'Python needs python3 (apt-get install python3)' };
  const run = (...args: (string | number)[]) =>
    JSON.parse(output(PYTHON, [source('subset.py'), ...args.map(String)])) as Drawn;
  const random: Peer['random'] = (frames, slots, operations) =>
    run('random', frames, slots, operations, SEED);
  if (!has(PYTHON, '-c', 'import hypothesis'))
    return { random, missing: 'Hypothesis needs python3-hypothesis (apt-get install python3-hypothesis)' };
  return { random, hypothesis: (frames, slots, programs) => run('hypothesis', frames, slots, programs) };
}

export function spinPeer(folder: string): Peer {
  if (!has('spin', '-V') || !has('gcc', '--version'))
    return { missing: 'SPIN needs spin and gcc (apt-get install spin gcc)' };
  const place = join(folder, 'spin');
  mkdirSync(place);
  copyFileSync(source('subset.pml'), join(place, 'subset.pml'));
  return {
    explore: (frames, slots, depth) => {
      // Depth first is SPIN's faster way, but up to a depth only breadth first finds the same states.
      const breadth = depth > 0;
      const pan = `./pan-${frames}-${slots}-${breadth}`;
      if (!existsSync(join(place, pan))) {
        const scratch = breadth ? ['-DSCRATCH='] : [];
        output('spin', [`-DFRAMES=${frames}`, `-DSLOTS=${slots}`, ...scratch, '-a', 'subset.pml'], place);
        const options = ['-O2', '-DSAFETY', '-DNOREDUCE', ...(breadth ? ['-DBFS'] : [])];
        output('gcc', [...options, '-o', pan, 'pan.c'], place);
      }
      const begin = performance.now();
      const said = output(pan, [`-m${breadth ? depth + SPIN_START : 10_000_000}`], place);
      const wall = (performance.now() - begin) / 1000;
      if (!/errors: 0$/m.test(said)) throw new Error(`SPIN finds an error: ${said}`);
      const number = (what: RegExp) => Number(what.exec(said)?.[1]);
      // SPIN's own clock has hundredths of seconds, and leaves out what it takes to begin.
      const seconds = number(/elapsed time ([\d.]+)/) || wall;
      return {
        states: number(/(\d+) states, stored/) - SPIN_START,
        transitions: number(/(\d+) transitions/),
        seconds,
      };
    },
  };
}
