import type { Model, ModelState } from '../../models/model.js';
import type { Machine } from '../program/machine.js';
import { operationStarts, RECORD } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { parseProgram } from '../text/parse.js';
import { HEADER } from '../text/print.js';
import { printResult } from '../text/result.js';
import { type Random, randomStream } from './random.js';

/** What a guest sees when it decides what to do next. */
export interface GuestView {
  /** The state of the pagetables, as the optimized model without a mistake has it. */
  readonly state: ModelState;
  /** Choices that are the same whenever the seed is. */
  readonly random: Random;
  /** Operations so far. */
  readonly step: number;
  /** The answer to the last operation, such as `ok` or `EINVAL`; undefined before the first. */
  readonly answer: string | undefined;
}

/** A guest that somebody wants to see run: what it does, one operation after the other. */
export interface Guest {
  readonly name: string;
  /** The machine line of its programs without the word `machine`, such as `x86_64 frames=8 domain=hardware`. */
  readonly machine: string;
  /** Begins a run; what the guest remembers of it may live in the function that is returned. */
  start(random: Random): (view: GuestView) => string | undefined;
}

/**
 * Checks the machine line of a guest and gives it back.
 *
 * @throws TextError if the machine line is malformed.
 */
export function defineGuest(guest: Guest): Guest {
  machineOf(guest);
  return guest;
}

export function machineOf({ name, machine }: Guest): Machine {
  return parseProgram(`${HEADER}program guest\nmachine ${machine}\n`, `guest ${name}`).machine;
}

/**
 * Lets the guest run for at most `length` operations; `model` goes along, so that it sees what it has done.
 *
 * @throws TextError if an operation is malformed.
 */
export function runGuest(
  guest: Guest,
  machine: Machine,
  seed: string,
  length: number,
  model: Model,
): Candidate {
  model.start(machine);
  const random = randomStream(`${guest.name} ${seed}`);
  const next = guest.start(random);
  const words: number[] = [];
  let answer: string | undefined;
  for (let step = 0; step < length; step++) {
    const line = next({ state: model, random, step, answer });
    if (line === undefined) break;
    const code = operationOf(guest, line);
    const results = new Int32Array(code.length / RECORD);
    for (const at of operationStarts(code)) model.run(code, at, results);
    answer = printResult(results[0]!);
    words.push(...code);
  }
  return { machine, code: Int32Array.from(words) };
}

function operationOf({ name, machine }: Guest, line: string): Int32Array {
  const answered = line.startsWith('fill') ? line : `${line} -> ?`;
  return parseProgram(`${HEADER}program guest\nmachine ${machine}\n${answered}\n`, `guest ${name}`).code;
}
