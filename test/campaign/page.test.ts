import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { lastLine, pvmmu } from '../cli/run.js';
import { accessibilityFaults, CHROMIUM, expectReadable, launch, openPage } from '../report/browser.js';

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-campaign-page-'));
const campaign = (...words: string[]) => pvmmu(['campaign', ...words], undefined, folder);
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** Four of six shards are done, one is set aside. */
beforeAll(async () => {
  const court = ['--alone', '--defect', 'double-pin-keeps-ref', '--seed', 'page'];
  await campaign('start', ...court, '--programs', '64', '--shard', '16');
  await campaign('work', '--jobs', '1');
  const state = '.pvmmu/campaigns/campaign';
  const kept = JSON.parse(read(`${state}/campaign.json`));
  writeFileSync(join(folder, state, 'campaign.json'), JSON.stringify({ ...kept, programs: 96 }));
  const aside = { from: 64, reason: 'no answer within 300 s' };
  writeFileSync(join(folder, state, 'poisoned/64.json'), JSON.stringify(aside));
});

test('status --html shows the shards, what was met, and links the page of each find', async () => {
  const { out } = await campaign('status', '--html', 'page.html');
  expect(lastLine(out)).toBe('campaign: 4 of 6 shards done, 1 set aside, 1 finds');
  const page = read('page.html');
  for (const state of ['4 of 6', '0 of 6', '1 of 6']) expect(page).toContain(`>${state}</span>`);
  expect(page).toContain('The shard from program 64 on was set aside: no answer within 300 s');
  const [, cells] = /^corpus: (\d+) cells met/m.exec(out)!;
  const [, known] = /What has been met: (\d+) of \d+ cells/.exec(page)!;
  expect(Number(known)).toBeGreaterThan(100);
  expect(Number(known)).toBeLessThanOrEqual(Number(cells));
  expect(page).not.toContain('http-equiv="refresh"');
  const [, find] = /<a href="(page-[0-9a-f-]+\.html)">/.exec(page)!;
  expect(readdirSync(folder)).toContain(find);
});

test('status --watch says where there is no terminal what has changed, and ends on Ctrl-C', async () => {
  const { status, out, err } = await pvmmu(
    ['campaign', 'status', '--watch', '--html', 'live.html'],
    (child) => child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 300)),
    folder,
  );
  expect({ status, err }).toEqual({ status: 1, err: '' });
  expect(out).toMatch(/^campaign: 4 of 6 shards done, 1 set aside, 1 finds\n/);
  expect(read('live.html')).toContain('4 of 6');
});

test('fetch keeps the finds and the corpus, whose answers both models give, and nothing twice', async () => {
  const { out } = await campaign('fetch');
  const [, programs] = /^\.pvmmu\/corpus: (\d+) new programs of \1$/m.exec(out)!;
  expect(out).toContain('.pvmmu/finds: 1 new finds of 1');
  const files = readdirSync(join(folder, '.pvmmu/corpus')).map((name) => `.pvmmu/corpus/${name}`);
  expect(files).toHaveLength(Number(programs));
  const replay = await pvmmu(['replay', ...files], undefined, folder);
  expect(replay.status).toBe(0);
  expect(lastLine(replay.out)).toContain(`${programs} programs, ${programs} equal`);
  expect((await campaign('fetch')).out).toBe(
    `.pvmmu/finds: 0 new finds of 1\n.pvmmu/corpus: 0 new programs of ${programs}\n`,
  );
});

test.runIf(CHROMIUM)('the page is readable in Chromium, and axe-core finds nothing serious', async () => {
  await campaign('status', '--html', 'page.html');
  const browser = await launch();
  try {
    for (const width of [1280, 375]) {
      const url = pathToFileURL(join(folder, 'page.html')).href;
      const scheme = width > 400 ? 'light' : 'dark';
      const { page, complaints } = await openPage(browser, url, { width, height: 800 }, scheme);
      await expectReadable(page);
      expect(await accessibilityFaults(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await page.close();
    }
  } finally {
    await browser.close();
  }
});
