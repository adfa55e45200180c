import { describe, expect, test } from 'vitest';
import { ReferenceModel } from '../../models/reference/model.js';
import { codeOf, PREEMPTED } from '../../models/x86/result.js';
import { operationStarts, RECORD } from '../../src/program/record.js';
import { LabAuthor } from '../../src/xen/draw.js';
import { Oracle } from '../../src/xen/oracle.js';
import { isContended } from '../../src/xen/support.js';
import { XEN } from './answers.js';

/** Numbers of the programs that lose races. */
const RACY = Array.from({ length: 20 }, (_, i) => 500 * i + 499);

function contended({ code }: { readonly code: Int32Array }): number[] {
  return operationStarts(code).filter((at) => isContended(code, at));
}

describe('a program drawn for the lab', () => {
  test('loses every race that it has, if it is one of those, and Xen survives it', () => {
    const author = new LabAuthor(XEN, 'races');
    const oracle = new Oracle(new ReferenceModel());
    for (const number of RACY) {
      const program = author.program(number);
      const { results } = oracle.expect(program);
      expect(contended(program).length, `program ${number}`).toBeGreaterThan(0);
      for (const at of contended(program)) expect(codeOf(results[at / RECORD]!)).toBe(PREEMPTED);
    }
  });

  test('has no races where none can be lost', () => {
    const author = new LabAuthor({ ...XEN, races: false }, 'races');
    for (const number of RACY) expect(contended(author.program(number))).toEqual([]);
  });

  test('does not depend on those before it', () => {
    const [whole, alone] = [new LabAuthor(XEN, 'same'), new LabAuthor(XEN, 'same')];
    for (let i = 490; i < 499; i++) whole.program(i);
    expect(whole.program(499)).toEqual(alone.program(499));
  });
});
