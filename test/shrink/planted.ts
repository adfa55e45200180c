import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { INFO_PINNED, INFO_TYPE, TYPE_L2 } from '../../models/x86/page-type.js';
import { EINVAL, OK } from '../../models/x86/result.js';
import { Lockstep } from '../../src/lockstep/lockstep.js';
import { OP_CLEAR_PAGE, OP_PIN, OP_UNPIN, RECORD, W_FRAME, W_OPCODE } from '../../src/program/record.js';

/** Takes note of no request to unpin an L2 table, and finds it well. */
export class ForgetsUnpin extends OptimizedModel {
  override run(code: Int32Array, at: number, results: Int32Array): void {
    if (this.isForgotten(code, at)) {
      this.changes.clear();
      results[at / RECORD] = OK;
    } else super.run(code, at, results);
  }

  protected isForgotten(code: Int32Array, at: number): boolean {
    const isL2 = (this.info(code[at + W_FRAME]!) & INFO_TYPE) === TYPE_L2;
    return isL2 && (code[at + W_OPCODE]! & 0xff) === OP_UNPIN;
  }
}

/** The same, of tables that are pinned. */
export class KeepsPins extends ForgetsUnpin {
  protected override isForgotten(code: Int32Array, at: number): boolean {
    return super.isForgotten(code, at) && (this.info(code[at + W_FRAME]!) & INFO_PINNED) !== 0;
  }
}

/** The same, and breaks off at a page that is cleared by a call of its own. */
export class ClearsNoPage extends KeepsPins {
  override run(code: Int32Array, at: number, results: Int32Array): void {
    if ((code[at + W_OPCODE]! & 0xff) === OP_CLEAR_PAGE) throw new Error('no page is cleared');
    super.run(code, at, results);
  }
}

/** Answers a second pin with success. */
export class PinsTwice extends OptimizedModel {
  override run(code: Int32Array, at: number, results: Int32Array): void {
    super.run(code, at, results);
    if ((code[at + W_OPCODE]! & 0xff) !== OP_PIN || results[at / RECORD] !== EINVAL) return;
    const info = this.info(code[at + W_FRAME]!);
    if ((info & INFO_TYPE) === ((code[at + W_OPCODE]! >> 8) & 0xff)) results[at / RECORD] = OK;
  }
}

/** Breaks off at a table of the fourth level. */
export class GivesUp extends OptimizedModel {
  override run(code: Int32Array, at: number, results: Int32Array): void {
    super.run(code, at, results);
    if (
      (code[at + W_OPCODE]! & 0xff) === OP_PIN &&
      code[at + W_OPCODE]! >> 8 === 3 &&
      results[at / RECORD] === OK
    )
      throw new Error('the third level is too high');
  }
}

/** Both models side by side, the optimized one with a mistake. */
export function planted(model: new () => OptimizedModel): Lockstep {
  return new Lockstep(new ReferenceModel(), new model());
}
