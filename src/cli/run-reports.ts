/** The reports of whole runs: JUnit, KTAP, and the campaign's page with a page for each find. */
import { basename } from 'node:path';
import { courtFromWords } from './court-options.js';
import type { CliCommand } from './command.js';
import { type Report, whatFailed } from './find-report.js';
import { PAGE_MARK, requireOutput, writeOutput } from './output.js';
import { type Campaign, campaignPage } from '../report/html/campaign.js';
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

export function findCase(find: Report): RunCase {
  const story = tellStory(find.program, courtFromWords(find.options));
  return { name: `find ${find.id}`, failure: { what: whatFailed(find.failure), text: mailText(story) } };
}

/** The campaign's page at `path`, and beside it one for each find, named after it. */
export async function writeCampaign(
  path: string,
  campaign: Omit<Campaign, 'finds'>,
  finds: readonly Report[],
): Promise<void> {
  const pages = finds.map((find) => ({ find, story: tellStory(find.program, courtFromWords(find.options)) }));
  const fileOf = (id: string) => `${path.replace(/\.html?$/, '')}-${id}.html`;
  for (const { find, story } of pages) writeOutput(fileOf(find.id), await pageText(story), PAGE_MARK);
  const listed = pages.map(({ find: { id, known }, story }) => ({
    id,
    known,
    title: titleOf(story),
    page: encodeURIComponent(basename(fileOf(id))),
  }));
  writeOutput(path, campaignPage({ ...campaign, finds: listed }), PAGE_MARK);
}
