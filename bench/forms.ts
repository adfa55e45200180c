/**
 * What the finds of each defect are shrunk to: the different programs over many seeds, how often each came, and
 * how long the shrinking took. `npm run bench:forms -- [--seeds N] [--only ID] [--texts]`.
 */
import { parseArgs } from 'node:util';
import { DEFECTS, defectsNamed } from '../models/defects/index.js';
import type { Find } from '../src/fuzz/fuzzer.js';
import { judgeOf } from '../src/lockstep/judge.js';
import { candidateText } from '../src/shrink/text.js';
import { median } from '../src/zoo/figures.js';
import { hunt, siblingsFor } from '../src/zoo/hunt.js';
import { optionsOrExit, wholeNumber } from './options.js';

const SEEDS_MAX = 999;
/** Of each form with `--texts`. */
const SEEDS_SHOWN = 8;

function options() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '20' },
      only: { type: 'string', multiple: true },
      texts: { type: 'boolean', default: false },
    },
  });
  return {
    seeds: wholeNumber('--seeds', values.seeds, SEEDS_MAX),
    defects: values.only?.flatMap(defectsNamed) ?? DEFECTS,
    texts: values.texts,
  };
}

const { seeds, defects, texts } = optionsOrExit('forms', options);
const limit = { operations: 3_000_000 };
let canonical = 0;
let found = 0;
const times: number[] = [];
for (const defect of defects) {
  const forms = new Map<string, { find: Find; seeds: number[] }>();
  const shrinkTimes: number[] = [];
  const siblings = siblingsFor(defect, { alone: false });
  let runs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { find, shrinkMs } = hunt(defect, { seed: `${seed}`, alone: false, limit, siblings });
    if (!find) continue;
    found++;
    shrinkTimes.push(shrinkMs);
    runs += find.reduction.runs;
    const form = forms.get(find.reduction.id);
    if (form) form.seeds.push(seed);
    else forms.set(find.reduction.id, { find, seeds: [seed] });
  }
  if (forms.size <= 2) canonical++;
  times.push(median(shrinkTimes) ?? 0);
  const byCount = [...forms.values()].sort((a, b) => b.seeds.length - a.seeds.length);
  const counts = byCount.map((form) => form.seeds.length);
  console.log(
    `${defect.id}: ${forms.size} forms (${counts.join(' ')}), shrink ${(median(shrinkTimes) ?? 0).toFixed(0)} ms, ${(runs / seeds).toFixed(0)} runs`,
  );
  if (texts)
    for (const { find, seeds: those } of byCount) {
      const { program, failure } = find.reduction;
      console.log(
        `  ${those.length} x ${judgeOf(failure)} ${failure.kind}, seeds ${those.slice(0, SEEDS_SHOWN).join(' ')}`,
      );
      for (const line of candidateText(program, 'find', find.answers).trim().split('\n').slice(2))
        console.log(`    ${line}`);
    }
}
console.log(
  `forms: ${defects.length} defects, ${canonical} with at most two, ${found} finds, median shrink ${median(times)?.toFixed(0)} ms`,
);
