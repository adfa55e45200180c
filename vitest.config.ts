import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/temporary-folder.ts',
    testTimeout: 80_000,
    // Two cores: one file each, and no isolation cost for what is pure computation.
    pool: 'forks',
    maxWorkers: 2,
  },
});
