import { expect, test } from 'vitest';
import type { DefectId } from '../../models/defects/index.js';
import {
  type Caught,
  type DefectFigures,
  forms,
  holds,
  judgeFigures,
  median,
  notMinimal,
  quantile,
  summary,
} from '../../src/zoo/figures.js';

const CAUGHT: Caught = { id: 'a', length: 2, class: 'S', judge: 'tlb', minimal: true };

function hunted(...catches: (Caught | undefined)[]) {
  return catches.map((caught, i) => ({
    seed: `zoo ${i + 1}`,
    operations: 100,
    strays: 0,
    ...(caught ? { caught } : {}),
  }));
}

function figures(id: DefectId, more: Partial<DefectFigures>): DefectFigures {
  return { id, hunts: [], alone: [], known: 2, seenBy: [], ...more };
}

test('a quantile is the least value that so many do not exceed', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(quantile([10, 20, 30, 40], 0.95)).toBe(40);
  expect(median([])).toBeUndefined();
});

test('different programs of the hunts with both models are different forms', () => {
  const hunts = hunted(CAUGHT, { ...CAUGHT, id: 'b' }, undefined, CAUGHT);
  expect(forms(figures('fast-rw-l4', { hunts, alone: hunted({ ...CAUGHT, id: 'c' }) }))).toBe(2);
});

test('a find is counted as not minimal wherever it comes from', () => {
  const loose = { ...CAUGHT, minimal: false };
  expect(notMinimal(figures('fast-rw-l4', { hunts: hunted(CAUGHT, loose), alone: hunted(loose) }))).toBe(2);
});

test('the summary counts what is found, found alone, brought to two forms, and as short as known', () => {
  const all = [
    figures('fast-rw-l4', { hunts: hunted(CAUGHT), alone: hunted(CAUGHT), best: CAUGHT }),
    figures('fast-rw-l3', { hunts: hunted(CAUGHT), best: { ...CAUGHT, length: 3 } }),
    figures('fast-rw-l2', {
      hunts: hunted(...['a', 'b', 'c'].map((id) => ({ ...CAUGHT, id }))),
      best: CAUGHT,
    }),
    figures('linear-chain', { hunts: hunted(undefined), alone: hunted(CAUGHT) }),
  ];
  expect(summary(all)).toEqual({ defects: 4, found: 3, alone: 2, canonical: 2, shortest: 2 });
});

test('a judge sees a defect alone if nobody else does, but for the comparison with the reference model', () => {
  const all = [
    figures('fast-rw-l4', { seenBy: ['tlb', 'agreement'] }),
    figures('fast-rw-l3', { seenBy: ['tlb', 'table-tree'] }),
    figures('fast-rw-l2', { seenBy: ['agreement'] }),
  ];
  const of = (judge: string) => judgeFigures(all).find((one) => one.judge === judge);
  expect(of('tlb')).toEqual({ judge: 'tlb', sees: 2, only: ['fast-rw-l4'] });
  expect(of('table-tree')).toEqual({ judge: 'table-tree', sees: 1, only: [] });
  expect(of('agreement')).toEqual({ judge: 'agreement', sees: 2, only: ['fast-rw-l2'] });
  expect(of('xen-slots')).toEqual({ judge: 'xen-slots', sees: 0, only: [] });
});

test('a control that must be found holds only if every hunt finds it, one that survives only if none does', () => {
  const found = (id: string, ...catches: (Caught | undefined)[]) => holds({ id, hunts: hunted(...catches) });
  expect(found('sanity-double-pin', CAUGHT, CAUGHT)).toBe(true);
  expect(found('sanity-double-pin', CAUGHT, undefined)).toBe(false);
  expect(found('fast-rw-l4-without-linear', undefined, undefined)).toBe(true);
  expect(found('fast-rw-l4-without-linear', undefined, CAUGHT)).toBe(false);
});
