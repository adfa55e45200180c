import { Option } from 'commander';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { Model } from '../../models/model.js';
import { type Difference, replayFile, type Tally } from '../replay/replay.js';
import type { RunCase } from '../report/run.js';
import { CliCommand } from './command.js';
import {
  addRunReportOptions,
  requireOutputs,
  type RunReportOptions,
  writeRunReports,
} from './run-reports.js';

export interface ReplayOptions extends RunReportOptions {
  readonly model: 'reference' | 'optimized' | 'both';
  readonly json?: true;
}

export const replayCommand = addRunReportOptions(new CliCommand('replay'))
  .description('replay recorded programs and compare every answer and final state')
  .argument('<file...>', 'program texts, plain or gzipped; - for standard input')
  .addOption(
    new Option('--model <which>', 'models to run')
      .choices(['reference', 'optimized', 'both'])
      .default('both'),
  )
  .option('--json', 'one JSON object a line: each difference, then the summary')
  .example('compare both models with real Xen', 'replay vectors/xen-4.17-x86_64-a.pvmmu.gz')
  .example('one model, for scripts', 'replay --model optimized --json regressions/*.pvmmu')
  .action(replay);

/** Differences printed in full; the rest is counted. */
const PRINTED_MAX = 100;

/** `pvmmu replay`: exit status 0 only if every answer and every final line is the recorded one. */
export async function replay(files: string[], options: ReplayOptions): Promise<void> {
  requireOutputs(options);
  const models = modelsOf(options.model);
  const tally: Tally = { programs: 0, equalPrograms: 0, operations: 0, equalOperations: 0 };
  let differences = 0;
  const begin = performance.now();
  const cases: RunCase[] = [];
  let texts: string[] = [];
  const report = (difference: Difference) => {
    differences++;
    if (texts.length < PRINTED_MAX) texts.push(differenceText(difference));
    if (options.ktap) return;
    if (options.json) console.log(JSON.stringify({ type: 'difference', ...difference }));
    else if (differences <= PRINTED_MAX) console.log(differenceText(difference));
  };
  for (const file of files) {
    await replayFile(file, models, tally, report, (name) => {
      const failure = { what: 'answers differ', text: texts.join('\n') };
      cases.push({ name: `${file}: ${name}`, ...(texts.length > 0 ? { failure } : {}) });
      texts = [];
    });
  }
  writeRunReports(options, { name: 'pvmmu replay', seconds: (performance.now() - begin) / 1000, cases });
  if (options.json) console.log(JSON.stringify({ type: 'summary', ...tally }));
  else if (!options.ktap) console.log(summaryText(tally, differences));
  process.exitCode = differences === 0 ? 0 : 1;
}

function summaryText(
  { programs, equalPrograms, operations, equalOperations }: Tally,
  differences: number,
): string {
  const more = differences > PRINTED_MAX ? `… and ${differences - PRINTED_MAX} more differences\n` : '';
  return `${more}replay: ${programs} programs, ${equalPrograms} equal; ${operations} operations, ${equalOperations} equal`;
}

function modelsOf(which: ReplayOptions['model']): Model[] {
  const reference = which === 'optimized' ? [] : [new ReferenceModel()];
  return which === 'reference' ? reference : [...reference, new OptimizedModel()];
}

function differenceText({ file, program, line, model, what, expected, got }: Difference): string {
  const lines = [`${file}:${line}: program ${program}: ${model} model`];
  if (what !== 'final') lines.push(`  ${what}`);
  return [...lines, `  expected ${expected}`, `  got      ${got}`].join('\n');
}
