/** What happens around a generated operation: events and lost races (rules 16.1). */
import {
  CONTEND_SHIFT,
  OP_DESTROY,
  OP_INITIALISE,
  OP_MMU_UPDATE,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_PIN,
  OP_RESET_VCPU,
  OP_RESUME,
  OP_UNPIN,
  OP_WRITE_CR3,
  OPCODE_NAMES,
  PREEMPT_SHIFT,
} from '../program/record.js';
import { type Draw, oneIn } from './draw.js';

/** How much a program is disturbed: never, by events that are there when an operation begins, by these and lost races, by any events, by any of both. */
export type Mood = 'calm' | 'early events' | 'early events and races' | 'events' | 'races';

/** By opcode; 1 for operations that look for events. */
const INTERRUPTIBLE = new Uint8Array(OPCODE_NAMES.length);
for (const opcode of [
  OP_MMU_UPDATE,
  OP_PIN,
  OP_UNPIN,
  OP_NEW_BASEPTR,
  OP_NEW_USER_BASEPTR,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_WRITE_CR3,
  OP_RESUME,
  OP_INITIALISE,
  OP_RESET_VCPU,
])
  INTERRUPTIBLE[opcode] = 1;

/** When an event is pending for an operation of a plan: as the program's mood has it, from the beginning, after an early race is lost, or never. */
export type Event = 'any' | 'now' | 'race' | 'never';

/** What happens around the operation, as bits of its word 0. */
export function environmentOf(draw: Draw, mood: Mood, opcode: number, event: Event): number {
  switch (event) {
    case 'any':
      return disturbance(draw, mood, opcode);
    case 'now':
      return eventAfter(0);
    case 'race':
      return lostRace(draw.below(3));
    case 'never':
      return 0;
  }
}

/** An end is interrupted after fewer units of work than this. */
const LATE = 20;

/**
 * An event or a lost race for an operation that can be interrupted, mostly an early one. The end of a domain always
 * takes its time.
 */
function disturbance(draw: Draw, mood: Mood, opcode: number): number {
  const isEnd = opcode === OP_DESTROY;
  if (!isEnd && (mood === 'calm' || INTERRUPTIBLE[opcode] === 0 || oneIn(draw, 2))) return 0;
  const isEarly = mood === 'early events' || mood === 'early events and races';
  const isRace = (mood === 'races' || mood === 'early events and races') && oneIn(draw, 2);
  if (isEarly && !isEnd && !isRace) return eventAfter(0);
  const when = draw.below(isEnd && oneIn(draw, 2) ? LATE : oneIn(draw, 4) ? 8 : 3);
  if (isRace) return lostRace(when);
  if (isEarly) return when === LATE - 1 ? 0 : eventAfter(0);
  return eventAfter(when);
}

function lostRace(reference: number): number {
  return (reference + 1) << CONTEND_SHIFT;
}

function eventAfter(units: number): number {
  return (units + 1) << PREEMPT_SHIFT;
}
