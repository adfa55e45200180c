// Makes the pictures of the README in Chromium: npm run screenshots (after a build; Debian: apt-get install chromium).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PORT = 4618;
const SIZE = { width: 1120, height: 940 };

const folder = mkdtempSync(join(tmpdir(), 'pvmmu-screenshots-'));
const pvmmu = (...args) => spawn('node', ['dist/cli.js', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });

/** A report of XSA-182's shortest program. */
async function reportPage() {
  const program = join(folder, 'xsa-182.pvmmu');
  writeFileSync(
    program,
    `pvmmu 1

program xsa-182
machine x86_64 frames=8 domain=hardware
mmu_update B2[0] B2|P -> ok
mmu_update B2[0] B2|P|RW -> ok
`,
  );
  const page = join(folder, 'report.html');
  const child = pvmmu('report', '--defect', 'fast-rw-l2', '--html', page, program);
  await new Promise((resolve) => child.on('close', resolve));
  return pathToFileURL(page).href;
}

const explorer = pvmmu('explore', '--serve', '--port', String(PORT), '--defect', 'fast-rw-l2');
await new Promise((resolve) => explorer.stdout.once('data', resolve));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
try {
  const report = await reportPage();
  for (const scheme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: SIZE, colorScheme: scheme });
    await page.goto(report);
    await page.screenshot({ path: `docs/images/counterexample-${scheme}.png` });
    await page.goto(`http://127.0.0.1:${PORT}/`);
    await page.fill('#own', 'mmu_update B2[0] B2|P');
    await page.press('#own', 'Enter');
    await page.waitForSelector('.try.fails');
    await page.screenshot({ path: `docs/images/explorer-${scheme}.png` });
    await page.close();
  }
} finally {
  await browser.close();
  explorer.kill('SIGINT');
  rmSync(folder, { recursive: true });
}
