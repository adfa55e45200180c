/** The shortest programs known: the zoo's, or the catalogue's where no hunt came down to a shorter one. */
import { readFileSync } from 'node:fs';
import { type Defect, type DefectId, DEFECTS } from '../../models/defects/index.js';
import type { Candidate } from '../../src/program/candidate.js';
import { parseProgram } from '../../src/text/parse.js';
import { HEADER } from '../../src/text/print.js';
import type { ZooFigures } from '../../src/zoo/figures.js';
import { lengthOf } from '../../src/zoo/programs.js';

export interface Known {
  readonly defect: Defect;
  readonly text: string;
  readonly program: Candidate;
  readonly length: number;
}

/** Of every defect that has one. */
export function knownPrograms(): readonly Known[] {
  const zoo = JSON.parse(readFileSync('docs/zoo.json', 'utf8')) as ZooFigures;
  const shorter = new Map<DefectId, string | undefined>(zoo.defects.map((one) => [one.id, one.shorter]));
  return DEFECTS.flatMap((defect) => {
    const text = shorter.get(defect.id) ?? defect.shortest;
    if (text === undefined) return [];
    const program = parseProgram(`${HEADER}program ${defect.id}\n${text}\n`, defect.id);
    return [{ defect, text, program, length: lengthOf(program) }];
  });
}
