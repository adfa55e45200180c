import { describe, expect, test } from 'vitest';
import { EBUSY, EINVAL, OK } from '../../models/x86/result.js';
import { Judge } from '../../src/xen/campaign.js';
import { LabAuthor } from '../../src/xen/draw.js';
import type { LabAnswer } from '../../src/xen/mailbox.js';
import { answerTo, domainProgram, program, XEN } from './answers.js';

const judge = new Judge(new Set());

function judged(one: ReturnType<typeof program>, changed: Partial<LabAnswer>) {
  return judge.judge(one, { kind: 'answered', answer: { ...answerTo(one), ...changed } });
}

describe('a judge of real Xen', () => {
  test('is not surprised by a Xen that does as the rules say, whatever the program', () => {
    const author = new LabAuthor(XEN, 'judge');
    for (let i = 0; i < 300; i++) {
      const drawn = author.program(i);
      expect(
        judge.judge(drawn, { kind: 'answered', answer: answerTo(drawn) }),
        `program ${i}`,
      ).toBeUndefined();
    }
  });

  test('names the first operation that is answered otherwise', () => {
    const one = program('update_va W1 F1|P', 'pin L1 F1', 'pin L1 F1');
    const results = Int32Array.of(OK, OK, EBUSY);
    const surprise = judged(one, { results });
    expect(surprise?.failure).toMatchObject({ kind: 'result', operation: 2 });
    expect(surprise?.failure.message).toBe('pin L1 F1: real Xen answers EBUSY, the reference model EINVAL');
    expect(surprise?.sort).toBe('reference pin EBUSY EINVAL');
  });

  test('sees a frame that ends otherwise', () => {
    const one = program('update_va W1 F1|P', 'pin L1 F1');
    const finals = answerTo(one).finals.map((final) => ({ ...final, pinned: false }));
    expect(judged(one, { finals })?.failure).toMatchObject({ kind: 'state', operation: 2 });
  });

  test('sees a count in Xen’s frame table that is another, though nothing else shows it', () => {
    const one = program('update_va W1 F1|P', 'pin L1 F1');
    const counts = answerTo(one).counts!.with(1, 'L1, general count 4, type count 1, pinned, validated');
    expect(judged(one, { counts })?.failure).toMatchObject({
      kind: 'state',
      operation: 2,
      message:
        'real Xen ends with "F1: L1, general count 4, type count 1, pinned, validated", ' +
        'the reference model with "F1: L1, general count 3, type count 1, pinned, validated"',
    });
  });

  test('does not compare the end of a program that was not run to its end', () => {
    const one = program('update_va W1 F1|P', 'pin L1 F1', 'pin L1 F2');
    const results = Int32Array.of(OK, OK, OK);
    expect(judged(one, { results, finals: [], stopped: 'not back', operations: 2 })).toBeUndefined();
    expect(judged(one, { results, finals: [], stopped: 'not back', operations: 3 })?.failure.operation).toBe(
      2,
    );
  });

  test('says which frames keep a reference that the models do not expect', () => {
    const surprise = judged(program('clear_page F1'), { lost: 0b1010 });
    expect(surprise?.failure.violation?.invariant).toBe('lost-references');
    expect(surprise?.failure.message).toBe(
      'frames that keep a reference after everything is taken down: on real Xen F1, F3, in the reference model none',
    );
  });

  test('sees what a dead domain leaves behind', () => {
    const pinned = domainProgram('mmu_update B1[1] 0', 'pin L2 F1 preempt=0', 'destroy');
    expect(judged(pinned, {})).toBeUndefined();
    expect(judged(pinned, { lost: 0b10 })?.failure.violation?.invariant).toBe('lost-references');
    const typed = new Judge(new Set(['destroy-circular-partial-type']));
    const surprise = typed.judge(pinned, { kind: 'answered', answer: answerTo(pinned) });
    expect(surprise?.failure.message).toContain('given back with a type reference');
  });

  test('expects the references that Xen 4.17 loses', () => {
    // Rules 14.1: an L2 that fails below an L3 below an L4.
    const one = program(
      'mmu_update F1[5] F2|P',
      'mmu_update F2[0] F3|P',
      'mmu_update F3[3] F4|P',
      'update_va W1 0',
      'update_va W2 0',
      'update_va W3 0',
      'pin L4 F1',
    );
    expect(answerTo(one).results.at(-1)).toBe(EINVAL);
    expect(judged(one, {})).toBeUndefined();
    expect(judged(one, { lost: 0 })?.failure.violation?.invariant).toBe('lost-references');
  });

  test('takes a crash for a failure of the operation that ran, with what Xen said last', () => {
    const lines = ['(XEN) Assertion \'!"reached"\' failed at mm.c:1', '(XEN) Panic on CPU 0:'];
    const surprise = judge.judge(program('clear_page F1', 'pin L1 F2'), {
      kind: 'crashed',
      lines,
      operation: 1,
    });
    expect(surprise?.failure).toMatchObject({ kind: 'assertion', operation: 1 });
    expect(surprise?.failure.message).toContain('Assertion');
    expect(surprise?.lines).toBe(lines);
  });

  test('is not surprised by a model that gives up behind the operation where real Xen was stopped', () => {
    const mistaken = new Judge(new Set(['vcpuop-continuation'] as const));
    const one = program(
      'mmu_update F1[0] F2|P',
      'update_va W1 0',
      'update_va W2 0',
      'reset_vcpu 1',
      'initialise 1 F1 preempt=0',
    );
    const judgedAt = (operations: number) =>
      mistaken.judge(one, {
        kind: 'answered',
        answer: { ...answerTo(one), stopped: 'not back', operations, finals: [] },
      });
    expect(judgedAt(4)).toBeUndefined();
    expect(judgedAt(5)?.failure.message).toContain('the optimized model gives up where real Xen goes on');
  });

  test('finds the optimized model wrong where it makes a mistake', () => {
    const mistaken = new Judge(new Set(['fast-rw-l2'] as const));
    const one = program('mmu_update F0[0] F0|P', 'update_va W0 0', 'pin L2 F0', 'mmu_update F0[0] F0|P|RW');
    const surprise = mistaken.judge(one, { kind: 'answered', answer: answerTo(one) });
    expect(surprise?.failure.message).toBe(
      'mmu_update F0[0] F0|P|RW: real Xen answers EINVAL, the optimized model ok',
    );
  });
});
