import { createHash } from 'node:crypto';
import { RECORD } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { unusualOptions } from './machines.js';

const DIGITS = 8;

/**
 * A short name of the program that never changes: the first eight hexadecimal digits of the SHA-256 of its
 * machine and records, whatever it is called and answered.
 */
export function idOf({ machine, code }: Candidate): string {
  const { arch, frames, start } = machine;
  const lines = [`${arch} ${frames}`, JSON.stringify(unusualOptions(machine))];
  if (frames === 0) lines.push(JSON.stringify(start));
  for (let at = 0; at < code.length; at += RECORD) lines.push(code.subarray(at, at + RECORD).join(' '));
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, DIGITS);
}
