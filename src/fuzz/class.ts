import type { DefectClass } from '../../models/defects/index.js';
import { environmentOf } from '../program/codec.js';
import { OP_STORE_CACHED, OP_TOUCH, operationStarts, W_OPCODE } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';

/** The classes in words. */
export const CLASS_WORDS: Readonly<Record<DefectClass, string>> = {
  S: 'one vCPU, no interruption',
  'S+T': 'one vCPU, no interruption, a TLB',
  P1: 'one vCPU whose hypercalls are interrupted',
  P2: 'several vCPUs',
  K: 'a type reference that loses its race',
};

/** The first of these that the program has: a lost race, a second vCPU that runs, an event, use of the TLB. */
export function classOf({ code }: Candidate): DefectClass {
  const cpus = new Set<number>();
  let events = false;
  let races = false;
  let translations = false;
  for (const at of operationStarts(code)) {
    const { cpu = 0, preempt, contend } = environmentOf(code, at);
    const opcode = code[at + W_OPCODE]! & 0xff;
    cpus.add(cpu);
    events ||= preempt !== undefined;
    races ||= contend !== undefined;
    translations ||= opcode === OP_TOUCH || opcode === OP_STORE_CACHED;
  }
  if (races) return 'K';
  if (cpus.size > 1) return 'P2';
  if (events) return 'P1';
  return translations ? 'S+T' : 'S';
}
