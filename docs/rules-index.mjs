// Writes docs/rules-index.md: where each section of the rules is stated in the models and properties. npm run rules-index
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const FOLDERS = ['models/reference', 'models/optimized', 'properties'];
/** A comment that names rules, and the declaration that it stands before. */
const RULES = /\(?rules ((?:\d+(?:\.\d+)?)(?:(?:,| and| to| -) \d+(?:\.\d+)?)*)/g;
const DECLARATION =
  /^\s*(?:export )?(?:private |protected |readonly |override |static |async )*(?:(?:function|class|const|let|interface)\s+)?([A-Za-z_]\w*)\s*[(=:<{]/;

export function rulesIndex() {
  const titles = new Map(
    [...readFileSync('docs/xen-mmu-rules.md', 'utf8').matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? (.+)$/gm)].map(
      ([, number, title]) => [number, title.replaceAll('|', '\\|')],
    ),
  );
  const places = new Map();
  for (const folder of FOLDERS)
    for (const name of readdirSync(folder)
      .filter((one) => one.endsWith('.ts'))
      .sort())
      for (const { section, declared } of statements(`${folder}/${name}`)) {
        const known = places.get(section) ?? new Set();
        known.add(`[\`${declared}\`](../${folder}/${name})`);
        places.set(section, known);
      }
  const rows = [...places]
    .filter(([section]) => titles.has(section))
    .sort(([a], [b]) => byNumber(a, b))
    .map(([section, found]) => `| ${section} | ${titles.get(section)} | ${[...found].join(' · ')} |`);
  return `# Where each rule is stated

Sections of [xen-mmu-rules.md](xen-mmu-rules.md), which names the functions of Xen, and the functions of the models and properties that say they state them.
Written by \`npm run rules-index\`; a test asks that it is current.

| rule | title | stated by |
| --- | --- | --- |
${rows.join('\n')}
`;
}

/** For each comment with rules: the sections, and the name declared next. */
function* statements(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  for (const [i, line] of lines.entries()) {
    if (!/^\s*(?:\/\/|\/\*|\*)/.test(line) && !line.includes('// ')) continue;
    for (const [, list] of line.matchAll(RULES)) {
      const declared = declaredAt(lines, i) ?? path.split('/').at(-1);
      for (const [section] of list.matchAll(/\d+(?:\.\d+)?/g)) yield { section, declared };
    }
  }
}

function declaredAt(lines, from) {
  for (const line of lines.slice(from, from + 12)) {
    if (/^\s*(?:\/\/|\/\*|\*|import|export \{|\})/.test(line)) continue;
    const [, name] = DECLARATION.exec(line) ?? [];
    if (name !== undefined && !['if', 'for', 'while', 'return', 'switch'].includes(name)) return name;
  }
  return undefined;
}

function byNumber(a, b) {
  const [aMajor, aMinor = 0] = a.split('.').map(Number);
  const [bMajor, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

if (process.argv[1]?.endsWith('rules-index.mjs')) writeFileSync('docs/rules-index.md', rulesIndex());
