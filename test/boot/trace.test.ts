import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GUEST_DEFECTS } from '../../models/linux/defects/index.js';
import { KERNELS } from '../../models/linux/kernels.js';
import { KEYS } from '../../models/linux/machine.js';
import { STRATEGIES } from '../../models/linux/strategies.js';
import { lastLine, pvmmu } from '../cli/run.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-boot-'));

test('a boot is written as a program that replay accepts, and never over a file that is there', async () => {
  const trace = join(folder, 'boot.pvmmu');
  const booted = await pvmmu(['boot', '6.1', '--seed', '7', '--trace', trace]);
  expect(lastLine(booted.out)).toBe('boot: 1 runs, 0 failing');
  expect(booted.status).toBe(0);
  const replayed = await pvmmu(['replay', trace]);
  expect(lastLine(replayed.out)).toMatch(/^replay: 1 programs, 1 equal; (\d+) operations, \1 equal$/);
  const kept = join(folder, 'kept');
  writeFileSync(kept, 'mine');
  const refused = await pvmmu(['boot', '6.1', '--trace', kept]);
  expect([refused.status, readFileSync(kept, 'utf8')]).toEqual([2, 'mine']);
  expect(refused.err).toContain('is there already');
});

test('a mistake is shown with the kernel function that made it, the words of the report and the steps that it takes', async () => {
  const found = await pvmmu(['boot', '--defect', 'pgt-buf-end-moves', '--seed', '1', '--runs', '100']);
  expect(found.status).toBe(1);
  expect(found.out).toMatch(/Xen refuses pin in pin_pagetable_pfn/);
  expect(found.out).toMatch(/Bad type \(saw 7400000000000001 != exp 1000000000000000\) for mfn/);
  const steps =
    /fill (0x\w+) \[\d+\]=(0x\w+)\|P\|RW\S*\n(mmu_update \S+ \1\|P\|US\S* -> ok\n)?pin L1 \1 -> ok\npin L1 \2 -> EINVAL\n/;
  expect(found.out).toMatch(steps);
  expect(lastLine(found.out)).toMatch(/^boot: \d+ runs, 1 failing$/);
});

test('the list names every kernel, strategy, mistake and number of a machine', async () => {
  const { out, status } = await pvmmu(['boot', '--list']);
  expect(status).toBe(0);
  const ids = [...KERNELS, ...STRATEGIES, ...GUEST_DEFECTS].map(({ id }) => id);
  expect([...ids, ...Object.keys(KEYS)].filter((id) => !out.includes(`\n  ${id}`))).toEqual([]);
});

test('what is no kernel, defect or machine is refused in one line', async () => {
  for (const words of [
    ['2.6.18'],
    ['--defect', 'none'],
    ['--machine', 'ptes=3'],
    ['6.1', '--arch', 'x86_32'],
  ]) {
    const { status, err } = await pvmmu(['boot', ...words]);
    expect([status, err.trimEnd().split('\n').length]).toEqual([2, 1]);
  }
});
