import type { Model } from '../../models/model.js';
import type { Machine } from '../program/machine.js';
import { encode, RECORD } from '../program/record.js';
import type { Draw } from './draw.js';
import { drawOperation } from './operations.js';
import { Scene } from './scene.js';

/**
 * The records of a program of `length` operations. `model` runs along, so that each operation is chosen with
 * the state in view; it is left in the program's final state.
 */
export function drawProgram(draw: Draw, machine: Machine, length: number, model: Model): Int32Array {
  if (model.machine === machine) model.reset();
  else model.start(machine);
  const scene = new Scene(draw, machine, model);
  const code: number[] = [];
  for (let i = 0; i < length; i++) {
    const operation: number[] = [];
    encode(drawOperation(scene), operation);
    model.run(Int32Array.from(operation), 0, new Int32Array(operation.length / RECORD));
    for (const word of operation) code.push(word);
  }
  return Int32Array.from(code);
}
