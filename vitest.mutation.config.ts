import { defineConfig } from 'vitest/config';

/** The tests that watch the models, cut short: they run once for each planted mistake. */
export default defineConfig({
  test: {
    include: [
      'test/models/recorded-answers.test.ts',
      'test/models/corners.test.ts',
      'test/lockstep/generated.test.ts',
    ],
    env: { PVMMU_RUNS: '100', PVMMU_PROGRAMS: '250', PVMMU_SHRINK: '0' },
    testTimeout: 60_000,
    bail: 1,
  },
});
