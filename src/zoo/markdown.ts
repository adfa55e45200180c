/** docs/zoo.md: the catalogue of defects with what hunting them came to. */
import { CONTROLS, type Defect, DEFECTS, LEFT_OUT } from '../../models/defects/index.js';
import {
  breaksInvariant,
  catches,
  type DefectFigures,
  forms,
  holds,
  type HuntFigures,
  isFound,
  judgeFigures,
  median,
  notMinimal,
  reachesShortest,
  summary,
  type ZooFigures,
} from './figures.js';
import { AGREEMENT } from '../lockstep/judge.js';
import { JUDGES } from './judges.js';

/** Seeds that are hunted with unless another number is asked for. */
export const SEEDS_DEFAULT = 5;
const NONE = '–';

type Row = readonly [Defect, DefectFigures];

/** The whole file. It depends on nothing but the catalogue and these figures. */
export function zooMarkdown(figures: ZooFigures): string {
  const rows = DEFECTS.flatMap((defect): Row[] => {
    const found = figures.defects.find(({ id }) => id === defect.id);
    return found ? [[defect, found]] : [];
  });
  return `${[
    introduction(figures),
    overview(rows),
    ...defectTable(rows),
    ...controlTable(figures),
    ...judgeTable(figures.defects),
    ...killMatrix(rows),
    '## The stories',
    ...rows.flatMap(story),
    ...leftOutTable(),
  ].join('\n\n')}\n`;
}

function introduction({ seeds, operations }: ZooFigures): string {
  const command = `npx pvmmu zoo${seeds === SEEDS_DEFAULT ? '' : ` --seeds ${seeds}`} --md docs/zoo.md`;
  return `# The zoo

Written by \`${command}\`, with its figures in \`zoo.json\` beside it; the defects themselves are in \`models/defects\`.

A checker of invariants that finds nothing has shown little, unless it finds what is known to have been wrong. The zoo
keeps mistakes that Xen's PV pagetable code once made, or nearly made. The optimized model can be told to make any of
them (\`npx pvmmu fuzz --defect ID\`); each is hunted with ${seeds} seeds by both models in lockstep, and again *alone*, by
the invariants without the reference model. A hunt ends with the first find, which is shrunk, or after
${grouped(operations)} operations; alone it has a tenth of that where only a comparison can see the defect. Nothing in the
hunts knows which defect it is after.

Classes say what a program needs: \`S\` one vCPU without interruption, \`S+T\` besides a TLB, \`P1\` interrupted hypercalls,
\`P2\` several vCPUs, \`K\` a type reference that loses its race. Lengths are in operations; of a list or multicall, those in it.`;
}

function overview(rows: readonly Row[]): string {
  const all = rows.map(([, figures]) => figures);
  const { defects, found, alone, canonical, shortest } = summary(all);
  const missed = rows.filter(
    ([defect, figures]) => breaksInvariant(defect) && !isFound({ hunts: figures.alone }),
  );
  const missing = (test: (row: Row) => boolean) => list(rows.filter(test).map(([{ id }]) => id));
  return `| of ${defects} defects | | not |
| --- | --- | --- |
| found | ${found} | ${missing(([, one]) => !isFound(one))} |
| found alone, of those that break an invariant | ${rows.filter(([defect]) => breaksInvariant(defect)).length - missed.length} | ${list(missed.map(([{ id }]) => id))} |
| found alone, of all | ${alone} | those with 0 in the column *alone* |
| shrunk to at most two forms by all seeds | ${canonical} | those with more in the column *forms* |
| shrunk to the shortest program known, or a shorter one | ${shortest} | ${missing(([, one]) => isFound(one) && !reachesShortest(one))} |
| finds with an operation that can be left out | ${all.reduce((sum, one) => sum + notMinimal(one), 0)} | |`;
}

function defectTable(rows: readonly Row[]): string[] {
  return [
    '## The defects',
    `Class and length: in the catalogue, and of the shortest program found. Operations: the median of the hunts that
found it. Forms: how many different programs the finds with both models were shrunk to.`,
    table(
      [
        'defect',
        'advisory',
        'class',
        'architectures',
        'found',
        'operations',
        'alone',
        'operations',
        'seen by',
        'length',
        'forms',
      ],
      rows.map(([defect, figures]) => {
        const { best, known } = figures;
        return [
          `[${defect.id}](#${defect.id})`,
          defect.advisory ?? '',
          `${defect.class} / ${best?.class ?? NONE}`,
          defect.arches.join(', '),
          ...foundCells(figures.hunts),
          ...foundCells(figures.alone),
          list([...new Set(catches(figures.alone).map(({ judge }) => judge))]),
          `${known ?? NONE} / ${best?.length ?? NONE}`,
          best ? `${forms(figures)}` : NONE,
        ];
      }),
    ),
  ];
}

function foundCells(hunts: readonly HuntFigures[]): [string, string] {
  const found = hunts.filter(({ caught }) => caught !== undefined);
  const operations = median(found.map(({ operations }) => operations));
  return [`${found.length}/${hunts.length}`, operations === undefined ? NONE : grouped(operations)];
}

function controlTable({ controls }: ZooFigures): string[] {
  return [
    '## Controls',
    'Whether the measurement measures: what every hunt must find, and what none may.',
    table(
      ['control', 'defect', 'machine', 'expected', 'found', 'operations', 'holds', 'why'],
      CONTROLS.flatMap(({ id, defect, machine, expected, reason }) => {
        const control = controls.find((one) => one.id === id);
        if (!control) return [];
        const cells = foundCells(control.hunts);
        return [
          [id, defect, machine || 'any', expected, ...cells, holds(control) ? 'yes' : '**no**', reason],
        ];
      }),
    ),
  ];
}

function judgeTable(defects: readonly DefectFigures[]): string[] {
  const judges = judgeFigures(defects);
  const idle = judges.filter(({ judge, only }) => judge !== AGREEMENT && only.length === 0);
  return [
    '## Who sees what',
    `All finds of all hunts and the catalogue's programs are run with their defect, and after every operation each
invariant is asked as if it were the only one. Besides the invariants of \`docs/invariants.md\` there are \`bounded-work\` and
\`bounded-recursion\` (rules 16.1, 2.5), \`assertion\` (Xen would have stopped) and \`agreement\` (the comparison with the
reference model). The last column has the defects that no other of them sees, \`agreement\` left aside. All this is a lower
bound: a shrunk program ends where it is first objected to, and what others would have said later is not in it.`,
    table(
      ['judge', 'sees', 'only it sees'],
      judges.map(({ judge, sees, only }) => [`\`${judge}\``, `${sees}`, list(only)]),
    ),
    'There is no defect that only one of these sees:',
    idle.map(({ judge }) => `- \`${judge}\`: ${WHY_NOT_ALONE[judge] ?? 'not explained.'}`).join('\n'),
  ];
}

/** Why a judge has no defect of its own. */
export const WHY_NOT_ALONE: Readonly<Record<string, string>> = {
  'no-writable-pagetable':
    'a writable mapping of a table comes about by a count or an entry that is wrong already, and those are asked too. It is what the others are there for.',
  'hardware-walk':
    'the same, as the processor sees it: it follows from the others, and would show what they forget.',
  'table-tree': 'what hangs wrongly in the tree is also counted wrongly, or reached by a walk.',
  'legal-entries': 'a flag that should have been refused comes with references that were not taken.',
  'xen-slots': 'the mistakes on record that wrote into these slots need two vCPUs inside one step.',
  'loaded-base': 'a base pointer that is dropped while loaded is one that its holders no longer add up to.',
  'owned-tables': 'foreign frames come in with grants and second domains, which the models do not have.',
  'owned-mappings': 'foreign frames come in with grants and second domains, which the models do not have.',
  'reference-counts': 'a wrong count makes a state that is not legal.',
  'linear-counts': 'linear entries that are miscounted are references that are miscounted.',
  'legal-state': 'a flag without its reference is a wrong count too.',
  'dead-domain': 'what keeps a dead domain was counted wrongly while it died.',
  'bounded-work': 'work that no event ends also answers otherwise than the reference model.',
  'bounded-recursion':
    'a chain of linear entries breaks the linear counts at two tables, long before it is deep.',
  tlb: 'a translation that should have been flushed is to a frame whose count is wrong.',
  assertion: 'what Xen stops at has broken a count before.',
};

/** A table as wide as it must be: the judges by two or three letters. */
function killMatrix(rows: readonly Row[]): string[] {
  return [
    '### Every judge and every defect',
    `${JUDGES.map((judge) => `\`${letters(judge)}\` ${judge}`).join(', ')}.`,
    table(
      ['defect', ...JUDGES.map(letters)],
      rows.map(([{ id }, { seenBy }]) => [id, ...JUDGES.map((judge) => (seenBy.includes(judge) ? '×' : ''))]),
    ),
  ];
}

function letters(judge: string): string {
  const words = judge.split('-');
  return words.length === 1 ? judge.slice(0, 2) : words.map((word) => word[0]).join('');
}

function story([defect, figures]: Row): string[] {
  const { id, cause, title, advisory, cve, versions, fix, rules } = defect;
  const facts = [
    ...(advisory ? [advisory] : []),
    ...(cve ? [cve] : []),
    `root cause ${cause}`,
    `Xen ${versions}`,
    `fixed by ${fix}`,
  ];
  return [
    `### ${id}`,
    `**${title}** (${facts.join('; ')})`,
    defect.story,
    `In the model (rules ${rules}): ${defect.rule} Breaks ${defect.breaks.join(', ')}.`,
    program(defect, figures),
  ];
}

/** The smallest program there is, in the shrinker's order. */
function program({ id, shortest }: Defect, { known, best, shorter }: DefectFigures): string {
  const text = shorter ?? shortest;
  if (text === undefined) return 'No program that shows it is known.';
  const found = `Found (${best?.id}); ${known === undefined ? 'the catalogue has none' : `the catalogue's has ${counted(known)}`}:`;
  const catalogued = best
    ? `From the catalogue; the shortest found has ${counted(best.length)}:`
    : 'From the catalogue; no hunt found it:';
  return `${shorter === undefined ? catalogued : found}\n\n\`\`\`\nprogram ${id}\n${text}\n\`\`\``;
}

function leftOutTable(): string[] {
  return [
    '## Left out',
    'Mistakes of the same code that the models do not make, and what they would need.',
    table(
      ['defect', 'root cause', 'advisory', 'what', 'reason'],
      LEFT_OUT.map(({ id, cause, advisory, title, reason }) => [
        id,
        `${cause}`,
        advisory ?? '',
        title,
        reason,
      ]),
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function list(words: readonly string[]): string {
  return words.length === 0 ? NONE : words.join(', ');
}

function counted(operations: number): string {
  return `${operations} operation${operations === 1 ? '' : 's'}`;
}

function grouped(number: number): string {
  return `${number}`.replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
