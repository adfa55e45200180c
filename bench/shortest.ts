/**
 * Proves how short a program can be that shows a mistake: explores, shortest programs first, the smallest scope that holds
 * the shortest program known, and writes docs/shortest.md. Both models in lockstep judge. `npm run shortest [-- SECONDS]`,
 * at most so long for a mistake: 60 without a number.
 */
import '../src/engine.js';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Defect, DEFECTS } from '../models/defects/index.js';
import { type Chunk, Expander, type Expansion } from '../src/exhaustive/expander.js';
import { exploreAll, FIRST_STAGE } from '../src/exhaustive/exhaustive.js';
import { alphabetOf, type Scope, scopeMachine } from '../src/exhaustive/scope.js';
import { States } from '../src/exhaustive/states.js';
import { decode } from '../src/program/codec.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../src/program/machine.js';
import type { Operation } from '../src/program/operation.js';
import { operationStarts } from '../src/program/record.js';
import type { Candidate } from '../src/program/candidate.js';
import { isInterrupted } from '../src/shrink/events.js';
import { parseProgram } from '../src/text/parse.js';
import { HEADER } from '../src/text/print.js';
import { Pool } from '../src/workers/pool.js';
import type { ZooFigures } from '../src/zoo/figures.js';
import { lengthOf } from '../src/zoo/programs.js';
import { numberOrExit } from './options.js';

const MEMORY = 2 ** 30;
const WORKERS = 2;
const SECONDS = numberOrExit('shortest', 'SECONDS', 86_400, 60);
/** Classes without a TLB, whose translations are no part of a state that is explored. */
const CLASSES = ['S', 'P1', 'P2', 'K'];

const zoo = JSON.parse(readFileSync('docs/zoo.json', 'utf8')) as ZooFigures;
const folder = mkdtempSync(join(tmpdir(), 'pvmmu-shortest-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** The smallest scope in which the program can be said; undefined where there is none. */
function scopeOf({ machine, code }: Candidate): Scope | undefined {
  let frames = 1;
  let slots = 1;
  const fits = operationStarts(code).every((at) => {
    const operation = decode(code, at);
    const named = namedIn(operation);
    if (named === undefined || operation.cpu || isInterrupted(operation)) return false;
    for (const mfn of named.frames)
      if (mfn >= FIRST_FRAME_MFN) frames = Math.max(frames, mfn - FIRST_FRAME_MFN + 1);
    if (named.window) frames = Math.max(frames, named.slot + 1);
    else slots = Math.max(slots, named.slot + 1);
    return (
      named.frames.every((mfn) => mfn >= FIRST_FRAME_MFN || mfn === 0 || TABLES.has(mfn)) &&
      slots <= SLOTS_MAX
    );
  });
  const { arch } = machine;
  return fits ? { arch, quirks: 'intended', frames, slots, bootTables: true } : undefined;
}

const TABLES = new Set<number>([BOOT_MFN.B1, BOOT_MFN.B2, BOOT_MFN.B3, BOOT_MFN.B4]);
const SLOTS_MAX = 4;

function namedIn(operation: Operation): { frames: number[]; slot: number; window: boolean } | undefined {
  switch (operation.kind) {
    case 'mmu_update':
      return {
        frames: [operation.mfn, operation.entry.mfn],
        slot: operation.slot,
        window: operation.mfn === BOOT_MFN.B1,
      };
    case 'pin':
    case 'unpin':
    case 'new_baseptr':
    case 'new_user_baseptr':
    case 'clear_page':
      return { frames: [operation.mfn], slot: 0, window: false };
    default:
      return undefined;
  }
}

interface Proof {
  readonly defect: Defect;
  readonly scope: Scope;
  readonly known: number;
  /** Of the shortest program there is in the scope. */
  readonly found: number | undefined;
  /** No program of up to so many operations fails. */
  readonly none: number;
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
}

async function prove(defect: Defect, scope: Scope, known: number): Promise<Proof> {
  const court = { defects: new Set([defect.id]), alone: false, quirks: scope.quirks };
  const search = {
    machine: scopeMachine(scope),
    operations: alphabetOf(scope),
    boot: true,
    court,
    symmetry: false,
    leftOut: 0,
  };
  const states = new States(MEMORY, join(folder, 'states'));
  states.add(...new Expander(search, () => false).startDigest(), 0, 0);
  const pool = new Pool({ workers: WORKERS, data: { work: 'expand', search, table: states.table } });
  const begin = performance.now();
  const { stage, violation } = await exploreAll(
    {
      states,
      workers: WORKERS,
      expand: (chunk: Chunk) => pool.run<Expansion>(chunk),
      maxDepth: known,
      signal: AbortSignal.timeout(SECONDS * 1000),
      show: () => undefined,
      keep: () => undefined,
    },
    FIRST_STAGE,
  );
  const seconds = (performance.now() - begin) / 1000;
  await pool.close();
  states.close();
  const found = violation?.path.length;
  const none = found === undefined ? stage.depth : found - 1;
  return { defect, scope, known, found, none, states: states.count, transitions: stage.transitions, seconds };
}

const proofs: Proof[] = [];
let single = 0;
const outside: string[] = [];
for (const defect of DEFECTS) {
  const figures = zoo.defects.find(({ id }) => id === defect.id);
  const text = figures?.shorter ?? defect.shortest;
  if (text === undefined) continue;
  const program = parseProgram(`${HEADER}program ${defect.id}\n${text}\n`, defect.id);
  const known = lengthOf(program);
  const scope = scopeOf(program);
  if (known === 1) single++;
  else if (!scope || !CLASSES.includes(defect.class)) outside.push(defect.id);
  else {
    const proof = await prove(defect, scope, known);
    proofs.push(proof);
    console.log(row(proof));
  }
}
writeFileSync('docs/shortest.md', markdown());

function row({ defect, scope, known, found, none, states, transitions, seconds }: Proof): string {
  const size = `${scope.arch}, ${scope.frames} x ${scope.slots}`;
  const proved =
    none >= known - 1 ? `${known}` : found === undefined ? `${none + 1} or more` : `**${found}**`;
  const work = [states, transitions].map((count) => count.toLocaleString('en'));
  return `| ${[defect.id, size, known, proved, ...work, `${seconds.toFixed(0)} s`].join(' | ')} |`;
}

function markdown(): string {
  return `# How short a program can be

Written by \`npm run shortest\`. The zoo's shortest programs (\`zoo.md\`) come from shrinking: nothing can be left out of them, which does not say that no other program is
shorter. Here every program is run, shortest first, of the smallest scope that holds the zoo's program: frames by slots, and the boot tables (\`explore --exhaustive
--boot-tables\`), on an ordinary guest with \`quirks=intended\`, both models in lockstep. *Proved* is the length of the shortest program there is in that scope: no shorter one fails,
and the zoo's program does. In bold: shorter than the zoo's.

| defect | scope | zoo | proved | states | transitions | time |
| --- | --- | --- | --- | --- | --- | --- |
${proofs.map(row).join('\n')}

${single} more are shown by one operation, which nothing undercuts. "Or more": the time was up before all programs of that length were run.

The programs of the others have operations or environments that no scope has: lists, events, lost races, several vCPUs, descriptor tables, a TLB, boot tables without a name, or
slots further up:

${outside.map((id) => `- ${id}`).join('\n')}
`;
}
