import { describe, expect, test } from 'vitest';
import { DEFECTS, type DefectId } from '../../models/defects/index.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { type Trials, trialsOf } from '../../src/fuzz/trials.js';
import { parseProgram } from '../../src/text/parse.js';

const withShortest = DEFECTS.flatMap((defect) =>
  defect.shortest === undefined ? [] : [[defect.id, defect.shortest] as const],
);

function trials(...defects: DefectId[]): Trials {
  return trialsOf({ defects: new Set(defects), alone: false, quirks: 'intended' });
}

function parse(id: string, text: string) {
  return parseProgram(`pvmmu 1\nprogram ${id}\n${text}\n`, id);
}

describe('the shortest program known to show a defect', () => {
  test.each(withShortest)('shows %s', (id, text) => {
    expect(trials(id).run(parse(id, text))).toBeDefined();
  });

  test.each(withShortest)(
    'answers as it says where the models are without %s, and breaks nothing',
    (id, text) => {
      const program = parse(id, text);
      const clean = trials();
      expect(clean.run(program)).toBeUndefined();
      program.expected.forEach((expected, i) => {
        if (expected !== UNKNOWN) expect(clean.answers[i], `record ${i}`).toBe(expected);
      });
    },
  );
});
