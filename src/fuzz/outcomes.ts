import { codeOf, RESULT_NAMES } from '../../models/x86/result.js';
import { OPCODE_NAMES, RECORD, span, W_OPCODE } from '../program/record.js';

const CODES = 256;

/** How often each operation gave each answer. */
export class Outcomes {
  private readonly counts = new Float64Array(OPCODE_NAMES.length * CODES);
  private total = 0;

  /** Counts a program's operations; how many they are. */
  add(code: Int32Array, answers: Int32Array): number {
    let operations = 0;
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
      const answer = codeOf(answers[at / RECORD]!);
      this.counts[(code[at + W_OPCODE]! & 0xff) * CODES + answer]!++;
      operations++;
    }
    this.total += operations;
    return operations;
  }

  /** The most frequent answers, in per cent of all. */
  shares(most = Infinity): string {
    const byCode = [...RESULT_NAMES].map(([code, name]) => ({ name, count: this.sum(code) }));
    const seen = byCode.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
    return seen
      .slice(0, most)
      .map(({ name, count }) => `${name} ${((100 * count) / this.total).toFixed(1)} %`)
      .join(', ');
  }

  /** A line for each operation: its name and how often it gave which answer. */
  table(): string {
    const rows = OPCODE_NAMES.map((name, opcode) => ({ name, answers: this.answersOf(opcode) }));
    return rows
      .filter(({ answers }) => answers !== '')
      .map(({ name, answers }) => `  ${name.padEnd(21)} ${answers}`)
      .join('\n');
  }

  private answersOf(opcode: number): string {
    const answers = [...RESULT_NAMES].map(([code, name]) => ({
      name,
      count: this.counts[opcode * CODES + code]!,
    }));
    return answers
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => `${name} ${count}`)
      .join('  ');
  }

  private sum(code: number): number {
    let sum = 0;
    for (let at = code; at < this.counts.length; at += CODES) sum += this.counts[at]!;
    return sum;
  }
}
