/** docs/zoo.md and the figures that it was written from. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { TextError } from '../text/error.js';
import type { ZooFigures } from './figures.js';
import { zooMarkdown } from './markdown.js';

/**
 * Writes the text to `path`, and the figures to the file beside it that ends in `.json`.
 *
 * @throws TextError if one of them cannot be written.
 */
export function writeZoo(path: string, figures: ZooFigures): void {
  attempt(path, () => writeFileSync(path, zooMarkdown(figures)));
  attempt(besides(path), () => writeFileSync(besides(path), printFigures(figures)));
}

/**
 * For those who are about to measure for minutes.
 *
 * @throws TextError if `writeZoo` would.
 */
export function requireWritable(path: string): void {
  for (const one of [path, besides(path)]) attempt(one, () => appendFileSync(one, ''));
}

function besides(path: string): string {
  return path.replace(/(\.md)?$/, '.json');
}

export function readFigures(path: string): ZooFigures {
  return JSON.parse(readFileSync(path, 'utf8')) as ZooFigures;
}

/** A line for each defect and control, so that a change of one changes one line. */
export function printFigures({ operations, seeds, defects, controls }: ZooFigures): string {
  const lines = (values: readonly object[]) =>
    values.map((value) => `    ${JSON.stringify(value)}`).join(',\n');
  return `{
  "operations": ${operations},
  "seeds": ${seeds},
  "defects": [\n${lines(defects)}\n  ],
  "controls": [\n${lines(controls)}\n  ]
}\n`;
}

function attempt(path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw new TextError(path, 0, 0, `cannot write the file (${(error as NodeJS.ErrnoException).code})`);
  }
}
