import type { Model } from '../../models/model.js';
import { takeStart } from '../program/alike.js';
import type { Machine } from '../program/machine.js';
import { Author, type Fits, type Taste } from './author.js';
import type { Draw } from './draw.js';

/**
 * The records of a program of at most `length` operations; it ends where its domain does. `model` runs along, so that each operation is chosen with
 * the state in view; it is left in the program's final state. Operations that do not `fit` are left out.
 */
export function drawProgram(
  draw: Draw,
  machine: Machine,
  length: number,
  model: Model,
  fits?: Fits,
  taste: Taste = {},
): Int32Array {
  takeStart(model, machine);
  return new Author(draw, model, fits, taste).program(length);
}
