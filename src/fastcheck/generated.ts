import fc from 'fast-check';
import { OptimizedModel } from '../../models/optimized/model.js';
import { oneIn } from '../generate/draw.js';
import { drawMachine } from '../generate/machines.js';
import { drawProgram } from '../generate/program.js';
import type { Arch } from '../program/machine.js';
import { operationStarts, RECORD } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { smallerThan } from '../shrink/candidates.js';
import { candidateText } from '../shrink/text.js';

/**
 * Programs for one architecture, drawn with a model's state in view and shrunk as programs: a program from
 * anywhere (a file, a regression) shrinks as well as a generated one.
 */
class ProgramArbitrary extends fc.Arbitrary<Candidate> {
  private readonly model = new OptimizedModel();

  constructor(
    private readonly arch: Arch,
    private readonly lengthMax: number,
  ) {
    super();
  }

  override generate(random: fc.Random): fc.Value<Candidate> {
    const draw = { below: (limit: number) => random.nextInt(0, limit - 1) };
    const machine = drawMachine(draw, this.arch, oneIn(draw, 3) ? 'shipped' : 'intended');
    const code = drawProgram(draw, machine, 1 + draw.below(this.lengthMax), this.model);
    return value({ machine, code });
  }

  override canShrinkWithoutContext(candidate: unknown): candidate is Candidate {
    return (
      typeof candidate === 'object' && candidate !== null && 'machine' in candidate && 'code' in candidate
    );
  }

  override shrink(candidate: Candidate): fc.Stream<fc.Value<Candidate>> {
    return fc.stream(smallerThan(candidate)).map(value);
  }
}

/** The program as a value that fast-check prints as program text, with the answers that it gets. */
function value(candidate: Candidate): fc.Value<Candidate> {
  Object.defineProperty(candidate, fc.toStringMethod, {
    value: () => candidateText(candidate, 'counterexample', answersTo(candidate)),
    enumerable: false,
  });
  return new fc.Value(candidate, undefined);
}

/** The optimized model's answers, by record. */
function answersTo({ machine, code }: Candidate): Int32Array {
  const model = new OptimizedModel();
  const answers = new Int32Array(code.length / RECORD);
  model.start(machine);
  for (const at of operationStarts(code)) model.run(code, at, answers);
  return answers;
}

export function programs(arch: Arch, lengthMax = 200): fc.Arbitrary<Candidate> {
  return new ProgramArbitrary(arch, lengthMax);
}
