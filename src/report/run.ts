/** What a run came to, for machines that collect results: JUnit's XML, and KTAP as kernel tests print it. */

export interface RunCase {
  readonly name: string;
  readonly failure?: {
    /** In one line. */
    readonly what: string;
    /** As many lines as it takes. */
    readonly text: string;
  };
}

export interface RunReport {
  /** `pvmmu fuzz` */
  readonly name: string;
  readonly seconds: number;
  readonly cases: readonly RunCase[];
}

export function junitText({ name, seconds, cases }: RunReport): string {
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const counts = `name="${xml(name)}" tests="${cases.length}" failures="${failures}" errors="0" time="${seconds.toFixed(3)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite ${counts} skipped="0">`,
    ...cases.map((one) => caseXml(name, one)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function caseXml(suite: string, { name, failure }: RunCase): string {
  const head = `    <testcase classname="${xml(suite)}" name="${xml(name)}"`;
  if (!failure) return `${head}/>`;
  return `${head}><failure message="${xml(failure.what)}">${xml(failure.text)}</failure></testcase>`;
}

/** What XML cannot hold at all becomes a question mark. */
function xml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '?')
    .replaceAll(/[&<>"]/g, (character) => entities[character]!);
}

/** Version 1 (Documentation/dev-tools/ktap.rst of Linux): the diagnosis of a result stands before it. */
export function ktapText({ name, cases }: RunReport): string {
  const lines = [
    'KTAP version 1',
    '1..1',
    '  KTAP version 1',
    `  # Subtest: ${name}`,
    `  1..${cases.length}`,
  ];
  for (const [i, one] of cases.entries()) {
    for (const line of one.failure?.text.trimEnd().split('\n') ?? []) lines.push(`  # ${line}`.trimEnd());
    lines.push(`  ${one.failure ? 'not ok' : 'ok'} ${i + 1} ${oneWord(one.name)}`);
  }
  const isFailed = cases.some(({ failure }) => failure !== undefined);
  return [...lines, `${isFailed ? 'not ok' : 'ok'} 1 ${oneWord(name)}`, ''].join('\n');
}

/** A `#` would begin a directive. */
function oneWord(text: string): string {
  return text.replaceAll(/[#\n\r]/g, ' ');
}
