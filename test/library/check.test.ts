import { describe, expect, test } from 'vitest';
import { EPERM } from '../../models/x86/result.js';
import {
  check,
  defineGuest,
  defineInvariant,
  externalModel,
  type Model,
  optimizedModel,
  parsePrograms,
  programs,
  referenceModel,
} from '../../src/library/index.js';
import { OP_UNPIN } from '../../src/program/record.js';

const MISTAKE = optimizedModel({ defects: ['double-pin-keeps-ref'] });
/** A filter that answers `ok` to everything. */
const YES = externalModel('sed', ['s/-> ?/-> ok/']);

describe('check', () => {
  test('finds nothing in the models as they are', () => {
    const { programs, found } = check({ runs: 4, seed: 'library' });
    expect({ programs, found }).toEqual({ programs: 4, found: undefined });
  });

  test('finds a mistake of the model under test, shrunk, the same for the same seed', () => {
    const [first, second] = [1, 2].map(() => check({ model: MISTAKE, seed: 'library', runs: 100 }).found!);
    expect(first!.text).toBe(second!.text);
    expect(first!.text).toMatch(/^machine .*\npin L\d \S+ -> \?\n$/m);
    expect(first).toMatchObject({ minimal: true, failure: { kind: 'state' } });
  });

  test('lets the invariants alone judge where there is no reference model', () => {
    const { found } = check({ model: MISTAKE, reference: undefined, seed: 'library', runs: 100 });
    expect(found!.failure.violation!.invariant).toBe('reference-counts');
  });

  test('asks a new invariant after every operation', () => {
    const noL1 = defineInvariant({
      name: 'at-most-one-pin',
      meaning: 'Only one table is pinned.',
      why: 'To see it broken.',
      check(state) {
        let pins = 0;
        for (let mfn = 0; mfn < state.frameLimit; mfn++) if (state.info(mfn) & 32) pins++;
        const message = `${pins} tables are pinned.`;
        return pins > 1 ? { invariant: 'at-most-one-pin', message, frame: 0 } : undefined;
      },
    });
    const { found } = check({ invariants: [noL1], seed: 'library', arch: 'x86_64', runs: 50 });
    expect(found!.failure.message).toBe('2 tables are pinned.');
    expect(found!.text).toMatch(/\npin L\d B\d -> \?\n$/);
  });

  test('takes any model in this process', () => {
    const model = referenceModel();
    const run = model.run.bind(model);
    const denying: Model = Object.assign(model, {
      run(code: Int32Array, at: number, results: Int32Array) {
        run(code, at, results);
        if ((code[at]! & 0xff) === OP_UNPIN) results[at / 8] = EPERM;
      },
    });
    const { found } = check({ model: denying, seed: 'library', runs: 20, arch: 'x86_64' });
    expect(found!.failure.message).toMatch(/the model under test EPERM\.$/);
  });

  test('runs a guest, which sees the state and the answers, and shrinks what it has done', () => {
    const answers: (string | undefined)[] = [];
    const guest = defineGuest({
      name: 'pinner',
      machine: 'x86_64 frames=2 domain=hardware',
      start: () => (view) => {
        answers.push(view.answer);
        expect(view.state.machine.frames).toBe(2);
        return ['update_va W0 0', 'pin L1 F0', 'pin L1 F0', undefined][view.step];
      },
    });
    const { found, operations } = check({ guest, model: MISTAKE, runs: 1 });
    expect(answers).toEqual([undefined, 'ok', 'ok', 'EINVAL']);
    expect(operations).toBe(3);
    expect(found!.failure.operation).toBeGreaterThanOrEqual(0);
  });

  test('refuses a guest whose machine or operation is malformed, in one line', () => {
    const wrong = { name: 'wrong', machine: 'vax', start: () => () => undefined };
    expect(() => defineGuest(wrong)).toThrow(/^guest wrong:\d+:\d+: /);
    const guest = defineGuest({ name: 'mumbler', machine: 'x86_64 frames=1', start: () => () => 'mumble' });
    expect(() => check({ guest, runs: 1 })).toThrow(/^guest mumbler:\d+:\d+: .*mumble/);
  });

  test('holds a filter that speaks program text against the reference model', () => {
    const given = parsePrograms(
      'pvmmu 1\n\nprogram a\nmachine x86_64 frames=1\nupdate_va W0 0 -> ?\npin L2 B1 -> ?\n',
    );
    const { found } = check({ model: YES, programs: given });
    expect(found!.failure.message).toMatch(/^The reference model answers E\w+, the external one ok\.$/);
    expect(found!.text).toContain('\nmmu_update 0x0[0] 0 -> ?\n');
  });

  test('says what is wrong with a filter', () => {
    const given = [...take(programs(), 1)];
    const checked =
      (command: string, ...args: string[]) =>
      () =>
        check({ model: externalModel(command, args), programs: given });
    expect(checked('no-such-command')).toThrow('no-such-command: cannot be run (ENOENT)');
    expect(checked('sh', '-c', 'cat >/dev/null; echo wrong >&2; exit 3')).toThrow('sh: exits with 3: wrong');
    expect(checked('sh', '-c', 'cat >/dev/null; echo pvmmu 1')).toThrow('sh: 0 programs, expected the 1');
    expect(checked('sh', '-c', 'cat')).not.toThrow();
  });
});

function* take<T>(values: Iterable<T>, count: number): Generator<T> {
  for (const value of values) {
    if (count-- <= 0) return;
    yield value;
  }
}
