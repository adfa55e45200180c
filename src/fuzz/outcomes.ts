import { codeOf, RESULT_NAMES } from '../../models/x86/result.js';
import { OPCODE_NAMES, RECORD, span, W_OPCODE } from '../program/record.js';

const CODES = 256;

/** How often each operation gave each answer. */
export class Outcomes {
  private readonly counts = new Float64Array(OPCODE_NAMES.length * CODES);
  private total = 0;

  /** Counts the answers to a program's operations, to the first `most` if not all ran; how many these are. */
  add(code: Int32Array, answers: Int32Array, most = Infinity): number {
    let operations = 0;
    for (let at = 0; at < code.length && operations < most; at += span(code, at) * RECORD) {
      const answer = codeOf(answers[at / RECORD]!);
      this.counts[(code[at + W_OPCODE]! & 0xff) * CODES + answer]!++;
      operations++;
    }
    this.total += operations;
    return operations;
  }

  /** All counts that are not zero, each with its place, for `merge`. */
  entries(): [place: number, count: number][] {
    return [...this.counts.entries()].filter(([, count]) => count > 0);
  }

  /** Adds what another one has counted. */
  merge(entries: readonly (readonly [place: number, count: number])[]): void {
    for (const [place, count] of entries) {
      this.counts[place]! += count;
      this.total += count;
    }
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

  /** Of every operation that was tried, how often it gave which answer. */
  byOperation(): Record<string, Record<string, number>> {
    const rows = OPCODE_NAMES.map((name, opcode) => [name, this.answersOf(opcode)] as const);
    return Object.fromEntries(rows.filter(([, answers]) => Object.keys(answers).length > 0));
  }

  private answersOf(opcode: number): Record<string, number> {
    const answers = [...RESULT_NAMES].map(
      ([code, name]) => [name, this.counts[opcode * CODES + code]!] as const,
    );
    return Object.fromEntries(answers.filter(([, count]) => count > 0));
  }

  /** How often any operation gave this answer. */
  sum(code: number): number {
    let sum = 0;
    for (let at = code; at < this.counts.length; at += CODES) sum += this.counts[at]!;
    return sum;
  }
}
