/** The examples run as their readers run them, against the built package. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const node = (...args: string[]) => execFileSync('node', args).toString();

test('the example of an invariant finds the guest that breaks it', () => {
  expect(node('examples/invariant.mjs')).toMatch(/is a pinned L1 with type count 2\.[^]*\npin L1 B1 -> \?\n/);
});

test('the example of a guest finds the mistake that it is given, and nothing without', () => {
  expect(node('examples/guest.mjs')).toContain('nothing found');
  expect(node('examples/guest.mjs', 'double-pin-keeps-ref')).toMatch(/found:[^]*\npin L/);
});

test.runIf(spawnSync('gcc', ['--version']).status === 0)(
  'the example of a model in C finds its mistake',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'pvmmu-harness-'));
    try {
      const harness = join(folder, 'harness');
      execFileSync('gcc', ['-Wall', '-Wextra', '-Werror', '-o', harness, 'examples/external/harness.c']);
      const out = node('examples/external/external.mjs', harness);
      expect(out).toContain('The reference model answers EINVAL, the external one ok.');
      expect(out).toMatch(/update_va W0 0 -> \?\npin L1 F0 -> \?\npin L1 F0 -> \?\n/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
