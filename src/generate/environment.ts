/** What happens around a generated operation: which vCPU runs it, events, lost races (rules 16.1). */
import type { Environment, Operation } from '../program/operation.js';
import { type Draw, oneIn } from './draw.js';

/** How much a program is disturbed: never, by events that are there when an operation begins, by any events, by events and lost races. */
export type Mood = 'calm' | 'early events' | 'events' | 'races';

const INTERRUPTIBLE = new Set<Operation['kind']>([
  'mmu_update',
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'mmu_update_list',
  'mmuext_op_list',
  'write_cr3',
  'resume',
  'initialise',
  'reset_vcpu',
]);

/** An event or a lost race for an operation that can be interrupted, mostly an early one. The end of a domain always takes its time. */
export function disturbance(draw: Draw, mood: Mood, operation: Operation): Environment {
  if (operation.kind === 'destroy') return { preempt: draw.below(20) };
  if (mood === 'calm' || !INTERRUPTIBLE.has(operation.kind) || oneIn(draw, 2)) return {};
  if (mood === 'early events') return { preempt: 0 };
  if (mood === 'races' && oneIn(draw, 2)) return { contend: draw.below(oneIn(draw, 4) ? 8 : 3) };
  return { preempt: draw.below(oneIn(draw, 4) ? 8 : 3) };
}
