/** The flat form of operations: the constants of the layout drawn in `operation.ts`, and the way from record to record. */
/** Words of a record. */
export const RECORD = 8;
/** Its binary logarithm: a shift where a division would be slow. */
export const RECORD_SHIFT = 3;

export const W_OPCODE = 0;
/** Frame number, low half of a virtual address, or page of the LDT. */
export const W_FRAME = 1;
/** Slot, or high half of a virtual address. */
export const W_SLOT = 2;
/** Low word of an entry, descriptor or M2P value; source frame of copy_page. */
export const W_LOW = 3;
export const W_HIGH = 4;
/** Descriptor entries or number of frames; for a list, the first unreadable element plus one. */
export const W_COUNT = 5;
export const W_ITEMS = 6;
/** Options, below; for a list, bits 8.. hold the value that `done` starts from, plus one. */
export const W_OPTIONS = 7;

export const OP_STORE = 1;
export const OP_STORE_FRAME = 2;
export const OP_FILL = 3;
export const OP_MMU_UPDATE = 4;
export const OP_MACHPHYS = 5;
export const OP_UPDATE_VA = 6;
export const OP_PIN = 7;
export const OP_UNPIN = 8;
export const OP_NEW_BASEPTR = 9;
export const OP_NEW_USER_BASEPTR = 10;
export const OP_CLEAR_PAGE = 11;
export const OP_COPY_PAGE = 12;
export const OP_SET_LDT = 13;
export const OP_MMUEXT = 14;
export const OP_SET_GDT = 15;
export const OP_UPDATE_DESCRIPTOR = 16;
export const OP_ACCESS_LDT = 17;
export const OP_WRITE_CR3 = 18;
export const OP_RELEASE = 19;
export const OP_RECEIVE = 20;
export const OP_DECREASE_RESERVATION = 21;
export const OP_MMU_UPDATE_LIST = 22;
export const OP_MMUEXT_LIST = 23;
export const OP_MULTICALL = 24;
/** Items of a fill and of set_gdt. */
export const OP_FILL_ENTRY = 25;
export const OP_GDT_FRAME = 26;
export const OP_RESUME = 27;
export const OP_TOUCH = 28;
export const OP_STORE_CACHED = 29;
export const OP_IRET_USER = 30;
export const OP_INITIALISE = 31;
export const OP_RESET_VCPU = 32;
export const OP_DESTROY = 33;

/** Words of the operations in the text, by opcode. */
export const OPCODE_NAMES: readonly string[] = [
  '',
  'store',
  'store frame',
  'fill',
  'mmu_update',
  'mmu_update.machphys',
  'update_va',
  'pin',
  'unpin',
  'new_baseptr',
  'new_user_baseptr',
  'clear_page',
  'copy_page',
  'set_ldt',
  'mmuext',
  'set_gdt',
  'update_descriptor',
  'access_ldt',
  'write_cr3',
  'release',
  'receive',
  'decrease_reservation',
  'mmu_update_list',
  'mmuext_op_list',
  'multicall',
  '',
  '',
  'resume',
  'touch',
  'store.cached',
  'iret_user',
  'initialise',
  'reset_vcpu',
  'destroy',
];

/** Bits of word 0 besides the opcode: its variant, and what the environment does (drawn in `operation.ts`). */
export const VARIANT_SHIFT = 8;
export const VARIANT_MASK = 0xff;
export const CPU_SHIFT = 16;
export const CPU_MASK = 3;
/** 0 for none, else the number of the contended reference plus one. */
export const CONTEND_SHIFT = 18;
export const CONTEND_MASK = 0x3f;
/** 0 for none, else the units of work before the event plus one. */
export const PREEMPT_SHIFT = 24;
export const PREEMPT_MASK = 0x7f;
/** All of what the environment does. */
export const ENVIRONMENT_MASK = 0x7fff0000;
export const CONTEND_MAX = CONTEND_MASK - 1;
export const PREEMPT_MAX = PREEMPT_MASK - 1;

/** Variants of a store: which part of the entry it writes. */
export const PART_ENTRY = 0;
export const PART_LOW = 1;
export const PART_HIGH = 2;

/** Options, bits 0..2: the domain the hypercall names (FD). */
export const OPT_FD = 7;
/** Options, bits 3..4: the domain that owns the tables (PFD). */
export const OPT_PFD_SHIFT = 3;
/** Options, bit 5: a list, bitmap or address that cannot be used. */
export const OPT_BAD = 1 << 5;
/** Options, bits 6..7: flush of update_va. */
export const OPT_FLUSH_SHIFT = 6;
export const FLUSH_NONE = 0;
export const FLUSH_ALL = 1;
export const FLUSH_INVLPG = 2;
export const OPT_DONE_SHIFT = 8;

export const FD_SELF = 0;
export const FD_OWN = 1;
export const FD_IO = 2;
export const FD_XEN = 3;
export const FD_NONE = 4;

export const PFD_SELF = 0;
export const PFD_OWN = 1;
export const PFD_NONE = 2;

/** Records of the operation that begins at `at`, itself included. */
export function span(code: Int32Array, at: number): number {
  return 1 + (code[at + W_ITEMS] as number);
}

/** Where each operation of a program begins. */
export function operationStarts(code: Int32Array): number[] {
  const starts: number[] = [];
  for (let at = 0; at < code.length; at += span(code, at) * RECORD) starts.push(at);
  return starts;
}

/** Where the items of the operation at `at` begin. */
export function itemsAt(code: Int32Array, at: number): number[] {
  const starts: number[] = [];
  const end = at + span(code, at) * RECORD;
  for (let i = at + RECORD; i < end; i += span(code, i) * RECORD) starts.push(i);
  return starts;
}
