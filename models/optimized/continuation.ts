import { PREEMPTED } from '../x86/result.js';
import { ENVIRONMENT_MASK, RECORD, span, W_OPCODE } from '../../src/program/record.js';
import type { State } from './state.js';

/** Of an interrupted call: requests are left, so no answer is known. */
export const NOT_YET = -1;

/** The guest runs; with `resume` the call goes on from here. */
export function interrupted(
  s: State,
  code: Int32Array,
  at: number,
  next: number,
  done: number,
  answer: number,
): number {
  const { v } = s;
  s.assert(s.preempted, 'a call stops without an event');
  if (code !== v.call) {
    v.keepCall(code, at, at + span(code, at) * RECORD);
    v.call[W_OPCODE]! &= ~ENVIRONMENT_MASK;
  }
  v.isInterrupted = true;
  v.callNext = next;
  v.callDone = done;
  v.callAnswer = answer;
  return PREEMPTED;
}
