import { chmodSync } from 'node:fs';
import { defineConfig } from 'rolldown';
import manifest from './package.json' with { type: 'json' };

/**
 * A function that is declared can be written over, so V8 looks at each call whether it is still the same, also where it
 * has put the function's code into the caller's. As a constant it is known. Of the models and the invariants alone: none of
 * their modules calls a function of its own before it is reached.
 *
 * @type {import('rolldown').Plugin}
 */
const constantFunctions = {
  name: 'constant functions',
  transform: {
    filter: { id: ['models/**', 'properties/**'] },
    handler: (_code, _id, { magicString }) => ({
      code: magicString.replaceAll(/^(export )?function (\w+)(?=[(<])/gm, '$1const $2 = function $2'),
    }),
  },
};

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
  plugins: [constantFunctions, { name: 'executable', writeBundle: () => chmodSync('dist/cli.js', 0o755) }],
  platform: 'node',
  external: Object.keys(manifest.dependencies),
  experimental: { nativeMagicString: true }, // with it, source maps follow a plugin's changes
  optimization: { inlineConst: { mode: 'all', pass: 3 } },
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  output: { dir: 'dist', format: 'esm', cleanDir: true, chunkFileNames: '[name].js', sourcemap: true },
});
