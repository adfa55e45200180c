import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { Cells } from '../../src/fuzz/cells.js';
import { parseProgram } from '../../src/text/parse.js';

const PROGRAM = parseProgram(`pvmmu 1
program p
machine x86_64 frames=8 domain=hardware
pin L1 F1 -> EINVAL
update_va W1 0 -> ok
pin L1 F1 -> ok
pin L1 F1 -> EINVAL
update_va W2 F1|P|RW -> EBUSY
update_va W2 F1|P -> ok
store W2[0] F3|P -> ok
mmu_update B2[9] F1|P -> ok
mmu_update F4[0] BAD|P -> ok
mmuext tlb_flush_local -> ok
`);

test('an operation is counted by its level, what the frame that it names was before, and its answer', () => {
  const cells = new Cells(new OptimizedModel(), ['x86_64']);
  cells.add(PROGRAM);
  const row = (operation: string, level: number, met: string, accepted: number, refused = {}) => {
    const tried = accepted + Object.values<number>(refused).reduce((sum, count) => sum + count, 0);
    return { operation, level, met, tried, accepted, refused };
  };
  expect(cells.rows()).toEqual([
    row('store', 1, 'writable', 1),
    row('mmu_update', 0, 'foreign', 1),
    row('mmu_update', 2, 'L1', 1),
    row('update_va', 1, '-', 1),
    row('update_va', 1, 'L1', 1, { EBUSY: 1 }),
    row('pin', 1, 'none', 1),
    row('pin', 1, 'L1', 0, { EINVAL: 1 }),
    row('pin', 1, 'writable', 0, { EINVAL: 1 }),
    row('mmuext', 0, '-', 1),
  ]);
});

test('a partial table is told from others', () => {
  const cells = new Cells(new OptimizedModel(), ['x86_64']);
  const text = `pvmmu 1
program p
machine x86_64 frames=8 domain=hardware
update_va W1 0 -> ok
update_va W2 0 -> ok
mmu_update F1[0] F2|P|RW|US -> ok
pin L2 F1 preempt=0 -> preempted
pin L2 F1 -> ok
`;
  cells.add(parseProgram(text));
  expect(cells.rows()).toContainEqual(
    expect.objectContaining({ operation: 'pin', level: 2, met: 'partial' }),
  );
});

test('only the operations that ran are counted', () => {
  const cells = new Cells(new OptimizedModel(), ['x86_64']);
  cells.add(PROGRAM, 2);
  expect(cells.rows().reduce((sum, { tried }) => sum + tried, 0)).toBe(2);
});

test('the table names what was never met, as far as the architecture has it', () => {
  const table = (arch: 'x86_64' | 'x86_32') => {
    const cells = new Cells(new OptimizedModel(), [arch]);
    cells.add(PROGRAM);
    return cells.table();
  };
  expect(table('x86_64')).toContain('update_va: 3 of 20 cells hit');
  expect(table('x86_64')).toMatch(
    /^ {2}never tried: L1 foreign, L1 partial, L1 none, L1 L2, L1 L3, L1 L4, L1 seg/m,
  );
  expect(table('x86_32')).toMatch(/^ {2}never tried: L1 foreign, L1 partial, L1 none, L1 L2, L1 L3, L1 seg/m);
  expect(table('x86_64')).toMatch(/^destroy: never tried$/m);
});
