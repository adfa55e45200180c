import { gzipSync } from 'node:zlib';
import { ReferenceModel } from '../../models/reference/model.js';
import { UNKNOWN } from '../../models/x86/result.js';
import type { Machine } from '../program/machine.js';
import type { Program } from '../program/program.js';
import { operationStarts } from '../program/record.js';
import { ProgramCollector } from '../text/parse.js';
import { HEADER, printProgram } from '../text/print.js';
import { readProgramText } from '../text/read.js';
import type { Farm, Outcome } from '../xen/farm.js';
import { type Difference, differences, type Expectation, Oracle, type Prediction } from '../xen/oracle.js';
import { whyNot } from '../xen/support.js';
import { requireNew, writeNew } from './output.js';
import type { Farms } from './xen-farms.js';

/** Differences printed in full; the rest is counted. */
const PRINTED_MAX = 100;

/** `pvmmu xen run`. */
export async function runPrograms(files: readonly string[], farms: Farms): Promise<void> {
  const run = new Run();
  for (const file of files) {
    await onEach(file, farms, (program, farm, outcome) => run.take(file, program, farm, outcome));
  }
  run.summarize();
}

/** `pvmmu xen record`. */
export async function recordPrograms(
  files: readonly string[],
  output: string | undefined,
  farms: Farms,
): Promise<void> {
  if (output !== undefined) requireNew(output);
  const texts: string[] = [];
  let left = 0;
  for (const file of files) {
    await onEach(file, farms, async (program, _, outcome) => {
      if (typeof outcome === 'string' || outcome.kind !== 'answered' || outcome.answer.stopped) {
        left++;
        console.error(`${program.name}: no answers (${whyNoAnswers(outcome)})`);
        texts.push(printProgram(program));
        return;
      }
      const { results, finals } = outcome.answer;
      texts.push(printProgram({ ...program, expected: results, finals }));
    });
  }
  const text = [HEADER, ...texts].join('\n');
  if (output === undefined) process.stdout.write(text);
  else writeNew(output, output.endsWith('.gz') ? gzipSync(text, { level: 9 }) : text);
  process.exitCode = left === 0 ? 0 : 1;
}

/** What came of a program, or why the lab cannot run it. */
type Result = Outcome | string;

/** Runs all programs of a text and hands on, in the text's order, what came of each. */
async function onEach(
  file: string,
  farms: Farms,
  take: (program: Program, farm: Farm, result: Result) => Promise<void>,
): Promise<void> {
  const programs: Program[] = [];
  await readProgramText(file, new ProgramCollector((program) => programs.push(program)));
  const results: Promise<readonly [Farm, Result]>[] = [];
  for (const program of programs) {
    const farm = await farms.of(program.machine.arch);
    const why = whyNot(program, farm.build);
    results.push(
      (why === undefined ? farm.run(program) : Promise.resolve(why)).then((result) => [farm, result]),
    );
  }
  void Promise.allSettled(results); // those after a first that fails are not waited for
  for (const [i, result] of results.entries()) {
    const [farm, outcome] = await result;
    await take(programs[i]!, farm, outcome);
  }
}

function whyNoAnswers(result: Result): string {
  if (typeof result === 'string') return `it ${result}`;
  if (result.kind !== 'answered') return result.kind === 'crashed' ? 'Xen crashed' : 'Xen did not come back';
  const { stopped, operations } = result.answer;
  return `operation ${operations + 1} is ${stopped}`;
}

class Run {
  private programs = 0;
  private equalPrograms = 0;
  private operations = 0;
  private equalOperations = 0;
  private losing = 0;
  private differing = 0;
  private readonly notRun = new Map<string, number>();
  private readonly oracle = new Oracle(new ReferenceModel());
  private readonly shipped = new Map<Machine, Machine>();

  async take(file: string, program: Program, farm: Farm, result: Result): Promise<void> {
    if (typeof result === 'string') {
      const reason = result.replace(/ \(operation \d+\)$/, '');
      this.notRun.set(reason, (this.notRun.get(reason) ?? 0) + 1);
      return;
    }
    const place = `${file}: program ${program.name}`;
    const operations = operationStarts(program.code).length;
    this.programs++;
    this.operations += operations;
    if (result.kind !== 'answered' || result.answer.stopped) {
      this.differing++;
      console.log(`${place}: ${whyNoAnswers(result)}`);
      if (result.kind !== 'answered') console.log(result.lines.map((line) => `  ${line}`).join('\n'));
      return;
    }
    const model = this.oracle.expect({ code: program.code, machine: this.asShipped(program.machine) });
    const found = differences(program, told(program, model), result.answer);
    if (result.answer.lost !== 0) this.losing++;
    if (model.lost !== result.answer.lost) sayLosses(place, result.answer.lost);
    this.equalOperations +=
      operations - new Set(found.map((one) => one.operation).filter((i) => i < operations)).size;
    if (found.length === 0) {
      this.equalPrograms++;
      return;
    }
    this.differing++;
    if (this.differing > PRINTED_MAX) return;
    for (const difference of found) console.log(differenceText(place, difference));
    const again = await farm.run({ ...program, marked: true });
    if (again.kind === 'answered') for (const line of messageLines(again.answer.messages)) console.log(line);
  }

  private asShipped(machine: Machine): Machine {
    let shipped = this.shipped.get(machine);
    if (shipped === undefined) this.shipped.set(machine, (shipped = { ...machine, quirks: 'shipped' }));
    return shipped;
  }

  summarize(): void {
    const { programs, equalPrograms, operations, equalOperations, differing, losing } = this;
    if (differing > PRINTED_MAX) console.log(`… and ${differing - PRINTED_MAX} more programs that differ`);
    for (const [why, count] of this.notRun) console.log(`Not run: ${count} programs, the text ${why}`);
    if (losing > 0)
      console.log(`${losing} programs left a frame with a reference that nobody can drop (rules 14)`);
    console.log(
      `xen: ${programs} programs, ${equalPrograms} equal; ${operations} operations, ${equalOperations} equal`,
    );
    process.exitCode = programs > 0 && differing === 0 ? 0 : 1;
  }
}

/** The text's answers and final lines, and the reference model's where the text has none, as of what no text says. */
function told({ expected, finals }: Program, model: Prediction): Expectation {
  const results = model.results.map((answer, i) => (expected[i] === UNKNOWN ? answer : expected[i]!));
  return { ...model, results, finals: finals.length === 0 ? model.finals : finals };
}

function sayLosses(place: string, lost: number): void {
  const what = lost === 0 ? 'keeps no reference' : 'keeps references that nobody can drop';
  console.log(`${place}: real Xen ${what}, unlike the reference model; see docs/real-xen.md`);
}

function differenceText(place: string, { operation, what, expected, got }: Difference): string {
  const where = what === 'final' ? place : `${place}, operation ${operation + 1}`;
  const lines = what === 'final' ? [where] : [where, `  ${what}`];
  return [...lines, `  expected ${expected}`, `  real Xen ${got}`].join('\n');
}

/** What Xen said, operation by operation. */
export function messageLines(messages: readonly { operation: number; text: string }[] = []): string[] {
  return messages.map(({ operation, text }) => `  operation ${operation + 1}: ${text}`);
}
