/**
 * Programs of an ordinary domain. The lab makes a domain for each, which never runs, and is its toolstack (lab/domain.c): it asks for
 * changes of its tables as vCPU 0 would, initialises and resets the other vCPUs, and destroys the domain.
 */
import type { ModelState } from '../../models/model.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import { takeStart } from '../program/alike.js';
import * as op from '../program/record.js';
import { survives } from './guard.js';
import type { LabProgram } from './mailbox.js';
import type { XenBuild } from './build.js';

/** The release whose XEN_DOMCTL_createdomain the lab knows. */
const RELEASE = /^4\.17\b/;
const RUNNABLE = new Set([
  op.OP_MMU_UPDATE,
  op.OP_PIN,
  op.OP_UNPIN,
  op.OP_CLEAR_PAGE,
  op.OP_COPY_PAGE,
  op.OP_MMU_UPDATE_LIST,
  op.OP_MMUEXT_LIST,
  op.OP_RESUME,
  op.OP_INITIALISE,
  op.OP_RESET_VCPU,
  op.OP_DESTROY,
]);
const OWNERS = op.OPT_FD | (3 << op.OPT_PFD_SHIFT);

/** Whether the lab can make one. */
export function hasSecondDomain({ arch, version }: XenBuild): boolean {
  return arch === 'x86_64' && RELEASE.test(version);
}

/** Why the lab cannot do this with a second domain, if so. */
export function whyNotForeign(code: Int32Array, at: number): string | undefined {
  const word = code[at]!;
  const opcode = word & 0xff;
  if (!RUNNABLE.has(opcode)) return `has ${op.OPCODE_NAMES[opcode]}, which a domain has to do itself`;
  if (((word >> op.CPU_SHIFT) & op.CPU_MASK) !== 0) return 'runs a vCPU of an ordinary domain besides vCPU 0';
  if (opcode === op.OP_RESET_VCPU && code[at + op.W_COUNT] === 0)
    return 'resets vCPU 0, for which the lab speaks';
  const isList = opcode === op.OP_MMU_UPDATE_LIST || opcode === op.OP_MMUEXT_LIST;
  return isList && (code[at + op.W_OPTIONS]! & OWNERS) !== 0
    ? 'has a list that names another domain'
    : undefined;
}

/**
 * Whether the domain's end begins here while vCPU 0 has a table to clean up: Xen would do that first in the model, but the table
 * stands with the vCPU of dom0's that has made the call.
 */
export function endsBeforeItsCleanup(state: ModelState, code: Int32Array, at: number): boolean {
  return (code[at]! & 0xff) === op.OP_DESTROY && state.dying() === 0 && state.deferred(0) !== 0;
}

const scout = new OptimizedModel();

/** Index of the program's operation that does so; undefined if none does. */
export function endBeforeItsCleanup({ machine, code }: LabProgram): number | undefined {
  takeStart(scout, machine);
  const answers = new Int32Array(code.length / op.RECORD);
  for (const [i, at] of op.operationStarts(code).entries()) {
    if (endsBeforeItsCleanup(scout, code, at)) return i;
    if (!survives(scout, code, at, answers)) return undefined;
  }
  return undefined;
}
