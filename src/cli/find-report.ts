/** Finds as they are printed, as they are written in JSON, and as they are kept. */
import { join } from 'node:path';
import type { StoredFind } from '../database/find-text.js';
import { FINDS_FOLDER } from '../database/finds.js';
import { CLASS_WORDS, classOf } from '../fuzz/class.js';
import type { Failure } from '../lockstep/lockstep.js';
import { operationStarts } from '../program/record.js';
import { mailText } from '../report/mail.js';
import { tellStory } from '../report/story.js';
import type { Candidate } from '../program/candidate.js';
import type { Reduction } from '../shrink/reduce.js';
import { candidateText } from '../shrink/text.js';
import { courtFromWords } from './court-options.js';

/** A find as a run reports it. */
export interface Report {
  readonly id: string;
  readonly program: Candidate;
  readonly failure: Failure;
  /** Answers to the program, by record. */
  readonly answers: Int32Array;
  /** Options of the run that decide what fails. */
  readonly options: string;
  readonly repeat: string;
  /** The database has it from an earlier run. */
  readonly known: boolean;
  /** Why it could not be saved, if it could not. */
  readonly unsaved?: string;
  /** Of what was shrunk in this run. */
  readonly shrunk?: {
    readonly reduction: Reduction;
    readonly operationsDrawn: number;
    /** It fails without the run's defects too. */
    readonly withoutDefects: boolean;
  };
  /** Of what was met while another find was shrunk: that find's id. */
  readonly metWith?: string;
}

/** What is wrong, in a few words. */
export function whatFailed({
  kind,
  violation,
}: {
  readonly kind: Failure['kind'];
  readonly violation?: { readonly invariant: string } | undefined;
}): string {
  if (kind === 'assertion') return 'a model gave up';
  return kind === 'invariant'
    ? `invariant ${violation!.invariant} is violated`
    : `the models differ (${kind})`;
}

export function fileOf(id: string): string {
  return join(FINDS_FOLDER, `${id}.pvmmu`);
}

/** The command that shrinks a kept find, further or again. */
export function reduceCommand({ id, options }: { readonly id: string; readonly options: string }): string {
  return `npx pvmmu reduce ${options === '' ? '' : `${options} `}${fileOf(id)}`;
}

export function storedFind({ id, program, failure, answers, options, repeat }: Report): StoredFind {
  return {
    id,
    title: failure.message,
    kind: failure.kind,
    invariant: failure.violation?.invariant,
    options,
    repeat,
    program: { ...program, name: 'counterexample', expected: answers, finals: [] },
  };
}

/** Several lines, from what failed on. */
export function findText(report: Report): string {
  const { program, failure, shrunk } = report;
  if (!shrunk) return otherText(report);
  const { reduction, operationsDrawn, withoutDefects } = shrunk;
  const kind = classOf(program);
  return [
    '',
    `Found: ${whatFailed(failure)}. Shrunk from ${operationsDrawn} operations in ${reduction.runs} runs:`,
    '',
    mailText(tellStory(program, courtFromWords(report.options))),
    ...(withoutDefects ? ['It fails without the defect too, so it does not show the defect.'] : []),
    `Class: ${kind} (${CLASS_WORDS[kind]})`,
    savedText(report),
    ...(report.unsaved === undefined
      ? [`Look at it: npx pvmmu report --html report.html ${fileOf(report.id)}`]
      : []),
    proofText(report, reduction),
  ].join('\n');
}

/** One line for a find that is not shown in full. */
function otherText(report: Report): string {
  const { failure, metWith } = report;
  const head = metWith === undefined ? 'Known find, fails again' : 'Met on the way';
  return `${head}: ${whatFailed(failure)}: ${failure.message} ${savedText(report)}`;
}

function savedText({ id, known, unsaved }: Report): string {
  if (unsaved !== undefined) return `Not saved: ${unsaved}`;
  return `${known ? 'Known' : 'Saved'}: ${fileOf(id)}`;
}

function proofText(report: Report, { minimal, proof, runs }: Reduction): string {
  if (!minimal) return `Not minimal: interrupted after ${runs} runs. Go on: ${reduceCommand(report)}`;
  const passing = proof.filter(({ failure }) => failure === undefined).length;
  const others = [...new Set(proof.flatMap(({ failure }) => (failure ? [whatFailed(failure)] : [])))];
  const rest = others.length === 0 ? '' : `, ${proof.length - passing} fail otherwise (${others.join('; ')})`;
  return `Proof: ${proof.length} programs with one operation or element less: ${passing} pass${rest}.`;
}

export function findJson(report: Report): object {
  const { id, program, failure, answers, options, repeat, known, unsaved, shrunk, metWith } = report;
  return {
    type: 'find',
    id,
    known,
    kind: failure.kind,
    invariant: failure.violation?.invariant,
    message: failure.message,
    class: classOf(program),
    arch: program.machine.arch,
    operations: operationStarts(program.code).length,
    operationsDrawn: shrunk?.operationsDrawn,
    minimal: shrunk?.reduction.minimal,
    proof: shrunk?.reduction.proof.map(({ path, failure: other }) => ({
      path,
      failure: other && whatFailed(other),
    })),
    withoutDefects: shrunk?.withoutDefects,
    metWith,
    program: candidateText(program, 'counterexample', answers),
    file: unsaved === undefined ? fileOf(id) : undefined,
    unsaved,
    options,
    repeat,
  };
}
