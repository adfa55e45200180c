import { OptimizedModel } from '../../models/optimized/model.js';
import { StateDigest } from '../../properties/incremental/digest.js';
import type { Operation } from '../program/operation.js';
import { RECORD, span } from '../program/record.js';
import { candidateOf, type Draft } from './draft.js';

/** Runs operations on a model by itself, to leave out those that come to the same. */
export class Scout {
  private readonly model = new OptimizedModel();
  private readonly digest = new StateDigest(this.model);

  /**
   * The first of the operations that lead to each state, without those that change nothing and those that lead to a
   * state of `known`. What is given back is added to it.
   */
  *different(
    { machine, operations }: Draft,
    words: readonly Operation[],
    known = new Set<string>(),
  ): Generator<Operation> {
    known.add(this.stateAfter({ machine, operations }));
    for (const word of words) {
      const state = this.stateAfter({ machine, operations: [...operations, word] });
      if (known.has(state)) continue;
      known.add(state);
      yield word;
    }
  }

  private stateAfter(draft: Draft): string {
    const { machine, code } = candidateOf(draft);
    const { model, digest } = this;
    if (model.machine === machine) {
      model.reset();
      digest.reset();
    } else {
      model.start(machine);
      digest.read();
    }
    const answers = new Int32Array(code.length / RECORD);
    for (let at = 0; at < code.length; at += span(code, at) * RECORD) {
      model.run(code, at, answers);
      digest.follow();
    }
    return digest.toString();
  }
}
