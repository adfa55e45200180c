import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { RESULT_NAMES } from '../../models/x86/result.js';
import { Cells } from '../../src/fuzz/cells.js';
import { Fuzzer } from '../../src/fuzz/fuzzer.js';
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

test('the table holds what was met against what is known, as far as the architecture has it', () => {
  const table = (arch: 'x86_64' | 'x86_32') => {
    const cells = new Cells(new OptimizedModel(), [arch]);
    cells.add(PROGRAM);
    return cells.table();
  };
  expect(table('x86_64')).toMatch(/^update_va: 3 of \d+ known cells hit$/m);
  expect(table('x86_64')).toMatch(/^ {2}never hit: L1 -: EFAULT, .*; L1 L1: .*; L1 L4: /m);
  expect(table('x86_32')).toMatch(/^update_va: 3 of \d+ known cells hit$/m);
  expect(table('x86_32')).not.toMatch(/^ {2}never hit: .*L1 L4: /m);
  expect(table('x86_64')).toMatch(/^destroy: 0 of \d known cells hit$/m);
});

test('a cell that is hit and not known is said', () => {
  const cells = new Cells(new OptimizedModel(), ['x86_64']);
  cells.add(parseProgram('pvmmu 1\nprogram p\nmachine x86_64 frames=8\nunpin F0 -> EINVAL\n'));
  const [hit] = cells.entries()[0]!;
  const answer = hit & 0xff;
  cells.count(hit - answer + [...RESULT_NAMES.keys()].find((code) => RESULT_NAMES.get(code) === 'EEXIST')!);
  expect(cells.table()).toContain('  hit, and not known before: writable: EEXIST');
  expect(cells.coverage().find(({ operation }) => operation === 'unpin')).toMatchObject({ hit: 1 });
});

test.each(['x86_64', 'x86_32'] as const)(
  'all that generated programs meet on %s is known (npm run cells adds to it)',
  (arch) => {
    const settings = { arches: [arch], seed: 'known cells', alone: false, quirks: 'intended' } as const;
    const fuzzer = new Fuzzer({ ...settings, defects: new Set(), lockstep: 'digest', stats: true });
    while (fuzzer.operations < 20_000) fuzzer.next();
    expect(fuzzer.cells!.coverage().filter(({ surplus }) => surplus.length > 0)).toEqual([]);
    const hit = fuzzer.cells!.coverage().reduce((sum, one) => sum + one.hit, 0);
    expect(hit).toBeGreaterThan(300);
  },
);
