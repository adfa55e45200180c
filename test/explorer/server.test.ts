import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explorerServer, LOOPBACK } from '../../src/explorer/server.js';
import { accessibilityFaults, CHROMIUM, expectReadable, launch, openPage } from '../report/browser.js';
import { pvmmu } from '../cli/run.js';
import { courtWith } from '../report/zoo-programs.js';

const START = 'pvmmu 1\n\nprogram p\nmachine x86_64 frames=8 domain=hardware\n';

let server: Server;
let url: string;
beforeAll(async () => {
  server = explorerServer(courtWith('fast-rw-l2'));
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  url = `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function get(query: Record<string, string>, init?: RequestInit): Promise<Response> {
  return fetch(`${url}/?${new URLSearchParams(query)}`, { redirect: 'manual', ...init });
}

describe('the explorer', () => {
  test('serves the program of the address, with operations to try and their answers', async () => {
    const answer = await get({ program: `${START}update_va W1 F1|P\n` });
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(page).toContain('update_va W1 F1|P -&gt; ok');
    expect(page).toMatch(/value="pin L1 F1" class="try fine"/);
    expect(page).toMatch(/value="pin L1 F2" class="try refused"><code>pin L1 F2<\/code> <span>EINVAL/);
  });

  test('puts what is tried next into the address', async () => {
    const answer = await get({ program: START, next: 'pin L4 B4' });
    expect(answer.status).toBe(303);
    const address = new URL(answer.headers.get('location')!, url);
    expect(address.searchParams.get('program')).toBe(`${START}pin L4 B4 -> ?\n`);
    expect(await (await fetch(address)).text()).toContain('pin L4 B4 -&gt; EINVAL');
  });

  test.each([
    ['a malformed program', { program: 'pvmmu 1\nprogram p\nmachine vax\n' }, /program:3:9: .*vax/],
    ['a malformed operation', { program: START, next: 'pin L9 F0' }, /program:5:5: /],
    ['a defect that does not exist', { program: START, defect: 'xsa-0' }, /unknown defect/],
    [
      'a start state that is spelled out',
      { program: 'pvmmu 1\nprogram p\nmachine x86_64\nbase 0x2\n' },
      /program/,
    ],
  ])('refuses %s with one clear line and the text to mend', async (_, query, message) => {
    const answer = await get(query);
    expect(answer.status).toBe(400);
    const page = await answer.text();
    expect(page).toMatch(message);
    expect(page).toContain('<textarea');
  });

  test('refuses programs that are too long for it', async () => {
    const answer = await get({ program: START + 'update_va W0 0\n'.repeat(301) });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('301 operations, expected at most 300 here');
  });

  test('serves nothing but its own page, to its own names and by GET', async () => {
    expect((await fetch(`${url}/etc/passwd`)).status).toBe(404);
    expect((await fetch(`${url}/..%2f..%2fetc/passwd`)).status).toBe(404);
    expect((await get({}, { method: 'POST' })).status).toBe(405);
    expect((await get({}, { method: 'HEAD' })).status).toBe(200);
    // fetch does not let the Host header be set; curl's way is a raw request.
    const { request } = await import('node:http');
    const status = await new Promise((resolve) =>
      request(url, { headers: { Host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end(),
    );
    expect(status).toBe(403);
  });

  test('shows text of the address as text', async () => {
    const page = await (await get({ program: `${START}<script>` })).text();
    expect(page).not.toContain('<script>');
  });

  test('listens on the loopback only, and ends on Ctrl-C with status 0', async () => {
    const { status, out } = await pvmmu(['explore', '--serve', '--port', '4699'], (child) => {
      child.stdout?.once('data', () => child.kill('SIGINT'));
    });
    expect({ status, out }).toEqual({
      status: 0,
      out: 'Explorer: http://127.0.0.1:4699/ (Ctrl-C ends it)\n',
    });
  });
});

describe.runIf(CHROMIUM)('in Chromium the explorer', () => {
  let browser: Browser;
  beforeAll(async () => (browser = await launch()));
  afterAll(() => browser.close());

  test('leads by clicks to a find and back, without a complaint', async () => {
    const { page, complaints } = await openPage(browser, `${url}/`);
    await page.fill('#own', 'mmu_update B2[0] B2|P');
    await page.press('#own', 'Enter');
    await page.waitForSelector('#program .current');
    expect(new URL(page.url()).searchParams.get('program')).toContain('mmu_update B2[0] B2|P');
    await page.click('button.try.fails[value="mmu_update B2[0] B2|P|RW"]');
    await page.waitForSelector('text=It ends here');
    expect(await page.textContent('h1')).toContain('is writable and reaches B2');
    await page.click('text=Take the last operation back');
    await page.waitForSelector('text=Try next');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test.each([
    ['1280 pixels', { width: 1280, height: 900 }, 'dark'],
    ['375 pixels', { width: 375, height: 800 }, 'light'],
  ] as const)('is readable at %s, and axe-core finds nothing serious', async (_, size, scheme) => {
    const { page } = await openPage(browser, `${url}/`, size, scheme);
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    await expectReadable(page);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.close();
  });
});
