import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFECTS } from '../../models/defects/index.js';
import { pageText } from '../../src/report/html/page.js';
import { tellStory } from '../../src/report/story.js';
import { windowsOf } from '../../src/report/windows.js';
import { parseProgram } from '../../src/text/parse.js';
import { accessibilityFaults, CHROMIUM, expectReadable, launch, openPage } from './browser.js';
import { courtWith, zooProgram } from './zoo-programs.js';

const BYTES_MAX = 400_000;

/** Fails in its last step with nested-failure-l3. */
const FOUR_STEPS = parseProgram(`pvmmu 1
program four-steps
machine x86_64 frames=8 domain=hardware quirks=intended
mmu_update F0[0] F1|P -> ok
mmu_update F1[1] F0|P -> ok
mmu_update B2[1] 0 -> ok
mmu_update B4[0] F0|P -> EINVAL
`);

function zooPage(id: string): Promise<string> {
  const defect = DEFECTS.find((one) => one.id === id)!;
  return pageText(tellStory(zooProgram(defect), courtWith(defect.id)));
}

describe('the page', () => {
  test.each(DEFECTS)(
    'of $id is one file under 400 kB that names the defect and asks for nothing',
    async ({ id }) => {
      const page = await zooPage(id);
      expect(Buffer.byteLength(page)).toBeLessThan(BYTES_MAX);
      expect(page).toContain(id);
      expect(page).not.toMatch(/(?:src|href)="(?!data:)/);
      expect(page).not.toMatch(/url\(|@import|https?:/);
    },
  );

  test('of a long program shows windows around its unusual steps', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `update_va W0 F0|P${i % 2 ? '|A' : ''}`).join('\n');
    const text = `pvmmu 1\n\nprogram p\nmachine x86_64 frames=8\n${many}\npin L2 F0\n${many}\n`;
    const program = parseProgram(text.replaceAll(/^(update|pin).*$/gm, '$& -> ?'));
    const story = tellStory(program, courtWith(), windowsOf(program, courtWith()));
    expect(story.windows).toEqual([
      { first: 1, last: 6 },
      { first: 2997, last: 3005 },
      { first: 5997, last: 6001 },
    ]);
    const page = await pageText(story);
    expect(page).toContain('6,001 operations, of which 20 are shown');
    expect(page).toContain('<option value="1">2997 to 3005</option>');
  });

  test('shows text of programs as text', async () => {
    const program = parseProgram('pvmmu 1\n\nprogram <b>\nmachine x86_64 frames=8\npin L1 F0 -> ?\n');
    expect(await pageText(tellStory(program, courtWith()))).not.toContain('<b>');
  });
});

describe.runIf(CHROMIUM)('in Chromium the page', () => {
  let folder: string;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pvmmu-page-'));
    const file = join(folder, 'report.html');
    writeFileSync(file, await pageText(tellStory(FOUR_STEPS, courtWith('nested-failure-l3'))));
    url = pathToFileURL(file).href;
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  test('opens at the step that fails, and goes from step to step by keys, buttons, slider and program', async () => {
    const { page, complaints } = await openPage(browser, url);
    const shown = () => page.textContent('#shown');
    expect(await shown()).toBe('step 4');
    expect(await page.isVisible('#verdict .broken')).toBe(true);
    await page.keyboard.press('ArrowLeft');
    expect(await shown()).toBe('step 3');
    expect(await page.isVisible('#verdict .broken')).toBe(false);
    expect(await page.textContent('#announced')).toMatch(/^step 3\. Step 3/);
    await page.keyboard.press('Home');
    expect(await shown()).toBe('start');
    await page.click('#forward');
    expect(await shown()).toBe('step 1');
    await page.focus('#step');
    await page.keyboard.press('ArrowRight');
    expect(await shown()).toBe('step 2');
    await page.click('#program button[data-step="4"]');
    expect(await shown()).toBe('step 4');
    expect(await page.getAttribute('#program .current', 'aria-current')).toBe('step');
    expect(await page.locator('#graph-0 .frame.changed').count()).toBe(2);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test.each([
    ['light, at 1280 pixels', { width: 1280, height: 900 }, 'light'],
    ['dark, at 1280 pixels', { width: 1280, height: 900 }, 'dark'],
    ['at 375 pixels', { width: 375, height: 800 }, 'light'],
    ['at 200 % of zoom', { width: 640, height: 450 }, 'dark'],
  ] as const)('is readable %s, and axe-core finds nothing serious', async (_, size, scheme) => {
    const { page, complaints } = await openPage(browser, url, size, scheme);
    await expectReadable(page);
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('is looked at by an axe-core that finds what is wrong', async () => {
    const { page } = await openPage(browser, url);
    await page.evaluate(() => document.body.append(document.createElement('img')));
    expect(await accessibilityFaults(page)).toEqual(['image-alt: <img>']);
    await page.close();
  });

  test('prints the changes of every step', async () => {
    const { page } = await openPage(browser, url);
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('#changes [data-step]:visible').count()).toBe(4);
    expect(await page.isVisible('.controls')).toBe(false);
    await page.close();
  });
});
