/** A report as the text of a mail: plain ASCII, 72 columns, for a program that was shrunk 60 lines at most. */
import manifest from '../../package.json' with { type: 'json' };
import { courtText, losesCount } from '../fuzz/trials.js';
import { CLASS_WORDS, classOf } from '../fuzz/class.js';
import type { Machine } from '../program/machine.js';
import { HEADER, printProgramHead } from '../text/print.js';
import { causalSlice } from './slice.js';
import type { Step, Story } from './story.js';
import {
  adviceOf,
  ascii,
  assertionText,
  changeLines,
  COLUMNS,
  meaningOf,
  pathText,
  ruleText,
  titleOf,
  wrap,
} from './words.js';

export const LINES_MAX = 60;
const END = 'END';
const LABEL = 12;
/** Lines of the program where it is too long for the mail: its last steps. */
const LAST_STEPS = 8;

export function mailText(story: Story): string {
  const rest = [...head(story), '', ...findings(story), ...footer(story)];
  const room = LINES_MAX - rest.length;
  const listing = programLines(story, room);
  return ascii([...head(story), '', ...listing, ...findings(story), ...footer(story), ''].join('\n'));
}

function head(story: Story): string[] {
  const { program, court, defects } = story;
  const { machine } = program;
  return [
    ...wrap(`[pvmmu ${story.id}] ${ascii(titleOf(story))}`),
    '',
    ...wrap(ascii(meaningOf(story))),
    '',
    ...field('Machine', machineText(machine)),
    ...field('Semantics', semanticsText(machine, losesCount(court))),
    ...defects.flatMap(({ id, advisory, cve, title }) =>
      field('Defect', ascii(`${id}${named([advisory, cve])}: ${title}`)),
    ),
    ...field('Takes', CLASS_WORDS[classOf(program)]),
  ];
}

function named(words: readonly (string | undefined)[]): string {
  const known = words.filter((word) => word !== undefined);
  return known.length === 0 ? '' : ` (${known.join(', ')})`;
}

/** The program as a command to paste, with what each step changed; shorter where there is no room. */
function programLines(story: Story, room: number): string[] {
  const command = repeatCommand(story);
  const start = printProgramHead('counterexample', story.program.machine).trimEnd().split('\n');
  const isWhole = story.steps.length === (story.failure ? story.failure.operation + 1 : story.operations);
  const lines = (withChanges: (step: Step) => boolean) => [
    ...wrap(
      'To repeat, paste into a shell. Comments say what each step changed: type and type count of frames, entries of tables.',
    ),
    '',
    ...continued(`${command} - <<'${END}'`),
    HEADER.trimEnd(),
    ...start,
    ...story.steps.flatMap((step) => [
      ...step.text.split('\n'),
      ...(withChanges(step) ? comments(step) : []),
    ]),
    END,
    '',
  ];
  const causes = new Set(causalSlice(story).map(({ step }) => step));
  const attempts = [() => true, ({ number }: Step) => causes.has(number), () => false];
  for (const attempt of attempts) {
    const listing = lines(attempt);
    if (isWhole && listing.length <= room) return listing;
  }
  return [
    ...wrap(
      `The program has ${story.operations} operations. Shrink it first (npx pvmmu reduce FILE), then report that. Its last steps:`,
    ),
    '',
    ...story.steps.slice(-LAST_STEPS).flatMap((step) => step.text.split('\n').slice(0, 2)),
    '',
    ...wrap(`To repeat: ${command} FILE`),
    '',
  ];
}

/** A command in lines that a shell joins again. */
function continued(command: string): string[] {
  const lines = wrap(command, '', '  ', COLUMNS - 2);
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}

function comments(step: Step): string[] {
  const lines = changeLines(step);
  if (step.rules !== undefined) lines.unshift(`the rules say ${step.rules}`);
  if (lines.length === 0) lines.push('changes nothing');
  return lines.flatMap((line, i) => wrap(ascii(line), i === 0 ? `# ${step.number}. ` : '#    ', '#      '));
}

function findings(story: Story): string[] {
  const { broken, failure, program } = story;
  if (!failure) return [];
  const [violation, ...others] = broken;
  const printed = story.steps.at(-1)?.printed ?? [];
  const lines: string[] = [];
  if (violation) {
    lines.push(...field('Violated', ascii(ruleText(violation))));
    const path = pathText(violation, program.machine);
    if (path) lines.push(...field(violation.path ? 'Path' : 'Entry', path));
    if (others.length > 0)
      lines.push(...field('Also broken', others.map(({ invariant }) => invariant).join(', ')));
  } else
    lines.push(
      ...field(
        failure.kind === 'assertion' ? 'Stops' : 'Differs',
        ascii(failure.kind === 'assertion' ? assertionText(story) : failure.message),
      ),
    );
  for (const [i, { step, what }] of causalSlice(story).entries())
    lines.push(
      ...field(i === 0 ? 'Because' : '', `${step === 0 ? 'start:' : `step ${step}`} ${ascii(what)}`),
    );
  if (printed.length > 0) {
    lines.push('', ...wrap('A debug build of Xen that keeps the rules prints at the last step:'));
    lines.push(...[...new Set(printed)].flatMap((line) => wrap(line, '  (XEN) ', '        ')));
  }
  return lines;
}

function footer(story: Story): string[] {
  const advice = adviceOf(story);
  return [
    '',
    ...wrap(
      `pvmmu ${manifest.version}, Node ${process.versions.node}; rules: Xen 4.17, docs/xen-mmu-rules.md; id ${story.id}.`,
    ),
    ...(advice ? wrap(advice) : []),
  ];
}

/** `Label       text`, wrapped under the text. */
function field(label: string, text: string): string[] {
  return wrap(text, label.padEnd(LABEL), ' '.repeat(LABEL), COLUMNS);
}

export function repeatCommand(story: Story): string {
  const options = courtText(story.court);
  return `npx pvmmu report${options === '' ? '' : ` ${options}`}`;
}

function machineText({ arch, hardwareDomain, frames, vcpus, debugBuild }: Machine): string {
  const domain = hardwareDomain ? 'hardware domain (dom0)' : 'ordinary domain';
  const build = debugBuild ? 'debug build' : 'release build';
  const cpus = vcpus === 1 ? '1 vCPU' : `${vcpus} vCPUs`;
  return `${arch}${arch === 'x86_32' ? ' (PAE)' : ''}, ${domain}, ${cpus}, ${frames > 0 ? `${frames} frames, ` : ''}${build}`;
}

function semanticsText({ quirks, linear, writablePagetables }: Machine, losses: boolean): string {
  const parts = ['Xen 4.17'];
  if (quirks === 'intended') parts.push('without the references it loses (quirks=intended)');
  else parts.push(losses ? 'as shipped, lost references being failures' : 'as shipped');
  if (!linear) parts.push('no linear pagetables');
  if (writablePagetables) parts.push('writable pagetables assist');
  return parts.join(', ');
}
