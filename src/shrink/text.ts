import { HEADER, printProgram } from '../text/print.js';
import { UNKNOWN } from '../../models/x86/result.js';
import { RECORD } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';

/** A complete program text, with answers where `results` are given. */
export function candidateText(
  { machine, code }: Candidate,
  name = 'counterexample',
  results?: Int32Array,
): string {
  const expected = results ?? new Int32Array(code.length / RECORD).fill(UNKNOWN);
  return `${HEADER}\n${printProgram({ name, machine, code, expected, finals: [] })}`;
}
