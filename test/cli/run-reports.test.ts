import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import schema from '../../docs/output.schema.json' with { type: 'json' };
import { program } from '../../src/cli/commands.js';
import { junitText, ktapText } from '../../src/report/run.js';
import { accessibilityFaults, CHROMIUM, expectReadable, launch, openPage } from '../report/browser.js';
import { pvmmu } from './run.js';

const ajv = new Ajv2020({ strict: true, schemas: [schema] });
const DEFECT = ['--defect', 'double-pin-keeps-ref'];

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'pvmmu-run-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => pvmmu(args, undefined, folder);
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** Every line of the output, held against the schema of its command. */
function linesOf(command: string, out: string): { type: string }[] {
  const validate = ajv.getSchema(`pvmmu/output.schema.json#/$defs/${command}`)!;
  return out
    .trimEnd()
    .split('\n')
    .map((line) => {
      const value = JSON.parse(line) as { type: string };
      expect(validate(value), `${ajv.errorsText(validate.errors)}: ${line}`).toBe(true);
      return value;
    });
}

function wrongReplay(): void {
  writeFileSync(
    join(folder, 'wrong.pvmmu'),
    'pvmmu 1\n\nprogram good\nmachine x86_64 frames=1\npin L1 F0 -> EINVAL\n\nprogram bad&<1>\nmachine x86_64 frames=1\npin L1 F0 -> ok\n',
  );
}

describe('the JSON schema', () => {
  test('has a definition for every command with --json', () => {
    const withJson = program.commands.filter(({ options }) => options.some(({ long }) => long === '--json'));
    for (const command of withJson) expect(schema.$defs).toHaveProperty(command.name());
    expect(withJson.length).toBeGreaterThan(2);
  });

  test('describes what replay prints', async () => {
    wrongReplay();
    const { out } = await run('replay', '--json', 'wrong.pvmmu');
    expect(linesOf('replay', out).map(({ type }) => type)).toEqual(['difference', 'difference', 'summary']);
  });

  test('describes what fuzz prints, and nothing else is printed', async () => {
    const { out, err } = await run('fuzz', '--json', '--stats', ...DEFECT, '--seed', 'schema');
    expect(linesOf('fuzz', out).map(({ type }) => type)).toEqual(['find', 'summary']);
    expect(err).toBe('');
    const again = await run('fuzz', '--json', ...DEFECT, '--seed', 'schema', '--ops', '50');
    expect(linesOf('fuzz', again.out)[0]).toMatchObject({ type: 'find', known: true });
  });

  test('describes what fuzz prints with --jobs, and what campaign status prints', async () => {
    const { out } = await run(
      'fuzz',
      '--jobs',
      '1',
      '--json',
      '--stats',
      ...DEFECT,
      '--seed',
      'schema',
      '--ops',
      '500',
    );
    expect(linesOf('fuzz', out).at(-1)).toMatchObject({ type: 'jobs_summary' });
    expect(linesOf('fuzz', out)[0]).toMatchObject({ type: 'stored_find', known: false });
    await run('campaign', 'start', ...DEFECT, '--programs', '20');
    await run('campaign', 'work', '--jobs', '1');
    const status = await run('campaign', 'status', '--json');
    expect(linesOf('campaign', status.out)).toMatchObject([{ type: 'campaign', poisoned: [] }]);
  });

  test('describes what explore prints', async () => {
    const { out } = await run(
      'explore',
      '--exhaustive',
      '--json',
      '--depth',
      '1',
      '--frames',
      '1',
      '--jobs',
      '1',
    );
    expect(linesOf('explore', out)).toMatchObject([{ type: 'exploration', end: 'depth', depth: 1 }]);
    const args = ['--defect', 'double-pin-keeps-ref', '--frames', '1', '--jobs', '1'];
    const broken = await run('explore', '--exhaustive', '--json', ...args);
    expect(linesOf('explore', broken.out)).toMatchObject([{ end: 'violation' }]);
  });

  test('describes what zoo prints', async () => {
    const { out } = await run('zoo', '--json', '--only', 'double-pin-keeps-ref', '--seeds', '1');
    const types = linesOf('zoo', out).map(({ type }) => type);
    expect(new Set(types)).toEqual(new Set(['defect', 'judge', 'summary']));
  });
});

describe('results for machines', () => {
  test('are JUnit XML with a case for each program', async () => {
    wrongReplay();
    const { status } = await run('replay', '--junit', 'junit.xml', 'wrong.pvmmu');
    expect(status).toBe(1);
    const xml = read('junit.xml').replaceAll(/time="[\d.]+"/g, 'time="T"');
    expect(xml).toMatchInlineSnapshot(`
      "<?xml version="1.0" encoding="UTF-8"?>
      <testsuites name="pvmmu replay" tests="2" failures="1" errors="0" time="T">
        <testsuite name="pvmmu replay" tests="2" failures="1" errors="0" time="T" skipped="0">
          <testcase classname="pvmmu replay" name="wrong.pvmmu: good"/>
          <testcase classname="pvmmu replay" name="wrong.pvmmu: bad&amp;&lt;1&gt;"><failure message="answers differ">wrong.pvmmu:9: program bad&amp;&lt;1&gt;: reference model
        pin L1 F0
        expected ok
        got      EINVAL
      wrong.pvmmu:9: program bad&amp;&lt;1&gt;: optimized model
        pin L1 F0
        expected ok
        got      EINVAL</failure></testcase>
        </testsuite>
      </testsuites>
      "
    `);
  });

  test('are KTAP alone on standard output', async () => {
    wrongReplay();
    const { status, out } = await run('replay', '--ktap', 'wrong.pvmmu');
    expect(status).toBe(1);
    expect(out).toMatchInlineSnapshot(`
      "KTAP version 1
      1..1
        KTAP version 1
        # Subtest: pvmmu replay
        1..2
        ok 1 wrong.pvmmu: good
        # wrong.pvmmu:9: program bad&<1>: reference model
        #   pin L1 F0
        #   expected ok
        #   got      EINVAL
        # wrong.pvmmu:9: program bad&<1>: optimized model
        #   pin L1 F0
        #   expected ok
        #   got      EINVAL
        not ok 2 wrong.pvmmu: bad&<1>
      not ok 1 pvmmu replay
      "
    `);
  });

  test('of the fuzzer have what was found, with its report', async () => {
    const { status, out } = await run('fuzz', '--ktap', '--junit', 'j.xml', ...DEFECT, '--seed', 'ktap');
    expect(status).toBe(1);
    expect(out).toMatch(
      /^KTAP version 1\n1\.\.1\n {2}KTAP version 1\n {2}# Subtest: pvmmu fuzz\n {2}1\.\.1\n/,
    );
    expect(out).toMatch(/^ {2}# \[pvmmu [0-9a-f]{8}\] /m);
    expect(out).toMatch(/^ {2}not ok 1 find [0-9a-f]{8}-[0-9a-f]{4}\nnot ok 1 pvmmu fuzz\n$/m);
    expect(read('j.xml')).toContain('<failure message="the models differ (state)">[pvmmu ');
    const clean = await run('fuzz', '--ktap', '--alone', '--ops', '500', '--seed', 'ktap');
    expect(clean.out).toMatch(/ {2}ok 1 \d+ drawn programs, \d+ operations\nok 1 pvmmu fuzz\n$/);
  });

  test('hold what neither format could: control characters and directives', () => {
    const failure = { what: 'a "b" & \u0001', text: 'one\ntwo <c>' };
    const report = { name: 'run', seconds: 1, cases: [{ name: 'x # SKIP', failure }] };
    expect(junitText(report)).toContain('message="a &quot;b&quot; &amp; ?">one\ntwo &lt;c&gt;</failure>');
    expect(ktapText(report)).toContain('\n  not ok 1 x   SKIP\n');
  });

  test('overwrite nothing that pvmmu has not written, and say so before the run', async () => {
    writeFileSync(join(folder, 'notes.xml'), 'mine');
    const { status, err } = await run('fuzz', '--junit', 'notes.xml', '--time', '600');
    expect(status).toBe(2);
    expect(err).toMatch(/^pvmmu: notes\.xml: is there already and not by pvmmu/);
    expect(read('notes.xml')).toBe('mine');
  });
});

describe('the campaign page', () => {
  test('links the page of each find', async () => {
    const { status, out } = await run('fuzz', '--html', 'out.html', ...DEFECT, '--seed', 'campaign');
    expect(status).toBe(1);
    expect(out).toContain('Page: out.html');
    const [, find] = /<a href="(out-[0-9a-f-]+\.html)">/.exec(read('out.html'))!;
    expect(readdirSync(folder)).toContain(find);
    expect(read(find!)).toContain('double-pin-keeps-ref');
    expect((await run('fuzz', '--html', 'out.html', '--alone', '--ops', '500', '--seed', 'x')).status).toBe(
      0,
    );
    expect(read('out.html')).toContain('<h1>Nothing found</h1>');
  });

  test.runIf(CHROMIUM)('is readable in Chromium, and axe-core finds nothing serious', async () => {
    await run('fuzz', '--html', 'out.html', ...DEFECT, '--seed', 'campaign');
    const browser = await launch();
    try {
      for (const width of [1280, 375]) {
        const url = pathToFileURL(join(folder, 'out.html')).href;
        const { page, complaints } = await openPage(
          browser,
          url,
          { width, height: 800 },
          width > 400 ? 'light' : 'dark',
        );
        await expectReadable(page);
        expect(await accessibilityFaults(page)).toEqual([]);
        expect(complaints).toEqual([]);
      }
    } finally {
      await browser.close();
    }
  });
});
