/** The programs of the zoo: each defect's shortest known, as reports get it. */
import type { Defect, DefectId } from '../../models/defects/index.js';
import figures from '../../docs/zoo.json' with { type: 'json' };
import type { Court } from '../../src/fuzz/trials.js';
import type { Candidate } from '../../src/program/candidate.js';
import { parseProgram } from '../../src/text/parse.js';
import { HEADER } from '../../src/text/print.js';

/** The shortest program that shows the defect: the catalogue's, or the shorter one that the last hunt found. */
export function zooProgram({ id, shortest }: Defect): Candidate {
  const found = figures.defects.find((one) => one.id === id);
  const text = (found && 'shorter' in found ? found.shorter : undefined) ?? shortest;
  if (text === undefined) throw new Error(`no program is known for ${id}`);
  return parseProgram(`${HEADER}program ${id}\n${text}\n`, id);
}

export function courtWith(...defects: DefectId[]): Court {
  return { defects: new Set(defects), alone: false, quirks: 'intended' };
}
