import { chmodSync } from 'node:fs';
import { defineConfig } from 'rolldown';
import manifest from './package.json' with { type: 'json' };

/**
 * Why a bundler for a command-line tool: V8 loads an imported constant from memory at every use and cannot make
 * a jump table of a switch over such constants. Put into the code as numbers, the models run 1.4 times as fast
 * (docs/adr/0005-built-as-one-module.md).
 */
export default defineConfig({
  input: {
    cli: 'src/cli/main.ts',
    index: 'src/library/index.ts',
    worker: 'src/workers/worker.ts',
    bench: 'bench/models.ts',
    loop: 'bench/loop.ts',
    baseline: 'bench/baseline.ts',
    forms: 'bench/forms.ts',
    'lab-zoo': 'bench/lab-zoo.ts',
    boots: 'bench/boots.ts',
    question: 'bench/question.ts',
    'linux-zoo': 'bench/linux-zoo.ts',
    queue: 'bench/queue.ts',
    peers: 'bench/peers/peers.ts',
    cells: 'bench/cells.ts',
    soak: 'bench/soak.ts',
    shortest: 'bench/shortest.ts',
  },
  // npx links the command once, and then takes it as it is.
  plugins: [{ name: 'executable', writeBundle: () => chmodSync('dist/cli.js', 0o755) }],
  platform: 'node',
  external: Object.keys(manifest.dependencies),
  optimization: { inlineConst: { mode: 'all', pass: 3 } },
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  output: { dir: 'dist', format: 'esm', cleanDir: true, chunkFileNames: '[name].js', sourcemap: true },
});
