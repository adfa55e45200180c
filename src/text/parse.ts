import type { Machine } from '../program/machine.js';
import type { FinalFrame, Program } from '../program/program.js';
import { RECORD, span } from '../program/record.js';
import { TextError } from './error.js';
import { copyFinal } from './final-line.js';
import { LineSplitter } from './lines.js';
import { ProgramReader, type ProgramHandler } from './program-reader.js';
import { RecordBuffer } from './record-buffer.js';

/** Keeps whole programs in memory and hands each on when it is complete. */
export class ProgramCollector implements ProgramHandler {
  private name = '';
  private machine: Machine | undefined;
  private records = new RecordBuffer();
  private finals: FinalFrame[] = [];

  constructor(private readonly take: (program: Program) => void) {}

  begin(name: string, machine: Machine): void {
    this.name = name;
    this.machine = machine;
    this.records.clear();
    this.finals = [];
  }

  operation(code: Int32Array, expected: Int32Array): void {
    this.records.append(code, expected, span(code, 0));
  }

  final(final: FinalFrame): void {
    this.finals.push(copyFinal(final));
  }

  end(): void {
    const { records } = this.records;
    this.take({
      name: this.name,
      machine: this.machine!,
      code: this.records.code.slice(0, records * RECORD),
      expected: this.records.expected.slice(0, records),
      finals: this.finals,
    });
  }
}

/**
 * The programs of a whole text in memory; `file` is what errors call it.
 *
 * @throws TextError if the text is malformed.
 */
export function parsePrograms(text: string, file = 'text'): Program[] {
  const programs: Program[] = [];
  const reader = new ProgramReader(file, new ProgramCollector((program) => programs.push(program)));
  const lines = new LineSplitter(file, (bytes, start, end, line) => reader.line(bytes, start, end, line));
  lines.push(Buffer.from(text));
  lines.finish();
  reader.finish(lines.lines);
  return programs;
}

/**
 * The program of a text that holds just one.
 *
 * @throws TextError if the text is malformed or holds another number of programs.
 */
export function parseProgram(text: string, file = 'text'): Program {
  const [program, ...more] = parsePrograms(text, file);
  if (!program || more.length > 0) {
    throw new TextError(file, 0, 0, `${program ? more.length + 1 : 'no'} programs, expected one`);
  }
  return program;
}
