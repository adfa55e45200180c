/** Which steps of a long program are worth a look. */
import { OptimizedModel } from '../../models/optimized/model.js';
import { codeOf, OK } from '../../models/x86/result.js';
import type { Court } from '../fuzz/trials.js';
import { operationStarts, RECORD, W_OPCODE } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import type { Selection, Window } from './story.js';

/** Up to here a program is shown as one window. */
export const WHOLE_MAX = 80;
/** Steps before and after an interesting one. */
const AROUND = 4;
const WINDOWS_MAX = 40;
/** Times that the same operation with the same answer is interesting. */
const TIMES = 2;

/**
 * Windows of a long program: its beginning and end, which is where it fails if it does, and the first times that
 * each kind of operation gets each answer.
 */
export function windowsOf(program: Candidate, court: Court): Selection {
  return (steps) =>
    steps <= WHOLE_MAX ? [{ first: 1, last: steps }] : around(rareSteps(program, court, steps), steps);
}

function around(rare: readonly number[], last: number): Window[] {
  const interesting = new Set([1, last, ...rare]);
  const windows: { first: number; last: number }[] = [];
  for (const step of [...interesting].sort((a, b) => a - b)) {
    const [first, end] = [Math.max(1, step - AROUND), Math.min(last, step + AROUND)];
    const before = windows.at(-1);
    if (before && first <= before.last + 1 && end - before.first < WHOLE_MAX) before.last = end;
    else if (windows.length < WINDOWS_MAX - 1 || step === last) windows.push({ first, last: end });
  }
  return windows;
}

function rareSteps({ machine, code }: Candidate, court: Court, last: number): number[] {
  const model = new OptimizedModel(court.defects);
  model.start(machine);
  const results = new Int32Array(code.length / RECORD);
  const seen = new Map<string, number>();
  const errors: number[] = [];
  const firsts: number[] = [];
  for (const [i, at] of operationStarts(code).slice(0, last).entries()) {
    try {
      model.run(code, at, results);
    } catch {
      break;
    }
    const answer = codeOf(results[at / RECORD]!);
    const kind = `${code[at + W_OPCODE]! & 0xffff} ${answer}`;
    const times = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, times);
    if (times <= TIMES) (answer === OK ? firsts : errors).push(i + 1);
  }
  return [...errors, ...firsts].slice(0, WINDOWS_MAX);
}
