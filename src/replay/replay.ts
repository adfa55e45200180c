import type { Model } from '../../models/model.js';
import { OK, UNKNOWN } from '../../models/x86/result.js';
import { takeStart } from '../program/alike.js';
import type { Machine } from '../program/machine.js';
import type { FinalFrame } from '../program/program.js';
import { OP_FILL, RECORD, span, W_OPCODE } from '../program/record.js';
import { printFinal } from '../text/final-line.js';
import { printOperation } from '../text/print.js';
import type { ProgramHandler } from '../text/program-reader.js';
import { readProgramText } from '../text/read.js';
import { printResult } from '../text/result.js';
import { finalFrameOf, sameFinal } from './final-frame.js';

/** One place where a model's answer is not the recorded one. */
export interface Difference {
  readonly file: string;
  readonly program: string;
  readonly line: number;
  readonly model: Model['name'];
  /** The operation, or `final` with the frame. */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

export interface Tally {
  programs: number;
  equalPrograms: number;
  operations: number;
  equalOperations: number;
}

/**
 * Runs recorded programs on the models and compares every answer and every final line with the text's.
 *
 * @throws TextError if the file cannot be read or is malformed.
 */
export async function replayFile(
  file: string,
  models: readonly Model[],
  tally: Tally,
  report: (difference: Difference) => void,
  ended?: (program: string) => void,
): Promise<void> {
  await readProgramText(file, new Replay(file, models, tally, report, ended));
}

class Replay implements ProgramHandler {
  private program = '';
  private machine!: Machine;
  private equal = true;
  private results = new Int32Array(64);

  constructor(
    private readonly file: string,
    private readonly models: readonly Model[],
    private readonly tally: Tally,
    private readonly report: (difference: Difference) => void,
    private readonly ended?: (program: string) => void,
  ) {}

  begin(name: string, machine: Machine): void {
    this.program = name;
    this.machine = machine;
    this.equal = true;
    for (const model of this.models) takeStart(model, machine);
  }

  operation(code: Int32Array, expected: Int32Array, line: number): void {
    const records = span(code, 0);
    if (records > this.results.length) this.results = new Int32Array(records * 2);
    if ((code[W_OPCODE]! & 0xff) === OP_FILL) expected[0] = OK;
    let equal = true;
    for (const model of this.models) {
      model.run(code, 0, this.results);
      for (let i = 0; i < records; i++) {
        if (expected[i] === UNKNOWN || expected[i] === this.results[i]) continue;
        equal = false;
        this.differs(
          model,
          line,
          printOperation(code, i * RECORD, this.machine),
          printResult(expected[i]!),
          printResult(this.results[i]!),
        );
      }
    }
    this.tally.operations++;
    if (equal) this.tally.equalOperations++;
  }

  final(expected: FinalFrame, line: number): void {
    for (const model of this.models) {
      const got = finalFrameOf(model, expected.mfn, expected.references !== undefined);
      if (sameFinal(expected, got)) continue;
      this.differs(model, line, 'final', printFinal(expected, this.machine), printFinal(got, this.machine));
    }
  }

  end(): void {
    this.tally.programs++;
    if (this.equal) this.tally.equalPrograms++;
    this.ended?.(this.program);
  }

  private differs(model: Model, line: number, what: string, expected: string, got: string): void {
    this.equal = false;
    this.report({ file: this.file, program: this.program, line, model: model.name, what, expected, got });
  }
}
