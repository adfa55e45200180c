/** Programs drawn for the lab: what the fuzzer draws, without what cannot be brought about on real Xen. */
import { OptimizedModel } from '../../models/optimized/model.js';
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
  PREEMPT_MASK,
  PREEMPT_SHIFT,
  RECORD,
  span,
  W_COUNT,
  W_FRAME,
} from '../program/record.js';
import { takesTheKernelAway } from './guard.js';
import type { LabProgram } from './mailbox.js';
import { LAB_PLANS } from './plans.js';
import { endsBeforeItsCleanup, hasSecondDomain } from './second-domain.js';
import { firstToAskTheTlb } from './tlb.js';
import { whyNotOperation, writesHalfOfXensSlot, type XenBuild } from './support.js';
import { DOMAIN_PLANS, ToolstackWriter } from './toolstack.js';

const LENGTHS = [10, 40, 120] as const;

/** Every so many programs one is an ordinary domain's. */
const DOMAIN_EVERY = 10;
const DOMAIN_TASTE: Taste = {
  mood: 'early events',
  plans: DOMAIN_PLANS,
  callers: 1,
  endingMax: 60,
  write: new ToolstackWriter(),
};

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

  constructor(
    private readonly build: XenBuild,
    private readonly seed: string,
  ) {}

  /** The run's program of this number; each comes from a stream of its own. */
  program(number: number): LabProgram {
    const draw = stream(`xen ${this.build.arch} ${this.seed}.${number}`);
    const isSecond = number % DOMAIN_EVERY === 0 && hasSecondDomain(this.build);
    return isSecond ? this.domainProgram(draw) : this.labProgram(draw);
  }

  private labProgram(draw: Draw): LabProgram {
    const assist = draw.below(2) === 0;
    const machine = machineOn(this.build, true, assist, oneIn(draw, 2) ? 1 : 2 + draw.below(2));
    const { scout } = this;
    const decreased = new Set<number>();
    const interruptible: number[] = [];
    const fits = (code: Int32Array, at: number) => {
      if (whyNotOperation(code, at, machine) !== undefined || takesTheKernelAway(scout, code, at))
        return false;
      if (writesHalfOfXensSlot(code, at, machine)) return false;
      const soFar = { machine, code: code.subarray(0, at + span(code, at) * RECORD) };
      if (firstToAskTheTlb(soFar) !== undefined) return false;
      const opcode = code[at]! & 0xff;
      if (opcode === OP_RESET_VCPU && scout.loadedBase(code[at + W_COUNT]!) === 0) return false; // it is down
      // One of these goes on.
      if (opcode === OP_RESUME && interruptible.some((call) => takesTheKernelAway(scout, code, call)))
        return false;
      if (opcode !== OP_RESUME && ((code[at]! >> PREEMPT_SHIFT) & PREEMPT_MASK) !== 0) interruptible.push(at);
      const mfn = code[at + W_FRAME]!;
      if (opcode === OP_DECREASE_RESERVATION) decreased.add(mfn);
      return opcode !== OP_RECEIVE || !decreased.has(mfn); // the lab cannot say what it would hold
    };
    const length = 1 + draw.below(pick(draw, LENGTHS));
    const mood = oneIn(draw, 2) ? 'early events' : 'calm';
    return { machine, code: drawProgram(draw, machine, length, scout, fits, { mood, plans: LAB_PLANS }) };
  }

  private domainProgram(draw: Draw): LabProgram {
    const machine = machineOn(this.build, false, false, 1 + draw.below(3));
    const { scout } = this;
    const fits = (code: Int32Array, at: number) =>
      whyNotOperation(code, at, machine) === undefined && !endsBeforeItsCleanup(scout, code, at);
    const length = 1 + draw.below(pick(draw, LENGTHS));
    return { machine, code: drawProgram(draw, machine, length, scout, fits, DOMAIN_TASTE) };
  }
}
