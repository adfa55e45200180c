import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { DEFECTS } from '../../models/defects/index.js';
import { hypercallsText } from '../../src/report/hypercalls.js';
import { tellStory } from '../../src/report/story.js';
import { xtfText } from '../../src/report/xtf.js';
import { courtWith, zooProgram } from './zoo-programs.js';

const hasGcc = spawnSync('gcc', ['--version']).status === 0;
const FLAGS = [
  '-ffreestanding', // as XTF is: no C library's headers, which few machines have for -m32
  '-fsyntax-only',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-std=gnu99',
  '-Itest/report/xtf-stub',
  '-x',
  'c',
  '-',
];

function storyOf(defect: (typeof DEFECTS)[number]) {
  return tellStory(zooProgram(defect), courtWith(defect.id));
}

describe('the C test', () => {
  test.runIf(hasGcc).each(DEFECTS)('of $id is accepted by gcc with all warnings as errors', (defect) => {
    const text = xtfText(storyOf(defect));
    const flags = zooProgram(defect).machine.arch === 'x86_32' ? ['-m32', ...FLAGS] : FLAGS;
    const { stderr, status } = spawnSync('gcc', flags, { input: text });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    expect(text).toContain(' * @file tests/pvmmu-');
    expect(text).toMatch(/xtf_(failure|skip)\(/);
    for (const line of text.split('\n')) expect(line).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('the raw hypercalls', () => {
  test.each(DEFECTS)('of $id stand under every step', (defect) => {
    const story = storyOf(defect);
    const text = hypercallsText(story);
    for (const { number } of story.steps) expect(text).toContain(`\n${number}. `);
    expect(text.match(/^ {3}\S/gm)!.length).toBeGreaterThanOrEqual(story.steps.length);
  });
});
