/** The reports of whole runs: JUnit, KTAP, and the campaign's page with a page for each find. */
import { basename } from 'node:path';
import { courtFromWords } from './court-options.js';
import type { CliCommand } from './command.js';
import { whatFailed } from './find-report.js';
import { PAGE_MARK, requireOutput, writeOutput } from './output.js';
import type { StoredFind } from '../database/find-text.js';
import type { Candidate } from '../program/candidate.js';
import { type Campaign, campaignPage, type ListedFind, type Sample } from '../report/html/campaign.js';
import { pageText } from '../report/html/page.js';
import { mailText } from '../report/mail.js';
import { junitText, ktapText, type RunCase, type RunReport } from '../report/run.js';
import { tellStory } from '../report/story.js';
import { titleOf } from '../report/words.js';
import { Option } from 'commander';

export interface RunReportOptions {
  readonly junit?: string;
  readonly ktap?: true;
}

/** What is told of a find, whether this run has shrunk it or it was kept. */
export interface ToldFind {
  readonly id: string;
  readonly program: Candidate;
  /** Options of the run that decide what fails. */
  readonly options: string;
  /** The database has it from an earlier run. */
  readonly known: boolean;
  readonly failure: Parameters<typeof whatFailed>[0];
}

export function toldFind({ id, program, options, kind, invariant }: StoredFind, known: boolean): ToldFind {
  const failure = { kind, violation: invariant === undefined ? undefined : { invariant } };
  return { id, program, options, known, failure };
}

/** What every file of JUnit results that pvmmu has written contains. */
const JUNIT_MARK = '<testsuites name="pvmmu ';

export function addRunReportOptions(command: CliCommand): CliCommand {
  return command
    .option('--junit <file>', 'also write the results as JUnit XML there')
    .addOption(
      new Option('--ktap', 'only KTAP on standard output, as kernel tests print it').conflicts('json'),
    );
}

/** Refuses before the run what could not be written after it. */
export function requireOutputs({ junit, html }: RunReportOptions & { readonly html?: string }): void {
  if (junit !== undefined) requireOutput(junit, JUNIT_MARK);
  if (html !== undefined) requireOutput(html, PAGE_MARK);
}

/** Prints and writes what was asked for. */
export function writeRunReports({ junit, ktap }: RunReportOptions, report: RunReport): void {
  if (junit !== undefined) writeOutput(junit, junitText(report), JUNIT_MARK);
  if (ktap) process.stdout.write(ktapText(report));
}

/** The programs of a run that found nothing. */
export function drawnCase(programs: number, operations: number): RunCase {
  return { name: `${programs} drawn programs, ${operations} operations` };
}

export function findCase(find: ToldFind): RunCase {
  const story = tellStory(find.program, courtFromWords(find.options));
  return { name: `find ${find.id}`, failure: { what: whatFailed(find.failure), text: mailText(story) } };
}

/** The campaign's page at `path`, and beside it one for each find, named after it. */
export async function writeCampaign(
  path: string,
  campaign: Omit<Campaign, 'finds'>,
  finds: readonly ToldFind[],
): Promise<void> {
  const listed: ListedFind[] = [];
  for (const find of finds) listed.push(await writeFindPage(path, find));
  writeCampaignPage(path, campaign, listed);
}

/** The page of a find beside the campaign's; what the campaign's says of it. */
export async function writeFindPage(path: string, find: ToldFind): Promise<ListedFind> {
  const { id, known } = find;
  const story = tellStory(find.program, courtFromWords(find.options));
  const file = `${path.replace(/\.html?$/, '')}-${id}.html`;
  writeOutput(file, await pageText(story), PAGE_MARK);
  return { id, known, title: titleOf(story), page: encodeURIComponent(basename(file)) };
}

export function writeCampaignPage(
  path: string,
  campaign: Omit<Campaign, 'finds'>,
  finds: readonly ListedFind[],
): void {
  writeOutput(path, campaignPage({ ...campaign, samples: thinned(campaign.samples), finds }), PAGE_MARK);
}

const SAMPLES_MAX = 300;

/** At most so many of them, the last among them. */
function thinned(samples: readonly Sample[]): readonly Sample[] {
  const step = Math.ceil(samples.length / SAMPLES_MAX);
  return samples.filter((_, i) => (samples.length - 1 - i) % step === 0);
}
