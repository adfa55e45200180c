/** Programs drawn for the lab: what the fuzzer draws, without what cannot be brought about on real Xen. */
import { XenStops } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { ReferenceModel } from '../../models/reference/model.js';
import { codeOf, PREEMPTED } from '../../models/x86/result.js';
import type { Taste } from '../generate/author.js';
import { type Draw, oneIn, pick } from '../generate/draw.js';
import { machineOf } from '../generate/machines.js';
import { drawProgram } from '../generate/program.js';
import { stream } from '../generate/streams.js';
import { DEFAULT_PAE_XEN_SLOT, type Machine } from '../program/machine.js';
import {
  OP_DECREASE_RESERVATION,
  OP_RECEIVE,
  OP_RESET_VCPU,
  OP_RESUME,
  operationStarts,
  PREEMPT_MASK,
  PREEMPT_SHIFT,
  RECORD,
  W_COUNT,
  W_FRAME,
} from '../program/record.js';
import { takesTheKernelAway } from './guard.js';
import type { LabProgram } from './mailbox.js';
import { GaveUp, Oracle } from './oracle.js';
import { LAB_PLANS, RACE_PLANS } from './plans.js';
import { endsBeforeItsCleanup, hasSecondDomain } from './second-domain.js';
import type { XenBuild } from './build.js';
import { CONTENDED, isContended, whyNotOperation, writesHalfOfXensSlot } from './support.js';
import { firstToAskTheTlb, goesThroughTheTlb } from './tlb.js';
import { DOMAIN_PLANS, ToolstackWriter } from './toolstack.js';

const LENGTHS = [10, 40, 120] as const;
/** Of so many programs one loses races: for each QEMU stops a few times, which takes as long as fifty programs. */
const RACY = 500;
const RACY_LENGTH = 60;
const RACES = { mood: 'early events and races', plans: RACE_PLANS } as const;

/** Every so many programs one is an ordinary domain's. */
const DOMAIN_EVERY = 10;
const DOMAIN_TASTE: Taste = {
  mood: 'early events',
  plans: DOMAIN_PLANS,
  callers: 1,
  endingMax: 60,
  write: new ToolstackWriter(),
};

const DOMAIN_RACES: Taste = { ...DOMAIN_TASTE, mood: 'early events and races' };

/** The machine that a lab on this Xen is, or an ordinary domain there. */
function machineOn(build: XenBuild, hardwareDomain: boolean, assist: boolean, vcpus: number): Machine {
  return machineOf({
    arch: build.arch,
    hardwareDomain,
    writablePagetables: assist,
    paeXenSlot: build.arch === 'x86_32' ? build.paeXenSlot : DEFAULT_PAE_XEN_SLOT,
    debugBuild: build.debug,
    quirks: 'shipped',
    vcpus,
    linear: true,
  });
}

export class LabAuthor {
  private readonly scout = new OptimizedModel();
  private readonly oracle = new Oracle(new ReferenceModel());

  constructor(
    private readonly build: XenBuild,
    private readonly seed: string,
  ) {}

  /** The run's program of this number; each comes from a stream of its own. */
  program(number: number): LabProgram {
    const name = `xen ${this.build.arch} ${this.seed}.${number}`;
    if (this.build.races && number % RACY === RACY - 1) return this.racyProgram(name);
    const isSecond = number % DOMAIN_EVERY === 0 && hasSecondDomain(this.build);
    return isSecond ? this.domainProgram(stream(name), DOMAIN_TASTE) : this.labProgram(stream(name), false);
  }

  /** One that loses races, and that Xen survives: a model stops where Xen would, or where it can no longer say what Xen does. */
  private racyProgram(name: string): LabProgram {
    for (let attempt = 0; ; attempt++) {
      try {
        const draw = stream(`${name}.${attempt}`);
        const isSecond = hasSecondDomain(this.build) && oneIn(draw, 3);
        const program = isSecond ? this.domainProgram(draw, DOMAIN_RACES) : this.labProgram(draw, true);
        if (this.losesRaces(program)) return program;
      } catch (error) {
        if (!(error instanceof XenStops || error instanceof GaveUp)) throw error;
      }
    }
  }

  /** Takes those races away that no reference of their operation can lose, as QEMU stops for all; whether others are left. */
  private losesRaces(program: LabProgram): boolean {
    const { code } = program;
    const { results } = this.oracle.expect(program);
    let lost = 0;
    for (const at of operationStarts(code)) {
      if (!isContended(code, at)) continue;
      if (codeOf(results[at / RECORD]!) === PREEMPTED) lost++;
      else code[at]! &= ~CONTENDED;
    }
    return lost > 0;
  }

  private labProgram(draw: Draw, isRacy: boolean): LabProgram {
    const assist = draw.below(2) === 0;
    const machine = machineOn(this.build, true, assist, oneIn(draw, 2) ? 1 : 2 + draw.below(2));
    const { scout } = this;
    const decreased = new Set<number>();
    const interruptible: number[] = [];
    const fits = (code: Int32Array, at: number) => {
      if (whyNotOperation(code, at, machine) !== undefined || takesTheKernelAway(scout, code, at))
        return false;
      if (writesHalfOfXensSlot(code, at, machine)) return false;
      if (
        goesThroughTheTlb(code, at) &&
        firstToAskTheTlb({ machine, code: code.subarray(0, at + RECORD) }) !== undefined
      )
        return false;
      const opcode = code[at]! & 0xff;
      if (opcode === OP_RESET_VCPU && scout.loadedBase(code[at + W_COUNT]!) === 0) return false; // it is down
      // One of these goes on.
      if (opcode === OP_RESUME && interruptible.some((call) => takesTheKernelAway(scout, code, call)))
        return false;
      if (opcode !== OP_RESUME && isInterruptible(code, at)) interruptible.push(at);
      const mfn = code[at + W_FRAME]!;
      if (opcode === OP_DECREASE_RESERVATION) decreased.add(mfn);
      return opcode !== OP_RECEIVE || !decreased.has(mfn); // the lab cannot say what it would hold
    };
    const length = 1 + draw.below(isRacy ? RACY_LENGTH : pick(draw, LENGTHS));
    const taste = isRacy
      ? RACES
      : ({ mood: oneIn(draw, 2) ? 'early events' : 'calm', plans: LAB_PLANS } as const);
    return { machine, code: drawProgram(draw, machine, length, scout, fits, taste) };
  }

  private domainProgram(draw: Draw, taste: Taste): LabProgram {
    const machine = machineOn(this.build, false, false, 1 + draw.below(3));
    const { scout } = this;
    const fits = (code: Int32Array, at: number) =>
      whyNotOperation(code, at, machine) === undefined && !endsBeforeItsCleanup(scout, code, at);
    const length = 1 + draw.below(pick(draw, LENGTHS));
    return { machine, code: drawProgram(draw, machine, length, scout, fits, taste) };
  }
}

function isInterruptible(code: Int32Array, at: number): boolean {
  return isContended(code, at) || ((code[at]! >> PREEMPT_SHIFT) & PREEMPT_MASK) !== 0;
}
