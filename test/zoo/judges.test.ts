import { describe, expect, test } from 'vitest';
import { DEFECTS, type DefectId, defectsNamed } from '../../models/defects/index.js';
import { judgeOf } from '../../src/lockstep/judge.js';
import { JUDGES, objectors } from '../../src/zoo/judges.js';
import { seenBy } from '../../src/zoo/measure.js';
import { knownProgram } from '../../src/zoo/programs.js';

function known(id: DefectId) {
  return knownProgram(defectsNamed(id)[0]!)!;
}

function judges(id: DefectId): string[] {
  return seenBy(defectsNamed(id)[0]!, [known(id)]);
}

describe('who objects to a program', () => {
  test.each<[DefectId, string[]]>([
    ['fast-rw-l2', ['hardware-walk', 'table-tree', 'agreement']],
    ['flush-condition-new-type', ['tlb', 'agreement']],
    ['linear-chain', ['linear-counts', 'agreement']],
    ['non-preemptible-new-cr3', ['bounded-work', 'agreement']],
    ['double-pin-keeps-ref', ['reference-counts', 'agreement']],
    ['error-codes-flattened', ['agreement']],
    ['error-codes-asserted', ['assertion']],
  ])('of %s: every judge that sees it, in their order', (id, expected) => {
    expect(judges(id)).toEqual(expected);
  });

  test('also a judge that sees it only after another has', () => {
    const destroyed = judges('destroy-circular-no-put');
    expect(destroyed).toContain('reference-counts');
    expect(destroyed).toContain('dead-domain');
  });

  test('is nobody where the model makes no mistake', () => {
    for (const defect of DEFECTS) {
      const program = knownProgram(defect);
      if (program) expect([...objectors(new Set(), program)], defect.id).toEqual([]);
    }
  });

  test('is somebody for every program of the catalogue', () => {
    for (const defect of DEFECTS) {
      const program = knownProgram(defect);
      if (program) expect(seenBy(defect, [program]), defect.id).not.toEqual([]);
    }
  });
});

test('a failure’s judge is the invariant, the comparison, or the model that gave up', () => {
  const failure = { operation: 0, message: '' };
  const violation = { invariant: 'tlb', message: '', frame: 0 };
  const judged = [
    judgeOf({ ...failure, kind: 'invariant', violation }),
    judgeOf({ ...failure, kind: 'state' }),
    judgeOf({ ...failure, kind: 'result' }),
    judgeOf({ ...failure, kind: 'assertion' }),
  ];
  expect(judged).toEqual(['tlb', 'agreement', 'agreement', 'assertion']);
  expect(JUDGES).toEqual(expect.arrayContaining(judged));
});
