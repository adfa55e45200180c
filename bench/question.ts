/**
 * Boots every strategy on every layout and writes docs/seed-question.md and, for the test, docs/seed-question.json.
 * `node dist/question.js STRATEGY` measures one strategy again and keeps the others' figures.
 */
import '../src/engine.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Cell, cells, measureCell, questionMarkdown, RUNS } from '../src/boot/question.js';
import { Session } from '../src/boot/session.js';

const session = new Session();
const begin = performance.now();
const [, , only] = process.argv;
const before =
  only === undefined ? [] : (JSON.parse(readFileSync('docs/seed-question.json', 'utf8')) as Cell[]);
const measured = cells().map((cell) => {
  const { strategy, family, arch } = cell;
  const kept = before.find(
    (one) => one.strategy === strategy.id && one.kernel === family.id && one.arch === arch,
  );
  if (kept && strategy.id !== only) return kept;
  const found = measureCell(session, cell, RUNS);
  console.log(`${found.strategy} ${found.kernel} ${found.arch}: ${found.failing} of ${found.runs} fail`);
  return found;
});
writeFileSync('docs/seed-question.json', `${JSON.stringify(measured, undefined, 1)}\n`);
writeFileSync('docs/seed-question.md', questionMarkdown(measured));
console.log(`question: ${measured.length} cells, ${((performance.now() - begin) / 1000).toFixed(0)} s`);
