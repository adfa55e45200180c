import { expect, test } from 'vitest';
import { OptimizedModel } from '../../models/optimized/model.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { runShard } from '../../src/campaign/shard.js';
import { corpusOf } from '../../src/database/corpus.js';
import { Cells, cellText } from '../../src/fuzz/cells.js';
import { Corpus } from '../../src/fuzz/corpus.js';
import type { FuzzSettings } from '../../src/fuzz/fuzzer.js';
import { fc } from '../../src/fastcheck/index.js';
import { parseProgram } from '../../src/text/parse.js';
import { RECORD, span } from '../../src/program/record.js';

const SETTINGS: FuzzSettings = {
  arches: ['x86_64', 'x86_32'],
  seed: 'corpus',
  quirks: 'intended',
  defects: new Set(['double-pin-keeps-ref']),
  alone: true,
  corpus: true,
};
const WAYS = runShard(SETTINGS, { from: 0, count: 60 }).ways!;

test('every program of a corpus meets its cell with its last operation, and both models give its answers', () => {
  const texts = [...corpusOf(SETTINGS, WAYS)];
  expect(texts.length).toBeGreaterThan(100);
  expect(new Set(texts.map(({ id }) => id)).size).toBe(texts.length);
  const [cells, model] = [new Cells(new OptimizedModel(), SETTINGS.arches), new ReferenceModel()];
  texts.forEach(({ text }, i) => {
    const program = parseProgram(text);
    let last = -1;
    cells.add(program, Infinity, (cell) => (last = cell));
    expect(last).toBe(WAYS[i]!.cell);
    expect(text).toContain(`# meets: ${cellText(last)}\n`);
    model.start(program.machine);
    const answers = new Int32Array(program.code.length / RECORD);
    for (let at = 0; at < program.code.length; at += span(program.code, at) * RECORD)
      model.run(program.code, at, answers);
    const said = program.expected.map((answer, i) => (answer === UNKNOWN ? answers[i]! : answer));
    expect(answers).toEqual(said);
  });
});

test('a corpus does not depend on the order of shards, nor on how often one is merged', () => {
  const ways = [0, 1, 2].map((i) => runShard(SETTINGS, { from: 8 * i, count: 8 }).ways!);
  const whole = runShard(SETTINGS, { from: 0, count: 24 }).ways!;
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 0, 1, 2], { minLength: 3 }), (order) => {
      const corpus = new Corpus();
      for (const i of [...order, 0, 1, 2]) corpus.merge(corpus.better(ways[i]!));
      expect(corpus.ways).toEqual(whole);
    }),
  );
});
