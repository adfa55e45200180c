/** Who sees a defect: a program is run with it, and every judge is asked after every operation. */
import type { DefectId } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { OK } from '../../models/x86/result.js';
import { compareStates } from '../../properties/agreement.js';
import { zeroAfterTeardown } from '../../properties/dead-domain.js';
import { effortFault } from '../../properties/effort.js';
import { INVARIANTS, scanAll } from '../../properties/index.js';
import { AGREEMENT, type Judge } from '../lockstep/judge.js';
import { OP_DESTROY, operationStarts, RECORD, span, W_OPCODE } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';

/** Judges that need no reference model. */
export const ALONE_JUDGES: readonly Judge[] = [
  ...INVARIANTS.map(({ name }) => name),
  'bounded-work',
  'bounded-recursion',
  'assertion',
];
export const JUDGES: readonly Judge[] = [...ALONE_JUDGES, AGREEMENT];

/** The judges that object somewhere in the program, each asked as if it were the only one. */
export function objectors(defects: ReadonlySet<DefectId>, { machine, code }: Candidate): Set<Judge> {
  const model = new OptimizedModel(defects);
  const reference = new ReferenceModel();
  const found = new Int32Array(code.length / RECORD);
  const expected = new Int32Array(code.length / RECORD);
  const seen = new Set<Judge>();
  model.start(machine);
  reference.start(machine);
  for (const at of operationStarts(code)) {
    reference.run(code, at, expected);
    try {
      model.run(code, at, found);
    } catch {
      return seen.add('assertion'); // Xen has stopped
    }
    const first = at / RECORD;
    const answers = (results: Int32Array) => results.subarray(first, first + span(code, at)).join(' ');
    if (answers(expected) !== answers(found) || compareStates(reference, model)) seen.add(AGREEMENT);
    const ended = (code[at + W_OPCODE]! & 0xff) === OP_DESTROY && found[first] === OK;
    for (const violation of [
      ...scanAll(model),
      effortFault(model),
      ended ? zeroAfterTeardown(model) : undefined,
    ])
      if (violation) seen.add(violation.invariant);
  }
  return seen;
}
