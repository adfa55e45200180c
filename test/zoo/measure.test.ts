import { describe, expect, test } from 'vitest';
import { CONTROLS, defectsNamed } from '../../models/defects/index.js';
import { breaksInvariant, catches, holds, isFound, reachesShortest } from '../../src/zoo/figures.js';
import { measure, measureControl } from '../../src/zoo/measure.js';
import { knownProgram, lengthOf, textOf } from '../../src/zoo/programs.js';
import { idOf } from '../../src/shrink/identity.js';
import { parseProgram } from '../../src/text/parse.js';

const LIMIT = { operations: 20_000 };

function one(id: string) {
  return defectsNamed(id)[0]!;
}

describe.each([
  ['pin-error-put', 'reference-counts'],
  ['linear-result-inverted', 'linear-counts'],
])('measuring %s with two seeds', (id, invariant) => {
  const { figures, findMs, shrinkMs } = measure(one(id), { seeds: 2, limit: LIMIT });

  test('finds it with every seed, with the reference model and alone', () => {
    expect(figures.hunts.map(({ seed }) => seed)).toEqual(['zoo 1', 'zoo 2']);
    expect(catches(figures.hunts)).toHaveLength(2);
    expect(catches(figures.alone)).toHaveLength(2);
    expect([findMs.length, shrinkMs.length]).toEqual([2, 2]);
  });

  test('shrinks every find to a program of which nothing can be left out', () => {
    expect([...catches(figures.hunts), ...catches(figures.alone)].filter(({ minimal }) => !minimal)).toEqual(
      [],
    );
  });

  test('counts among those who see it whoever caught it, and an invariant', () => {
    for (const { judge } of [...catches(figures.hunts), ...catches(figures.alone)])
      expect(figures.seenBy).toContain(judge);
    expect(figures.seenBy).toContain(invariant);
  });

  test('takes the shortest find for the best', () => {
    const lengths = catches(figures.hunts).map(({ length }) => length);
    expect(figures.best?.length).toBe(Math.min(...lengths));
  });

  test('says the same when it is done again', () => {
    expect(measure(one(id), { seeds: 2, limit: LIMIT }).figures).toEqual(figures);
  });
});

test('the best program is kept where the catalogue has none before it, with the answers of a Xen without the defect', () => {
  const { shortest, ...uncatalogued } = one('pin-error-put');
  expect(shortest).toBeDefined();
  const { known, best, shorter } = measure(uncatalogued, { seeds: 1, limit: LIMIT }).figures;
  expect(known).toBeUndefined();
  const program = parseProgram(`pvmmu 1\nprogram shorter\n${shorter}\n`);
  expect(idOf(program)).toBe(best?.id);
  expect(lengthOf(program)).toBe(best?.length);
  expect(textOf(program)).toBe(shorter);
});

test('a defect that no hunt finds has no best program, but the judges of the catalogue’s', () => {
  const { figures } = measure(one('linear-count-lost-on-interrupt'), { seeds: 1, limit: { operations: 1 } });
  expect(isFound(figures)).toBe(false);
  expect(figures.best).toBeUndefined();
  expect(reachesShortest(figures)).toBe(false);
  expect(figures.seenBy).toEqual(['linear-counts', 'agreement']);
});

test('where only a comparison can see a defect the invariants alone are given a tenth of the operations', () => {
  const defect = one('error-codes-flattened');
  expect(breaksInvariant(defect)).toBe(false);
  const [hunt] = measure(defect, { seeds: 1, limit: LIMIT }).figures.alone;
  expect(hunt!.caught).toBeUndefined();
  expect(hunt!.operations).toBeGreaterThanOrEqual(2000);
  expect(hunt!.operations).toBeLessThan(2400);
});

test.each(CONTROLS.map((control) => [control.id, control] as const))('the control %s holds', (_, control) => {
  const figures = measureControl(control, { seeds: 1, limit: { operations: 5000 } });
  expect(holds(figures)).toBe(true);
});

test('the defect of a control that survives is found on other machines', () => {
  const survivor = CONTROLS.find(({ defect }) => defect === 'fast-rw-l4')!;
  const figures = measureControl({ ...survivor, machine: '' }, { seeds: 1, limit: { operations: 200_000 } });
  expect(isFound(figures)).toBe(true);
  expect(holds(figures)).toBe(false);
});

test('the length of a program is its operations, and of a list or multicall those in it', () => {
  const length = (...lines: string[]) =>
    lengthOf(parseProgram(`pvmmu 1\nprogram p\nmachine x86_64 frames=8\n${lines.join('\n')}\n`));
  expect(length()).toBe(0);
  expect(length('touch W0 -> ?', 'set_gdt F0 entries=1 -> ?', 'resume -> ?')).toBe(3);
  expect(length('mmuext_op_list', '  pin L1 F1', '  unpin F1', 'end -> ?')).toBe(2);
  expect(length('mmuext_op_list', 'end -> ?')).toBe(1);
  expect(
    length(
      'multicall',
      '  mmuext_op_list',
      '    pin L1 F1',
      '    unpin F1',
      '  end -> ?',
      '  iret_user -> ?',
      'end -> ?',
    ),
  ).toBe(3);
  expect(lengthOf(knownProgram(one('hypercall-in-user-mode'))!)).toBeGreaterThan(1);
});
