/** The text of every operation: its word, and what the word is followed by. */
import * as op from '../program/record.js';
import { MMU_COMMANDS } from '../program/operation.js';
import type { Operand, Option } from './operand.js';
import * as fields from './operands.js';
import * as options from './options.js';

/** Where an operation can stand besides the top level: in a list of its kind, or as a call of a multicall. */
export type Group = 'mmu_update' | 'mmuext_op' | 'hypercall' | 'guest';

export interface OperationSyntax {
  readonly word: string;
  /** Opcode and variant, word 0 of the record; an operand may add to it. */
  readonly opcode: number;
  readonly group: Group;
  readonly operands: readonly Operand[];
  readonly options: readonly Option[];
  /** Options that it has only where it stands by itself. */
  readonly outerOptions: readonly Option[];
  /** Bits of W_OPTIONS that the word itself stands for. */
  readonly flags: number;
  /** Of a list: what its elements can be; lines up to `end` belong to it. */
  readonly items: readonly Group[];
  /** A list of requests: its elements have no answers of their own. */
  readonly list: boolean;
  /** Its answer may have a `done` count. */
  readonly counted: boolean;
  /** Whether it has an answer where it stands by itself. */
  readonly answered: boolean;
}

type Extras = Partial<Omit<OperationSyntax, 'word' | 'opcode' | 'group' | 'operands'>>;

/** Of everything that can be interrupted: the calls that Xen continues, and what the toolstack has done (rules 16.4, 16.7). */
const INTERRUPTION = [options.PREEMPT, options.CONTEND];

function operation(
  group: Group,
  word: string,
  opcode: number,
  operands: readonly Operand[],
  extras: Extras = {},
): OperationSyntax {
  return {
    word,
    opcode,
    group,
    operands,
    options: [],
    outerOptions: group === 'mmu_update' || group === 'mmuext_op' ? INTERRUPTION : [],
    flags: 0,
    items: [],
    list: false,
    counted: false,
    answered: true,
    ...extras,
  };
}

const PARTS = ['', '.low', '.high'];
const commandSuffix = (command: string) => (command === 'normal' ? '' : `.${command}`);

export const OPERATIONS: readonly OperationSyntax[] = [
  ...PARTS.map((part, variant) =>
    operation('guest', `store${part}`, op.OP_STORE | (variant << 8), [fields.STORE_TARGET, fields.ENTRY]),
  ),
  operation('guest', 'fill', op.OP_FILL, [fields.FILLED_FRAME], { answered: false }),
  ...Object.entries(MMU_COMMANDS).map(([command, variant]) =>
    operation('mmu_update', `mmu_update${commandSuffix(command)}`, op.OP_MMU_UPDATE | (variant << 8), [
      fields.FRAME_SLOT,
      fields.ENTRY,
    ]),
  ),
  operation('mmu_update', 'mmu_update.machphys', op.OP_MACHPHYS, [fields.FRAME, fields.M2P_VALUE]),
  operation('hypercall', 'update_va', op.OP_UPDATE_VA, [fields.ADDRESS, fields.ENTRY], {
    options: [options.FLUSH, options.FD],
  }),
  operation('mmuext_op', 'pin', op.OP_PIN, [fields.LEVEL, fields.FRAME]),
  operation('mmuext_op', 'unpin', op.OP_UNPIN, [fields.FRAME]),
  operation('mmuext_op', 'new_baseptr', op.OP_NEW_BASEPTR, [fields.FRAME]),
  operation('mmuext_op', 'new_user_baseptr', op.OP_NEW_USER_BASEPTR, [fields.FRAME]),
  operation('mmuext_op', 'clear_page', op.OP_CLEAR_PAGE, [fields.FRAME]),
  operation('mmuext_op', 'copy_page', op.OP_COPY_PAGE, [fields.FRAME, fields.SOURCE]),
  operation('mmuext_op', 'set_ldt', op.OP_SET_LDT, [fields.ADDRESS, fields.ENTRIES]),
  operation('mmuext_op', 'mmuext', op.OP_MMUEXT, [fields.COMMAND], { options: [options.BAD_BITMAP] }),
  operation('hypercall', 'set_gdt', op.OP_SET_GDT, [fields.GDT]),
  operation('hypercall', 'update_descriptor', op.OP_UPDATE_DESCRIPTOR, [
    fields.FRAME_SLOT,
    fields.DESCRIPTOR,
  ]),
  operation(
    'hypercall',
    'update_descriptor.misaligned',
    op.OP_UPDATE_DESCRIPTOR,
    [fields.FRAME_SLOT, fields.DESCRIPTOR],
    {
      flags: op.OPT_BAD,
    },
  ),
  operation('guest', 'access_ldt', op.OP_ACCESS_LDT, [fields.LDT_PAGE]),
  operation('guest', 'write_cr3', op.OP_WRITE_CR3, [fields.FRAME], { outerOptions: INTERRUPTION }),
  operation('guest', 'release', op.OP_RELEASE, [fields.FRAME]),
  operation('guest', 'receive', op.OP_RECEIVE, [fields.FRAME_RUN]),
  operation('guest', 'decrease_reservation', op.OP_DECREASE_RESERVATION, [fields.FRAME]),
  operation('hypercall', 'mmu_update_list', op.OP_MMU_UPDATE_LIST, [], {
    options: [options.FD, options.PFD, options.BAD_LIST, options.UNREADABLE, options.CONTINUED],
    outerOptions: INTERRUPTION,
    items: ['mmu_update'],
    list: true,
    counted: true,
  }),
  operation('hypercall', 'mmuext_op_list', op.OP_MMUEXT_LIST, [], {
    options: [options.FD, options.BAD_LIST, options.UNREADABLE, options.CONTINUED],
    outerOptions: INTERRUPTION,
    items: ['mmuext_op'],
    list: true,
    counted: true,
  }),
  operation('guest', 'multicall', op.OP_MULTICALL, [], { items: ['mmu_update', 'mmuext_op', 'hypercall'] }),
  operation('guest', 'resume', op.OP_RESUME, [], { outerOptions: INTERRUPTION, counted: true }),
  operation('guest', 'touch', op.OP_TOUCH, [fields.ADDRESS]),
  operation('guest', 'store.cached', op.OP_STORE_CACHED, [fields.ENTRY_ADDRESS, fields.ENTRY]),
  operation('hypercall', 'iret_user', op.OP_IRET_USER, []),
  operation('guest', 'initialise', op.OP_INITIALISE, [fields.VCPU, fields.FRAME], {
    options: [options.USER, options.USER_MODE],
    outerOptions: INTERRUPTION,
  }),
  operation('guest', 'reset_vcpu', op.OP_RESET_VCPU, [fields.ANY_VCPU], { outerOptions: INTERRUPTION }),
  operation('guest', 'destroy', op.OP_DESTROY, [], { outerOptions: INTERRUPTION }),
];

/** Opcodes whose variant is an operand, not part of the word. */
const VARIANT_OPERAND = new Set([op.OP_PIN, op.OP_MMUEXT]);

/** Syntax by opcode and variant. */
const BY_OPCODE = new Map<number, OperationSyntax>();
for (const syntax of OPERATIONS) if (syntax.flags === 0) BY_OPCODE.set(syntax.opcode, syntax);
for (const [variant, part] of PARTS.entries()) {
  // One word for both kinds of store; the target tells them apart.
  BY_OPCODE.set(
    op.OP_STORE_FRAME | (variant << 8),
    OPERATIONS.find(({ word }) => word === `store${part}`)!,
  );
}
const MISALIGNED = OPERATIONS.find(({ word }) => word === 'update_descriptor.misaligned')!;

/** The syntax that the record at `at` is printed with. */
export function syntaxOf(code: Int32Array, at: number): OperationSyntax {
  const word = code[at + op.W_OPCODE]! & ~op.ENVIRONMENT_MASK;
  const opcode = word & 0xff;
  if (opcode === op.OP_UPDATE_DESCRIPTOR && code[at + op.W_OPTIONS]! & op.OPT_BAD) return MISALIGNED;
  const syntax = BY_OPCODE.get(VARIANT_OPERAND.has(opcode) ? opcode : word);
  if (!syntax) throw new Error(`no operation has opcode 0x${word.toString(16)}`);
  return syntax;
}
