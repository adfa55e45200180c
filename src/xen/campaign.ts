/** Fuzzing real Xen against the models: programs drawn, run on both sides, compared; what differs is shrunk on real Xen. */
import type { DefectId } from '../../models/defects/index.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import type { Model } from '../../models/model.js';
import { Outcomes } from '../fuzz/outcomes.js';
import { type Failure, invariantFailure } from '../lockstep/lockstep.js';
import { OPCODE_NAMES, operationStarts } from '../program/record.js';
import type { Candidate } from '../program/candidate.js';
import { reduceAhead } from '../shrink/ahead.js';
import type { Reduction } from '../shrink/reduce.js';
import { LabAuthor } from './draw.js';
import type { Farm, Outcome } from './farm.js';
import type { LabAnswer, LabProgram } from './mailbox.js';
import { type Difference, differences, GaveUp, Oracle } from './oracle.js';
import { isContended, whyNot } from './support.js';

/** How a program behaves on real Xen that the models do not expect. */
export interface Surprise {
  readonly failure: Failure;
  /** The same for all programs that surprise in the same way, as far as one operation and its answers tell. */
  readonly sort: string;
  /** Xen's answers, where it gave any. */
  readonly answer: LabAnswer | undefined;
  /** Xen's last words, where it came to its end. */
  readonly lines: readonly string[];
}

/** Both models, held against one Xen. */
export class Judge {
  private readonly oracles: readonly Oracle[];

  constructor(defects: ReadonlySet<DefectId>) {
    const models: Model[] = [new ReferenceModel(), new OptimizedModel(defects)];
    this.oracles = models.map((model) => new Oracle(model));
  }

  /** Whether Xen as it is would stop at the program, as the reference model has it. */
  stops(program: LabProgram): boolean {
    try {
      this.oracles[0]!.expect(program);
      return false;
    } catch (error) {
      if (!(error instanceof GaveUp)) throw error;
      return true;
    }
  }

  /** What is surprising about the outcome, if anything. */
  judge(program: LabProgram, outcome: Outcome): Surprise | undefined {
    if (outcome.kind !== 'answered') return crash(program, outcome);
    const { answer } = outcome;
    for (const oracle of this.oracles) {
      const surprise = surpriseTo(oracle, program, answer);
      if (surprise) return surprise;
    }
    return undefined;
  }
}

/** What is surprising about what real Xen answered, to one model. */
export function surpriseTo(oracle: Oracle, program: LabProgram, answer: LabAnswer): Surprise | undefined {
  const { name } = oracle.model;
  try {
    const expected = oracle.expect(program);
    const [first] = differences(program, expected, answer);
    if (first) return disagreement(program, name, first, answer);
    return answer.stopped || expected.lost === answer.lost
      ? undefined
      : otherLosses(program, name, expected.lost, answer);
  } catch (error) {
    if (!(error instanceof GaveUp)) throw error;
    if (answer.stopped && error.operation >= answer.operations) return undefined;
    return gaveUp(program, name, error, answer);
  }
}

function disagreement(
  { code }: LabProgram,
  name: Model['name'],
  { operation, what, expected, got }: Difference,
  answer: LabAnswer,
): Surprise {
  const at = operationStarts(code)[operation];
  const state = at === undefined;
  const shown = state ? `real Xen ends with "${got}", the ${name} model with "${expected}"` : '';
  const message = state ? shown : `${what}: real Xen answers ${got}, the ${name} model ${expected}`;
  const sort = state ? `${name} final` : `${name} ${OPCODE_NAMES[code[at]! & 0xff]} ${got} ${expected}`;
  const kind = state ? 'state' : 'result';
  return { failure: { kind, operation, message }, sort, answer, lines: [] };
}

/** References that are lost, or not, are seen when the program is over. */
function otherLosses(
  { code, machine }: LabProgram,
  name: Model['name'],
  expected: number,
  answer: LabAnswer,
): Surprise {
  const operation = operationStarts(code).length - 1;
  const frames = (mask: number) => {
    const kept = Array.from({ length: machine.frames }, (_, i) => `F${i}`).filter((_, i) => (mask >> i) & 1);
    return kept.length === 0 ? 'none' : kept.join(', ');
  };
  const message =
    `frames that keep a reference after everything is taken down: on real Xen ${frames(answer.lost)}, ` +
    `in the ${name} model ${frames(expected)}`;
  const violation = { invariant: 'lost-references', message, frame: 0 };
  const sort = `${name} lost references`;
  return { failure: invariantFailure(operation, violation), sort, answer, lines: [] };
}

function gaveUp(
  { code }: LabProgram,
  name: Model['name'],
  { operation, message: why }: GaveUp,
  answer: LabAnswer,
): Surprise {
  const at = Math.max(0, operationStarts(code)[operation] ?? 0);
  const message = `the ${name} model gives up where real Xen goes on: ${why}`;
  const sort = `${name} gives up at ${OPCODE_NAMES[code[at]! & 0xff]}`;
  return { failure: { kind: 'assertion', operation, message }, sort, answer, lines: [] };
}

function crash(
  { code }: LabProgram,
  { kind, lines, operation }: Exclude<Outcome, { kind: 'answered' }>,
): Surprise {
  const at = operationStarts(code)[operation]!;
  const name = OPCODE_NAMES[code[at]! & 0xff]!;
  const said = lines.find((line) => /Panic|Assertion|BUG|FATAL/.test(line)) ?? lines.at(-1) ?? '';
  const message = `real Xen ${kind === 'crashed' ? `comes to its end: ${said}` : 'does not come back'}`;
  return {
    failure: { kind: 'assertion', operation, message },
    sort: `${kind} ${name}`,
    answer: undefined,
    lines,
  };
}

export interface CampaignSettings {
  readonly seed: string;
  readonly defects: ReadonlySet<DefectId>;
  /** Most programs to draw. */
  readonly programs: number;
}

/** A surprise and the program that brought it about. */
export interface Catch {
  /** Number of the program in the run. */
  readonly number: number;
  readonly program: LabProgram;
  readonly surprise: Surprise;
}

/** Programs on their way: enough for both labs, few enough to remember. */
const AHEAD_MAX = 1600;

export class Campaign {
  readonly outcomes = new Outcomes();
  programs = 0;
  equalPrograms = 0;
  operations = 0;
  /** Why programs were not run to their end, and how many. */
  readonly stopped = new Map<string, number>();
  /** Programs that lost references as both models say (rules 14). */
  knownLosses = 0;
  /** What surprised once, and not when it was run again. */
  readonly unrepeated: Catch[] = [];
  /** How many programs surprised in which way. */
  readonly sorts = new Map<string, number>();
  private readonly author: LabAuthor;
  private readonly judge: Judge;
  private drawn = 0;
  private inFlight = 0;
  private error: unknown;

  constructor(
    private readonly farm: Farm,
    private readonly settings: CampaignSettings,
    /** Called with the first program of each sort. */
    private readonly caught: (found: Catch) => void,
  ) {
    this.author = new LabAuthor(farm.build, settings.seed);
    this.judge = new Judge(settings.defects);
  }

  /** Draws and sends a program, if there is room on the way; whether it did. */
  draw(): boolean {
    if (this.error !== undefined) throw this.error;
    if (this.drawn >= this.settings.programs || this.inFlight >= AHEAD_MAX) return false;
    const number = this.drawn++;
    const program = this.author.program(number);
    this.inFlight++;
    this.farm
      .run(program)
      .then((outcome) => this.take(number, program, outcome))
      .catch((error: unknown) => (this.error = error));
    return true;
  }

  /** No answer is waited for. */
  get idle(): boolean {
    return this.inFlight === 0;
  }

  get allDrawn(): boolean {
    return this.drawn >= this.settings.programs;
  }

  private async take(number: number, program: LabProgram, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'answered') {
      const { answer } = outcome;
      this.operations += this.outcomes.add(program.code, answer.results, answer.operations);
      if (answer.stopped) this.stopped.set(answer.stopped, (this.stopped.get(answer.stopped) ?? 0) + 1);
    }
    const surprise = this.judge.judge(program, outcome);
    if (surprise) await this.confirm({ number, program, surprise }, outcome.kind !== 'answered');
    else {
      this.equalPrograms++;
      if (outcome.kind === 'answered' && outcome.answer.lost !== 0) this.knownLosses++;
    }
    this.programs++;
    this.inFlight--;
  }

  /** What comes about once only is no find that can be shrunk: an event may have interrupted a hypercall (rules 16). */
  private async confirm(found: Catch, sure: boolean): Promise<void> {
    const { sort } = found.surprise;
    const known = this.sorts.has(sort);
    if (!sure && !known && (await this.surpriseOf(found.program)) === undefined) {
      this.unrepeated.push(found);
      return;
    }
    const before = this.sorts.get(sort) ?? 0;
    this.sorts.set(sort, before + 1);
    if (before === 0) this.caught(found);
  }

  /** Shrinks a catch; every candidate is run on real Xen again. Ends early with the signal. */
  async shrink({ program, surprise }: Catch, signal: AbortSignal): Promise<Shrunk> {
    const fails = async (candidate: Candidate, unwanted: AbortSignal) =>
      (await this.surpriseOf(candidate, unwanted))?.failure;
    const reduction = await reduceAhead(program, surprise.failure, fails, signal);
    return { reduction, surprise: (await this.surpriseOf(reduction.program)) ?? surprise };
  }

  private async surpriseOf(candidate: Candidate, unwanted?: AbortSignal): Promise<Surprise | undefined> {
    const losesRaces = operationStarts(candidate.code).some((at) => isContended(candidate.code, at));
    if (losesRaces && this.judge.stops(candidate)) return undefined; // no such program is drawn
    if (whyNot(candidate, this.farm.build) !== undefined) return undefined;
    return this.judge.judge(candidate, await this.farm.run(candidate, unwanted));
  }
}

export interface Shrunk {
  readonly reduction: Reduction;
  readonly surprise: Surprise;
}
