/**
 * Proves how short a program can be that shows a mistake: runs every shorter program than the shortest known of what
 * surrounds that one (`shortest/alphabet.ts`), and writes docs/shortest.md with its figures in shortest.json beside it.
 * `npm run shortest [-- [SECONDS] [DEFECT…]]`: at most so long for a mistake, 120 without a number; these mistakes only.
 */
import '../src/engine.js';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type DefectId, DEFECTS, defectsNamed } from '../models/defects/index.js';
import { textOf } from '../src/zoo/programs.js';
import { optionsOrExit, wholeNumber } from './options.js';
import { alphabetOf, namesOf } from './shortest/alphabet.js';
import { type Known, knownPrograms } from './shortest/known.js';
import { Search } from './shortest/search.js';
import { markdown, type Proof, row } from './shortest/markdown.js';

const SECONDS_DEFAULT = 120;
const SECONDS_MAX = 86_400;
const FIGURES = 'docs/shortest.json';

const [seconds, only] = optionsOrExit('shortest', () => {
  const [first, ...rest] = process.argv.slice(2);
  const isNumber = first !== undefined && /^\d/.test(first);
  const ids = isNumber || first === undefined ? rest : [first, ...rest];
  const only = new Set(ids.flatMap(defectsNamed).map(({ id }) => id));
  return [isNumber ? wholeNumber('SECONDS', first, SECONDS_MAX) : SECONDS_DEFAULT, only];
});

/** Runs all programs that are shorter than this one. */
function prove({ defect, text, program, length }: Known): Proof {
  const names = namesOf(program, length);
  const operations = alphabetOf(names);
  const search = new Search(names.machine, operations, defect.id, defect.class === 'S+T');
  const { found, ...outcome } = search.run(length - 1, seconds);
  return {
    id: defect.id,
    known: length,
    text,
    arch: names.machine.arch,
    frames: names.machine.frames,
    slots: names.slots.length,
    operations: operations.length,
    ...outcome,
    ...(found ? { shorter: textOf(found) } : {}),
  };
}

const kept = new Map<DefectId, Proof>();
if (existsSync(FIGURES))
  for (const proof of JSON.parse(readFileSync(FIGURES, 'utf8')) as Proof[]) kept.set(proof.id, proof);
for (const known of knownPrograms()) {
  const { defect, text } = known;
  if (kept.get(defect.id)?.text !== text) kept.delete(defect.id); // it is about another program
  if (only.size > 0 && !only.has(defect.id)) continue;
  const proof = prove(known);
  kept.set(defect.id, proof);
  console.log(row(proof));
  if (proof.shorter !== undefined) console.log(proof.shorter);
  keep();
}

function keep(): void {
  const proofs = DEFECTS.flatMap(({ id }) => kept.get(id) ?? []);
  writeFileSync(FIGURES, `${JSON.stringify(proofs, undefined, 2)}\n`);
  writeFileSync('docs/shortest.md', markdown(proofs));
}
