import { MAX_VCPUS, standardMachine, type Machine } from '../program/machine.js';
import type { FinalFrame } from '../program/program.js';
import { anyOf, quote, TextError } from './error.js';
import { FinalReader } from './final-line.js';
import { readMachineLine, sameMachineLine, type MachineLine } from './machine-line.js';
import { OperationReader } from './operation-reader.js';
import { OPERATIONS, type OperationSyntax } from './operations.js';
import { LineScanner } from './scanner.js';
import { checkStart } from './start-check.js';
import { StartLines, type Place, type RangeKind } from './start-state.js';
import { Words } from './words.js';

/** The version of the format that is read and written. */
export const VERSION = 1;

/** Gets a text's programs piece by piece, in the text's order. What it throws ends the reading. */
export interface ProgramHandler {
  /**
   * A program begins: its machine and start state are complete. Programs that follow one another and name the
   * same standard machine get the same Machine object. `line` is that of the program's first line.
   */
  begin(name: string, machine: Machine, line: number): void;
  /**
   * One operation, a list or multicall being one: its records from index 0 of `code` on, and by record the
   * expected answer, UNKNOWN where the text gives none. Both arrays are used again for the next operation.
   * `line` is the one where the operation begins.
   */
  operation(code: Int32Array, expected: Int32Array, line: number): void;
  /** What must hold of one frame after the last operation. The object is used again for the next line. */
  final(final: FinalFrame, line: number): void;
  /** The program is complete. */
  end(): void;
}

const COLON = 0x3a;
const NAME_LENGTH = 200;
const NAME = new RegExp(`^[^\\p{C}\\p{Z}]{1,${NAME_LENGTH}}$`, 'u');

/** Where in a program the text is. */
const enum Stage {
  /** Before the line `pvmmu 1`. */
  Header,
  /** After it, before the first program. */
  Programs,
  /** After `program`, before `machine`. */
  Machine,
  /** After `machine`, before the first operation. */
  Start,
  Operations,
  Finals,
}

type Directive = (reader: ProgramReader, start: number) => void;

/** Understands program text line by line and hands its programs to a handler. */
export class ProgramReader {
  readonly scanner: LineScanner;
  private readonly operations = new OperationReader();
  private readonly finals = new FinalReader();
  private stage = Stage.Header;
  private name = '';
  private programPlace: Place = { line: 0, column: 1 };
  private machinePlace: Place = { line: 0, column: 1 };
  private machineLine: MachineLine | undefined;
  private startLines: StartLines | undefined;
  private machine: Machine | undefined;

  constructor(
    readonly file: string,
    private readonly handler: ProgramHandler,
  ) {
    this.scanner = new LineScanner(file);
  }

  /** Reads the line in bytes `start` .. `end`-1. */
  line(bytes: Uint8Array, start: number, end: number, line: number): void {
    const s = this.scanner;
    s.load(bytes, start, end, line);
    if (!s.more()) return;
    const at = s.pos;
    const wordEnd = s.wordEnd();
    if (this.stage === Stage.Header) return this.readHeader(at, wordEnd);
    const word = LINES.find(bytes, at, wordEnd);
    if (word === undefined) {
      if (wordEnd < s.end && bytes[wordEnd] === COLON) return this.readOnCpu(at, wordEnd);
      return this.unknownWord(at, wordEnd);
    }
    s.pos = wordEnd;
    if (typeof word === 'function') word(this, at);
    else this.readOperation(at, word, 0);
  }

  /** The text is over. */
  finish(lines: number): void {
    if (this.stage === Stage.Header) {
      throw new TextError(this.file, lines + 1, 1, `no program text, expected "pvmmu ${VERSION}"`);
    }
    this.endProgram();
  }

  private readHeader(start: number, end: number): void {
    const s = this.scanner;
    if (s.text(start, end) !== 'pvmmu')
      s.fail(start, `unexpected ${s.quoted(start)}, expected "pvmmu ${VERSION}"`);
    s.pos = end;
    this.readVersion();
    this.stage = Stage.Programs;
  }

  private readVersion(): void {
    const s = this.scanner;
    s.field('a version');
    const end = s.fieldEnd();
    if (s.text(s.pos, end) !== String(VERSION)) {
      s.fail(s.pos, `unknown version ${s.quoted(s.pos)}, expected ${VERSION}`);
    }
    s.pos = end;
    s.finish();
  }

  /** The header again: texts may be joined. */
  readNextHeader(): void {
    this.endProgram();
    this.readVersion();
    this.stage = Stage.Programs;
  }

  readProgram(start: number): void {
    const s = this.scanner;
    this.endProgram();
    s.field('a name');
    const end = s.fieldEnd();
    this.name = s.text(s.pos, end);
    if (!NAME.test(this.name)) {
      s.fail(s.pos, `unusable name ${s.quoted(s.pos)}, expected up to ${NAME_LENGTH} visible characters`);
    }
    s.pos = end;
    s.finish();
    this.programPlace = this.place(start);
    this.startLines = undefined;
    this.stage = Stage.Machine;
  }

  readMachine(start: number): void {
    const s = this.scanner;
    if (this.stage === Stage.Programs) s.fail(start, 'machine before any program, expected program');
    if (this.stage !== Stage.Machine) {
      s.fail(start, `machine given twice, expected it once (line ${this.machinePlace.line} has it)`);
    }
    const line = readMachineLine(s);
    this.machinePlace = this.place(start);
    if (line.frames === 0) this.startLines = new StartLines(line.options.arch);
    const known = this.machineLine && line.frames > 0 && sameMachineLine(this.machineLine, line);
    if (!known) this.machine = line.frames > 0 ? standardMachine(line.options, line.frames) : undefined;
    this.machineLine = line;
    this.stage = Stage.Start;
  }

  /** The lines of the start state, which such a line may be added to. */
  startLinesFor(start: number): StartLines {
    const s = this.scanner;
    const word = s.quoted(start, s.wordEnd(start));
    this.needMachine(start);
    if (this.operations.list) this.needEnd(start);
    if (this.stage !== Stage.Start)
      s.fail(start, `${word} after an operation, expected the start state before them`);
    if (!this.startLines) {
      return s.fail(
        start,
        `${word} in a machine with frames=, expected an operation: the standard layout is its start state`,
      );
    }
    return this.startLines;
  }

  readFinal(start: number): void {
    this.needMachine(start);
    if (this.operations.list) this.needEnd(start);
    if (this.stage === Stage.Start) this.beginProgram();
    this.stage = Stage.Finals;
    this.handler.final(this.finals.read(this.scanner, this.machine!), this.scanner.line);
  }

  readEnd(start: number): void {
    this.needMachine(start);
    if (this.operations.end(this.scanner, start)) this.emit();
  }

  private readOperation(start: number, syntax: OperationSyntax, cpu: number): void {
    if (this.stage !== Stage.Operations) this.beginOperations(start);
    if (this.operations.read(this.scanner, start, syntax, this.machine!, cpu)) this.emit();
  }

  /** Reads an operation with a vCPU before it, the bytes from `start` to the colon at `colon`. */
  private readOnCpu(start: number, colon: number): void {
    const s = this.scanner;
    this.needMachine(start);
    if (this.operations.list) return this.cpuInList(start, colon);
    const { vcpus } = this.machineLine!.options;
    const cpu = CPUS.find(s.bytes, start, colon);
    if (cpu === undefined || cpu >= vcpus) {
      const expected = anyOf(CPUS.names.slice(0, vcpus).map((name) => `${name}:`));
      return s.fail(
        start,
        `unknown vCPU ${s.quoted(start, colon + 1)}, expected ${expected} (the machine has vcpus=${vcpus})`,
      );
    }
    s.pos = colon + 1;
    s.field('an operation');
    const at = s.pos;
    const end = s.wordEnd();
    const word = LINES.find(s.bytes, at, end);
    if (word === undefined) return this.unknownWord(at, end);
    if (typeof word === 'function') {
      return s.fail(at, `${s.quoted(at, end)} after ${s.quoted(start, colon + 1)}, expected an operation`);
    }
    s.pos = end;
    this.readOperation(at, word, cpu);
  }

  private cpuInList(start: number, colon: number): never {
    const s = this.scanner;
    const { list, line } = this.operations;
    return s.fail(
      start,
      `${s.quoted(start, colon + 1)} in a ${list!.syntax.word}, expected it in line ${line}, where the operation begins`,
    );
  }

  private beginOperations(start: number): void {
    const s = this.scanner;
    this.needMachine(start);
    if (this.stage === Stage.Finals) {
      s.fail(start, `${s.quoted(start, s.wordEnd(start))} after final, expected final or the next program`);
    }
    this.beginProgram();
    this.stage = Stage.Operations;
  }

  private emit(): void {
    const { records, line } = this.operations;
    this.handler.operation(records.code, records.expected, line);
  }

  private needMachine(start: number): void {
    const s = this.scanner;
    if (this.stage === Stage.Programs)
      s.fail(start, `${s.quoted(start, s.wordEnd(start))} before any program, expected program`);
    if (this.stage === Stage.Machine)
      s.fail(start, `${s.quoted(start, s.wordEnd(start))} before machine, expected machine`);
  }

  private needEnd(start: number): void {
    const s = this.scanner;
    s.fail(
      start,
      `${s.quoted(start, s.wordEnd(start))} in a ${this.operations.list!.syntax.word}, expected end`,
    );
  }

  private beginProgram(): void {
    if (this.startLines) {
      const { options } = this.machineLine!;
      checkStart(this.startLines, options, this.file, this.machinePlace);
      this.machine = { ...options, frames: 0, start: this.startLines.state() };
    }
    this.handler.begin(this.name, this.machine!, this.programPlace.line);
  }

  private endProgram(): void {
    const { list } = this.operations;
    if (list)
      throw new TextError(
        this.file,
        list.line,
        list.column,
        `${list.syntax.word} is not closed, expected end before the program ends`,
      );
    if (this.stage === Stage.Header || this.stage === Stage.Programs) return;
    if (this.stage === Stage.Machine) {
      const { line, column } = this.programPlace;
      throw new TextError(
        this.file,
        line,
        column,
        `program ${quote(this.name)} has no machine line, expected one`,
      );
    }
    if (this.stage === Stage.Start) this.beginProgram();
    this.handler.end();
  }

  private place(at: number): Place {
    return { line: this.scanner.line, column: this.scanner.columnOf(at) };
  }

  private unknownWord(start: number, end: number): never {
    const s = this.scanner;
    if (end === start)
      return s.fail(start, `unexpected ${s.quoted(start)}, expected an operation or directive`);
    const nearest = LINES.nearest(s.text(start, Math.min(end, start + 100)));
    const expected = nearest ? `perhaps ${nearest}` : 'an operation or directive';
    return s.fail(start, `unknown operation or directive ${s.quoted(start, end)}, expected ${expected}`);
  }
}

const range =
  (kind: RangeKind): Directive =>
  (reader, start) =>
    reader.startLinesFor(start).readRange(reader.scanner, kind);

const DIRECTIVES: readonly (readonly [string, Directive])[] = [
  ['pvmmu', (reader) => reader.readNextHeader()],
  ['program', (reader, start) => reader.readProgram(start)],
  ['machine', (reader, start) => reader.readMachine(start)],
  ['ram', range('ram')],
  ['io', range('io')],
  ['io_ro', range('io_ro')],
  ['shared', range('shared')],
  ['table', (reader, start) => reader.startLinesFor(start).readTable(reader.scanner)],
  ['base', (reader, start) => reader.startLinesFor(start).readBase(reader.scanner, start)],
  ['final', (reader, start) => reader.readFinal(start)],
  ['end', (reader, start) => reader.readEnd(start)],
];

/** What a colon and an operation can follow: the vCPU that runs it. */
const CPUS = new Words(Array.from({ length: MAX_VCPUS }, (_, cpu) => [`cpu${cpu}`, cpu] as const));

/** What a line can begin with. */
const LINES = new Words<Directive | OperationSyntax>([
  ...DIRECTIVES,
  ...OPERATIONS.map((syntax) => [syntax.word, syntax] as const),
]);
