import { createHash } from 'node:crypto';
import { idOf } from '../shrink/identity.js';
import type { Candidate } from '../program/candidate.js';

/** A find's name in the database: the program's, and with options something of them, so that each is kept by itself. */
export function findId(program: Candidate, options: string): string {
  const id = idOf(program);
  return options === '' ? id : `${id}-${createHash('sha256').update(options).digest('hex').slice(0, 4)}`;
}
