/**
 * Which mistakes of the zoo the programs of `pvmmu xen fuzz` show, and which program is the first: the reference model
 * stands for real Xen, so `pvmmu xen fuzz --seed SEED --programs N` has to find all of them equal there.
 * `npm run bench:lab-zoo -- [--seed SEED] [--programs N] [--only ID]`.
 */
import '../src/engine.js';
import { parseArgs } from 'node:util';
import { DEFECTS, defectsNamed } from '../models/defects/index.js';
import { OptimizedModel } from '../models/optimized/model.js';
import { ReferenceModel } from '../models/reference/model.js';
import { operationStarts } from '../src/program/record.js';
import { surpriseTo } from '../src/xen/campaign.js';
import { LabAuthor } from '../src/xen/draw.js';
import { Oracle } from '../src/xen/oracle.js';
import { optionsOrExit, wholeNumber } from './options.js';

const PROGRAMS_MAX = 1e6;
const XEN = {
  arch: 'x86_64',
  version: '4.17',
  debug: false,
  paeXenSlot: 512,
  showsCounts: true,
  races: true,
} as const;

function options() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: 'zoo' },
      programs: { type: 'string', default: '26000' },
      only: { type: 'string', multiple: true },
    },
  });
  const defects = values.only?.flatMap(defectsNamed) ?? DEFECTS;
  return {
    seed: values.seed,
    programs: wholeNumber('--programs', values.programs, PROGRAMS_MAX),
    defects: defects.filter(({ arches }) => arches.includes(XEN.arch)),
  };
}

const { seed, programs, defects } = optionsOrExit('lab-zoo', options);
const author = new LabAuthor(XEN, seed);
const truth = new Oracle(new ReferenceModel());
const all = defects.map(({ id }) => ({
  id,
  oracle: new Oracle(new OptimizedModel(new Set([id]))),
  first: undefined as number | undefined,
}));
for (let number = 0; number < programs; number++) {
  const program = author.program(number);
  const operations = operationStarts(program.code).length;
  const answer = { ...truth.expect(program), stopped: undefined, operations };
  for (const mistaken of all)
    if (mistaken.first === undefined && surpriseTo(mistaken.oracle, program, answer))
      mistaken.first = number + 1;
}
all.sort((a, b) => (a.first ?? Infinity) - (b.first ?? Infinity));
for (const { id, first } of all) console.log(`${id}: ${first ?? `not in ${programs}`}`);
const seen = all.filter(({ first }) => first !== undefined).length;
console.log(`lab-zoo: ${seen} of ${all.length} mistakes in ${programs} programs, seed ${seed}`);
