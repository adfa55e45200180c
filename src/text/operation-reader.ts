import { CPU_SHIFT, RECORD, W_OPTIONS } from '../program/record.js';
import { anyOf } from './error.js';
import type { OperationNaming } from './naming.js';
import type { Option } from './operand.js';
import type { OperationSyntax } from './operations.js';
import { RecordBuffer } from './record-buffer.js';
import { atResult, readResult } from './result.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

/** Most records that one operation, with all its elements, may have. */
export const MAX_RECORDS = 65_536;

interface OpenList {
  readonly syntax: OperationSyntax;
  readonly at: number;
  readonly line: number;
  readonly column: number;
}

interface OptionKey {
  readonly option: Option;
  /** Counts in the syntax's options, the outer ones last. */
  readonly index: number;
  /** Counts in the option's keys. */
  readonly key: number;
}

/** Collects the lines of one operation into records. */
export class OperationReader {
  readonly records = new RecordBuffer();
  /** Line where the operation began. */
  line = 0;
  /** Lists that have begun and not ended, the innermost last. */
  private readonly open: OpenList[] = [];
  private readonly optionKeys = new Map<OperationSyntax, Words<OptionKey>>();

  /** The list that the next line would belong to. */
  get list(): OpenList | undefined {
    return this.open.at(-1);
  }

  /**
   * Reads an operation's line, whose word began at `start` and has been read; `cpu` is the vCPU that runs it. True when
   * a whole operation is complete.
   */
  read(
    s: LineScanner,
    start: number,
    syntax: OperationSyntax,
    naming: OperationNaming,
    cpu: number,
  ): boolean {
    const { records } = this;
    const list = this.list;
    if (list) this.checkElement(s, start, syntax, list);
    else {
      records.clear();
      this.line = s.line;
    }
    const at = records.add(syntax.opcode | (cpu << CPU_SHIFT));
    if (syntax.flags !== 0) records.code[at + W_OPTIONS] = syntax.flags;
    for (let i = 0; i < syntax.operands.length; i++) {
      const operand = syntax.operands[i]!;
      s.field(operand.what);
      operand.read(s, records, at, naming);
    }
    if (syntax.options.length + syntax.outerOptions.length > 0) this.readOptions(s, at, syntax, naming);
    if (records.records > MAX_RECORDS) this.tooLong(s, start);
    if (syntax.items.length > 0) {
      if (s.more()) s.finish(this.expectedOptions(syntax));
      this.open.push({ syntax, at, line: s.line, column: s.columnOf(start) });
      return false;
    }
    this.readAnswer(s, at, syntax, list);
    return list === undefined;
  }

  /** Reads the line `end -> RESULT`, whose word began at `start` and has been read. True when a whole operation is complete. */
  end(s: LineScanner, start: number): boolean {
    const list = this.open.pop();
    if (!list) return s.fail(start, '"end" without a list, expected an operation');
    this.records.close(list.at);
    this.records.expected[list.at / RECORD] = readResult(s, list.syntax.counted);
    return this.open.length === 0;
  }

  private checkElement(s: LineScanner, start: number, syntax: OperationSyntax, list: OpenList): void {
    if (list.syntax.items.includes(syntax.group)) return;
    const expected = list.syntax.items.map((group) => GROUP_TEXTS[group]).join(', ');
    s.fail(start, `"${syntax.word}" cannot stand in a ${list.syntax.word}, expected ${expected} or end`);
  }

  /** Refuses an option in a list or multicall which, if at all, the whole operation may have. */
  private refuseInside(s: LineScanner, start: number, end: number): never {
    const { word, outerOptions } = this.open[0]!.syntax;
    const expected =
      outerOptions.length > 0
        ? `it in line ${this.line}, where the operation begins`
        : `none: a ${word} is not interrupted`;
    return s.fail(start, `${s.quoted(start, end)} in a ${word}, expected ${expected}`);
  }

  private tooLong(s: LineScanner, start: number): never {
    return s.fail(
      start,
      `the operation that begins in line ${this.line} is too long, expected at most ${MAX_RECORDS} records`,
    );
  }

  private readAnswer(s: LineScanner, at: number, syntax: OperationSyntax, list: OpenList | undefined): void {
    const inList = list !== undefined && list.syntax.list;
    if (syntax.answered && !inList) {
      this.records.expected[at / RECORD] = readResult(s, syntax.counted);
      return;
    }
    if (!s.another()) return;
    s.fail(
      s.pos,
      inList
        ? 'unexpected result, expected none: an element of a list has none'
        : `unexpected result, expected none after ${syntax.word}`,
    );
  }

  private readOptions(s: LineScanner, at: number, syntax: OperationSyntax, naming: OperationNaming): void {
    let seen = 0;
    while (s.another() && !atResult(s)) {
      const start = s.pos;
      const end = s.wordEnd();
      const found = this.keysOf(syntax).find(s.bytes, start, end);
      if (!found)
        return s.fail(start, `unexpected ${s.quoted(start)}, expected ${this.expectedOptions(syntax)}`);
      if (this.list && found.index >= syntax.options.length) this.refuseInside(s, start, end);
      if (seen & (1 << found.index)) {
        s.fail(start, `${anyOf(found.option.keys)} given twice, expected it once`);
      }
      seen |= 1 << found.index;
      s.pos = end;
      found.option.read(s, this.records, at, found.key, naming);
    }
  }

  /** What can stand where an option can. */
  private expectedOptions(syntax: OperationSyntax): string {
    const { list } = this;
    const options = list ? syntax.options : [...syntax.options, ...syntax.outerOptions];
    const answered = syntax.items.length === 0 && !list?.syntax.list;
    return anyOf([
      ...options.map((option) => option.what),
      answered ? '-> and a result' : 'the end of the line',
    ]);
  }

  private keysOf(syntax: OperationSyntax): Words<OptionKey> {
    let words = this.optionKeys.get(syntax);
    if (!words) {
      words = new Words(
        [...syntax.options, ...syntax.outerOptions].flatMap((option, index) =>
          option.keys.map((text, key): [string, OptionKey] => [text, { option, index, key }]),
        ),
      );
      this.optionKeys.set(syntax, words);
    }
    return words;
  }
}

const GROUP_TEXTS = {
  mmu_update: 'mmu_update',
  mmuext_op: 'an mmuext operation',
  hypercall: 'another hypercall',
  guest: '',
} as const;
