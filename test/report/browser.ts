/** Real Chromium, where there is one: pages are looked at as their readers do. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

export const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) =>
    spawnSync('sh', ['-c', `command -v ${name}`])
      .stdout.toString()
      .trim(),
  )
  .find((path) => path !== '');

if (CHROMIUM === undefined)
  console.warn('No Chromium here: the tests of pages are skipped (Debian: apt-get install chromium).');

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
}

/** A new page; what it says on the console or throws is in `complaints`. */
export async function openPage(
  browser: Browser,
  url: string,
  size = { width: 1280, height: 900 },
  colorScheme: 'light' | 'dark' = 'light',
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: size, colorScheme });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(data|file):/.test(request.url()))
      complaints.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** What axe-core finds that is serious. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // The page's policy allows no script but its own, so axe comes in from outside of it.
  const violations = await page.evaluate(async (source) => {
    // oxlint-disable-next-line no-eval -- in the page, not here
    (0, eval)(source);
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      html: nodes[0]!.html,
    }));
  }, AXE);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, html }) => `${id}: ${html}`);
}

/** No text is cut off or overlaps the page's edge, and none is smaller than 9 pixels. */
export async function expectReadable(page: Page): Promise<void> {
  const faults = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const found: string[] = [];
    if (document.documentElement.scrollWidth > width + 1)
      found.push(`the page is ${document.documentElement.scrollWidth} wide in ${width}`);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement!;
      const words = node.textContent?.trim() ?? '';
      const shown = element.checkVisibility() && !element.closest('script, style, .unseen, option, title');
      if (words === '' || !shown) continue;
      const size = parseFloat(getComputedStyle(element).fontSize);
      const drawing = element.closest('svg');
      const scale = drawing ? drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width : 1;
      if (size * scale < 8.5) found.push(`${(size * scale).toFixed(1)} pixels: ${words}`);
      const { right } = element.getBoundingClientRect();
      if (right > width + 1 && !element.closest('.graph, .scroll, pre')) found.push(`cut off: ${words}`);
    }
    return found;
  });
  expect(faults).toEqual([]);
}
