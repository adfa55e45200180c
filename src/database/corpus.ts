/** The corpus on disk: a directory of program texts, one for each cell that was met, named by their ids. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellText } from '../fuzz/cells.js';
import type { Way } from '../fuzz/corpus.js';
import { Fuzzer, type FuzzSettings } from '../fuzz/fuzzer.js';
import { trialsOf } from '../fuzz/trials.js';
import { operationStarts } from '../program/record.js';
import { idOf } from '../shrink/identity.js';
import { candidateText } from '../shrink/text.js';
import { attempt } from './finds.js';

export const CORPUS_FOLDER = join('.pvmmu', 'corpus');

/**
 * Draws the programs again, and adds those that the directory does not have; how many these are.
 *
 * @throws TextError if the directory cannot be written.
 */
export function saveCorpus(folder: string, settings: FuzzSettings, ways: readonly Way[]): number {
  attempt(folder, 'create', () => mkdirSync(folder, { recursive: true }));
  let added = 0;
  for (const { id, text } of corpusOf(settings, ways)) {
    const path = join(folder, `${id}.pvmmu`);
    if (existsSync(path)) continue;
    attempt(folder, 'write to', () => {
      writeFileSync(`${path}.tmp`, text);
      renameSync(`${path}.tmp`, path);
    });
    added++;
  }
  return added;
}

/** The programs of the ways, with the answers of a model without defects. */
export function* corpusOf(
  settings: FuzzSettings,
  ways: readonly Way[],
): Generator<{ readonly id: string; readonly text: string }> {
  const fuzzer = new Fuzzer(settings);
  const trials = trialsOf({ defects: new Set(), alone: true, quirks: settings.quirks });
  for (const { cell, operations, program: number } of ways) {
    const { program } = fuzzer.draw(number);
    const end = operationStarts(program.code)[operations] ?? program.code.length;
    const cut = { machine: program.machine, code: program.code.slice(0, end) };
    trials.run(cut, false);
    const id = idOf(cut);
    const [header, ...lines] = candidateText(cut, id, trials.answers).split('\n');
    yield { id, text: [header, `# meets: ${cellText(cell)}`, ...lines].join('\n') };
  }
}
