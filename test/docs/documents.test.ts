import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'docs/reading-guide.md', 'docs/rules-index.md'];

test('the index of rules is current; npm run rules-index writes it', () => {
  const code =
    "import('./docs/rules-index.mjs').then(({ rulesIndex }) => process.stdout.write(rulesIndex()))";
  expect(readFileSync('docs/rules-index.md', 'utf8')).toBe(execFileSync('node', ['-e', code]).toString());
});

test.each(DOCUMENTS)('every link and picture of %s is there', (document) => {
  const text = readFileSync(document, 'utf8');
  const targets = [
    ...[...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!),
    ...[...text.matchAll(/(?:src|srcset)="([^"]+)"/g)].map(([, target]) => target!),
  ];
  for (const target of new Set(targets))
    expect(existsSync(join(dirname(document), target)), target).toBe(true);
});
