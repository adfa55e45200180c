import { describe, expect, test } from 'vitest';
import {
  CONTROLS,
  DEFECTS,
  type Defect,
  defectsNamed,
  LEFT_OUT,
  numberOf,
} from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { RECORD, span } from '../../src/program/record.js';
import { parseProgram } from '../../src/text/parse.js';

const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/;
/** What of section 16 of the rules a program's text may use. */
const INTERRUPTIONS = /preempt=|contend=|cpu\d:|vcpus=|resume|touch|iret_user|reset_vcpu|initialise|destroy/;
/** How often each root cause, from 1 on, has been re-created or would have to be: the variants on record. */
const VARIANTS = [
  [1, 3, 1, 1, 1, 1, 1, 1, 1, 7],
  [3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 2, 1, 1, 1, 3, 1],
  [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  [2, 1, 1, 1, 1, 1, 2, 1, 1, 1],
  [1, 1, 1, 1, 1, 2, 3, 1, 1, 1],
  [1, 1, 3, 1, 2, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 4, 1, 1, 1, 1, 3],
  [1, 1, 1, 1, 3, 4, 1, 3, 2, 2],
].flat();

const withShortest = DEFECTS.filter(({ shortest }) => shortest !== undefined);

function parse({ id, shortest }: Defect) {
  return parseProgram(`pvmmu 1\nprogram ${id}\n${shortest}\n`, id);
}

describe('the catalogue of defects', () => {
  test('has every id once, in kebab case', () => {
    const ids = [...DEFECTS, ...LEFT_OUT].map(({ id }) => id);
    expect(ids.filter((id) => !KEBAB_CASE.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('accounts for every variant of all 90 root causes, as a defect or as left out', () => {
    const counts = VARIANTS.map(
      (_, i) => [...DEFECTS, ...LEFT_OUT].filter(({ cause }) => cause === i + 1).length,
    );
    expect(VARIANTS.reduce((sum, count) => sum + count)).toBe(125);
    expect(counts.flatMap((count, i) => (count < VARIANTS[i]! ? [i + 1] : []))).toEqual([]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(DEFECTS.length + LEFT_OUT.length);
  });

  test('says of every defect what went wrong, what the model does, where it is ruled and what it breaks', () => {
    for (const defect of DEFECTS) {
      const sentences = defect.story.match(/[.?!](\s|$)/g)!.length;
      expect(sentences, defect.id).toBeGreaterThanOrEqual(2);
      expect(sentences, defect.id).toBeLessThanOrEqual(5);
      expect(defect.rule.length, defect.id).toBeGreaterThan(20);
      expect(defect.rules, defect.id).toMatch(/^\d+(\.\d+)?$/);
      expect(defect.breaks.length, defect.id).toBeGreaterThan(0);
      expect(defect.arches.length, defect.id).toBeGreaterThan(0);
      expect(defect.advisory ?? 'XSA-1', defect.id).toMatch(/^XSA-\d+(, XSA-\d+)*$/);
      expect(defect.cve ?? 'CVE-2011-1166', defect.id).toMatch(/^CVE-\d{4}-\d+(, CVE-\d{4}-\d+)*$/);
    }
  });

  test('numbers the defects from 1 on, in their order', () => {
    expect(DEFECTS.map(numberOf)).toEqual(DEFECTS.map((_, i) => i + 1));
  });

  test('gives a reason for everything that is left out', () => {
    expect(LEFT_OUT.filter(({ reason }) => !/^(needs|is) .*\.$/.test(reason))).toEqual([]);
  });
});

describe('a defect is found by name', () => {
  test('its id names it alone', () => {
    for (const defect of DEFECTS) expect(defectsNamed(defect.id)).toEqual([defect]);
  });

  test('an advisory names all its defects, in upper or lower case', () => {
    const ids = (word: string) => defectsNamed(word).map(({ id }) => id);
    expect(ids('xsa-182')).toEqual(['fast-rw-l4', 'fast-rw-l3', 'fast-rw-l2']);
    expect(ids('XSA-294')).toEqual(['cr3-no-flush']);
    for (const { id, advisory } of DEFECTS)
      for (const one of advisory?.split(', ') ?? []) expect(ids(one)).toContain(id);
  });

  test('an unknown word is refused in one line with the id that comes nearest', () => {
    expect(() => defectsNamed('fast-rw-l5')).toThrow(
      'unknown defect "fast-rw-l5", expected an id or an advisory (fast-rw-l4?)',
    );
    expect(() => defectsNamed('liner-chian')).toThrow('(linear-chain?)');
    expect(() => defectsNamed('xsa-183')).toThrow('(xsa-182?)');
    expect(() => defectsNamed('nothing like it')).toThrow(/an id or an advisory$/);
    expect(() => defectsNamed('two\nlines')).toThrow(/^[^\n]*$/);
  });

  test('one that is left out is refused with the reason', () => {
    expect(() => defectsNamed('xsa-242')).toThrow(
      'unlock-drops-last is none of the model’s defects: needs two vCPUs',
    );
  });
});

describe('the controls', () => {
  test('name defects of the catalogue, each under a name of its own', () => {
    for (const { defect } of CONTROLS) expect(defectsNamed(defect)[0]!.id).toBe(defect);
    expect(new Set(CONTROLS.map(({ id }) => id)).size).toBe(CONTROLS.length);
  });
});

describe('the shortest programs', () => {
  test('run on a machine that the defect can be made on', () => {
    for (const { id, arches, shortest } of withShortest)
      expect(arches as readonly string[], id).toContain(/^machine (\S+) /.exec(shortest!)![1]);
  });

  test('use no more of the environment than the class of the defect says', () => {
    for (const { id, class: needs, breaks, shortest } of withShortest) {
      const used = (word: RegExp) => word.test(shortest!);
      if (needs !== 'K') expect(used(/contend=/), id).toBe(false);
      if (needs !== 'P2') expect(used(/^cpu\d:/m), id).toBe(false);
      // Work between two checks is seen by an event that is not noticed.
      if (needs.startsWith('S')) expect(used(/preempt=|resume/) && !breaks.includes('work'), id).toBe(false);
    }
  });

  const plain = withShortest.filter(({ shortest }) => !INTERRUPTIONS.test(shortest!));

  test.each([
    ['reference', () => new ReferenceModel()],
    ['optimized', () => new OptimizedModel()],
  ])('get the answers they state from the %s model, which has no defect', (_name, create) => {
    expect(plain.length).toBeGreaterThan(25);
    for (const defect of plain) {
      const { machine, code, expected } = parse(defect);
      const model = create();
      const results = new Int32Array(expected.length);
      model.start(machine);
      for (let at = 0; at < code.length; at += span(code, at) * RECORD) model.run(code, at, results);
      for (let at = 0; at < code.length; at += span(code, at) * RECORD)
        expect(results[at / RECORD], `${defect.id}, record ${at / RECORD}`).toBe(expected[at / RECORD]);
    }
  });
});
