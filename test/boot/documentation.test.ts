import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GUEST_DEFECTS, guestDefect } from '../../models/linux/defects/index.js';
import { leastMachine } from '../../models/linux/machine.js';
import { boot } from '../../src/boot/boot.js';
import { guestWith, type Hunted, linuxZooMarkdown } from '../../src/boot/hunt.js';
import {
  type Cell,
  cells,
  counterexample,
  guestOf,
  machineOf,
  questionMarkdown,
  SEED,
} from '../../src/boot/question.js';
import { machineOfRun } from '../../src/boot/find.js';
import { Session } from '../../src/boot/session.js';

/** Machines of a cell that holds. */
const MACHINES = 2;

const measured = JSON.parse(readFileSync('docs/seed-question.json', 'utf8')) as Cell[];
const hunted = JSON.parse(readFileSync('docs/linux-zoo.json', 'utf8')) as Hunted[];
const session = new Session();

test('docs/seed-question.md is what its figures say', () => {
  expect(readFileSync('docs/seed-question.md', 'utf8')).toBe(questionMarkdown(measured));
});

test('its figures are of these strategies and layouts', () => {
  const now = cells().map(({ strategy, family, arch }) => `${strategy.id} ${family.id} ${arch}`);
  expect(measured.map(({ strategy, kernel, arch }) => `${strategy} ${kernel} ${arch}`)).toEqual(now);
});

test.each(cells())('$strategy.id in $family.id on $arch does what the table says', (which) => {
  const { strategy, family, arch } = which;
  const cell = measured.find(
    (one) => one.strategy === strategy.id && one.kernel === family.id && one.arch === arch,
  )!;
  const guest = guestOf(which);
  if (cell.failing === 0) {
    const ends = Array.from({ length: MACHINES }, (_, run) =>
      boot(session, guest, machineOfRun(SEED, run, arch)),
    );
    expect(ends.filter((end) => end !== undefined)).toEqual([]);
  } else {
    const { machine, words, path, steps } = cell;
    expect(counterexample(session, guest, machineOf(cell))).toEqual({ machine, words, path, steps });
  }
});

test('docs/linux-zoo.md is what its figures say, of every mistake on every architecture', () => {
  expect(readFileSync('docs/linux-zoo.md', 'utf8')).toBe(linuxZooMarkdown(hunted));
  const now = GUEST_DEFECTS.flatMap(({ id, arches }) => arches.map((arch) => `${id} ${arch}`));
  expect(hunted.map(({ id, arch }) => `${id} ${arch}`)).toEqual(now);
});

test('each mistake ends its smallest machine as docs/linux-zoo.md says', () => {
  const differing = hunted.filter(({ id, arch, machine, words, path, steps }) => {
    const guest = guestWith(guestDefect(id)!);
    const found = counterexample(session, guest, { ...leastMachine(arch), ...machine });
    return JSON.stringify(found) !== JSON.stringify({ machine, words, path, steps });
  });
  expect(differing.map(({ id, arch }) => `${id} ${arch}`)).toEqual([]);
});

test('a file that docs/linux-guest.md names is there', () => {
  const text = readFileSync('docs/linux-guest.md', 'utf8');
  const names = [...text.matchAll(/`((?:models|src|docs|bench|vectors)\/[\w./-]+\.\w+)`/g)].map(
    ([, name]) => name!,
  );
  expect(names.filter((name) => !existsSync(name))).toEqual([]);
});
