import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CONTROLS, DEFECTS, defectsNamed } from '../../models/defects/index.js';
import { parseProgram } from '../../src/text/parse.js';
import { printFigures, readFigures } from '../../src/zoo/files.js';
import { zooMarkdown } from '../../src/zoo/markdown.js';
import { measure, seenBy } from '../../src/zoo/measure.js';
import { knownProgram, lengthOf, textOf } from '../../src/zoo/programs.js';

/** What is wrong if one of these fails. */
const STALE = 'run npx pvmmu zoo --md docs/zoo.md';
/** Found within some thousand operations by all seeds. */
const QUICK = ['pin-error-put', 'get-fail-puts', 'linear-result-inverted'] as const;

const figures = readFigures('docs/zoo.json');

describe('docs/zoo.md', () => {
  test('is what the catalogue and docs/zoo.json give', () => {
    expect(readFileSync('docs/zoo.md', 'utf8') === zooMarkdown(figures), STALE).toBe(true);
  });

  test('has figures of every defect and control', () => {
    expect(
      figures.defects.map(({ id }) => id),
      STALE,
    ).toEqual(DEFECTS.map(({ id }) => id));
    expect(
      figures.controls.map(({ id }) => id),
      STALE,
    ).toEqual(CONTROLS.map(({ id }) => id));
  });

  test('has the story that each line of its table points to', () => {
    const text = zooMarkdown(figures);
    const targets = [...text.matchAll(/^\| \[(.+)\]\(#(.+)\) \|/gm)].map(([, , target]) => target!);
    expect(targets).toHaveLength(DEFECTS.length);
    expect(targets.filter((target) => !text.includes(`\n### ${target}\n`))).toEqual([]);
  });

  test.each(QUICK)('has the figures of %s that hunting again gives', (id) => {
    const [defect] = defectsNamed(id);
    const stored = figures.defects.find((one) => one.id === id)!;
    const { operations, seeds } = figures;
    expect(stored.hunts.every(({ operations }) => operations < 20_000)).toBe(true);
    expect(measure(defect!, { seeds, limit: { operations } }).figures, STALE).toEqual(stored);
  });

  test('has programs that show their defect, with the answers they get without it', () => {
    for (const { id, shorter } of figures.defects) {
      if (shorter === undefined) continue;
      const program = parseProgram(`pvmmu 1\nprogram ${id}\n${shorter}\n`, id);
      expect(textOf(program), `${id}: ${STALE}`).toBe(shorter);
      expect(seenBy(defectsNamed(id)[0]!, [program]), `${id}: ${STALE}`).not.toEqual([]);
    }
  });

  test('has the lengths of the catalogue’s programs', () => {
    for (const defect of DEFECTS) {
      const program = knownProgram(defect);
      const stored = figures.defects.find(({ id }) => id === defect.id);
      expect(stored?.known, `${defect.id}: ${STALE}`).toBe(program && lengthOf(program));
    }
  });
});

test('figures are read as they were written', () => {
  expect(printFigures(figures)).toBe(readFileSync('docs/zoo.json', 'utf8'));
});
