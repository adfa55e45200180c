import { CPU_MASK, CPU_SHIFT, RECORD, span, W_OPCODE } from '../program/record.js';
import type { Machine } from '../program/machine.js';
import type { Program } from '../program/program.js';
import { printFinal } from './final-line.js';
import { printMachineLine } from './machine-line.js';
import type { Naming } from './naming.js';
import { syntaxOf } from './operations.js';
import { VERSION } from './program-reader.js';
import { printResult } from './result.js';
import { printStartState } from './start-state.js';

/** First line of every program text. A blank line separates it and all programs from one another. */
export const HEADER = `pvmmu ${VERSION}\n`;

/** The programs as a complete text. */
export function printPrograms(programs: readonly Program[]): string {
  return [HEADER, ...programs.map((program) => printProgram(program))].join('\n');
}

/** The program as text from its line `program …` on, each line with a newline; `HEADER` and a blank line make it complete. */
export function printProgram(program: Program): string {
  const { machine, code, expected } = program;
  const lines = [printProgramHead(program.name, machine)];
  for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
    lines.push(`${printOperation(code, at, machine, expected)}\n`);
  }
  for (const final of program.finals) lines.push(`${printFinal(final, machine)}\n`);
  return lines.join('');
}

/** The lines of a program before its operations, each with a newline: name, machine and start state. */
export function printProgramHead(name: string, machine: Machine): string {
  const start = machine.frames > 0 ? [] : printStartState(machine.start, machine.arch);
  return [`program ${name}`, printMachineLine(machine), ...start, ''].join('\n');
}

/**
 * The operation whose records begin at `at`, in several lines for a list or multicall, without a newline at the
 * end. `results` holds answers by record; without it none is printed.
 */
export function printOperation(code: Int32Array, at: number, naming: Naming, results?: Int32Array): string {
  const lines: string[] = [];
  addOperation(lines, '', code, at, naming, results, true);
  return lines.join('\n');
}

/** `answered` says whether the operation stands where operations have answers, that is, not in a list of requests. */
function addOperation(
  lines: string[],
  indent: string,
  code: Int32Array,
  at: number,
  naming: Naming,
  results: Int32Array | undefined,
  answered: boolean,
): void {
  const syntax = syntaxOf(code, at);
  const cpu = (code[at + W_OPCODE]! >> CPU_SHIFT) & CPU_MASK;
  let text = `${indent}${cpu === 0 ? '' : `cpu${cpu}: `}${syntax.word}`;
  for (const operand of syntax.operands) text += ` ${operand.print(code, at, naming)}`;
  for (const options of [syntax.options, syntax.outerOptions]) {
    for (const option of options) {
      const field = option.print(code, at, naming);
      if (field !== '') text += ` ${field}`;
    }
  }
  const answer = results && answered && syntax.answered ? ` -> ${printResult(results[at / RECORD]!)}` : '';
  if (syntax.items.length === 0) {
    lines.push(text + answer);
    return;
  }
  lines.push(text);
  const end = at + span(code, at) * RECORD;
  const elementsAnswered = !syntax.list;
  for (let item = at + RECORD; item < end; item += span(code, item) * RECORD) {
    addOperation(lines, `${indent}  `, code, item, naming, results, elementsAnswered);
  }
  lines.push(`${indent}end${answer}`);
}
