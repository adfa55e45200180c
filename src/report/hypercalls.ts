/** The program as raw hypercalls: number, arguments and the structures in guest memory, with its own frame numbers. */
import { highWord, lowWord, type Entry } from '../../models/x86/entry.js';
import { decode } from '../program/codec.js';
import {
  type DomainId,
  type Hypercall,
  type ListOptions,
  MMU_COMMANDS,
  type Mmuext,
  MMUEXT_COMMANDS,
  type MmuUpdate,
  type Operation,
  type Word64,
} from '../program/operation.js';
import { operationStarts } from '../program/record.js';
import { printMachineLine } from '../text/machine-line.js';
import type { Story } from './story.js';

/** include/public/xen.h */
const NUMBERS = {
  mmu_update: 1,
  set_gdt: 2,
  update_descriptor: 10,
  memory_op: 12,
  multicall: 13,
  update_va_mapping: 14,
  update_va_mapping_otherdomain: 22,
  iret: 23,
  vcpu_op: 24,
  mmuext_op: 26,
} as const;
type HypercallName = keyof typeof NUMBERS;

const DOMIDS: Readonly<Record<DomainId, string>> = {
  self: 'DOMID_SELF (0x7ff0)',
  own: 'the own number of the domain',
  io: 'DOMID_IO (0x7ff1)',
  xen: 'DOMID_XEN (0x7ff2)',
  none: 'a domain that does not exist',
};
const PIN_COMMANDS = ['', 0, 1, 2, 3] as const;
const MACHPHYS_COMMAND = 1;

/** Each step with its raw form, one paragraph each. */
export function hypercallsText(story: Story): string {
  const { machine, code } = story.program;
  const starts = operationStarts(code);
  const steps = story.steps.map(({ number, text }) => {
    const lines = requestLines(decode(code, starts[number - 1]!));
    return [`${number}. ${text.split('\n').join('\n   ')}`, ...lines.map((line) => `   ${line}`)].join('\n');
  });
  return [`# ${printMachineLine(machine)}; id ${story.id}`, ...steps, ''].join('\n\n');
}

function requestLines(op: Operation): string[] {
  switch (op.kind) {
    case 'multicall':
      return [
        call('multicall', 'call_list', String(op.items.length)),
        ...op.items.flatMap((item, i) =>
          hypercallLines(item).map((line) => `  ${i === 0 ? '' : ''}[${i}] ${line}`),
        ),
      ];
    case 'store':
    case 'store_cached':
      return [`no hypercall: a store of ${entry(op.entry)} to address ${word(op.va)}`];
    case 'store_frame':
      return [`no hypercall: a store of ${entry(op.entry)} to machine address ${address(op)}`];
    case 'fill':
      return [`no hypercall: plain stores to frame ${hex(op.mfn)}`];
    case 'access_ldt':
      return [`no hypercall: the processor reads a descriptor of page ${op.page} of the LDT`];
    case 'write_cr3':
      return [`no hypercall: MOV of ${hex(op.mfn * PAGE)} to CR3, which Xen emulates`];
    case 'touch':
      return [`no hypercall: a read through address ${word(op.va)}`];
    case 'resume':
      return ['the interrupted hypercall goes on'];
    case 'decrease_reservation':
      return [
        call(
          'memory_op',
          'XENMEM_decrease_reservation (1)',
          `{ extent_start [${hex(op.mfn)}], nr_extents 1, order 0 }`,
        ),
      ];
    case 'release':
      return [`frame ${hex(op.mfn)} is given back to Xen (XENMEM_exchange or a transfer)`];
    case 'receive':
      return [`${op.count} frames from ${hex(op.mfn)} on become the guest's`];
    case 'initialise':
      return [
        call(
          'vcpu_op',
          'VCPUOP_initialise (0)',
          String(op.vcpu),
          `{ ctrlreg[3] of frame ${hex(op.mfn)}${op.user === 0 ? '' : `, ctrlreg[1] of frame ${hex(op.user)}`}${op.userMode ? ', in user mode' : ''} }`,
        ),
      ];
    case 'reset_vcpu':
      return [`the toolstack resets vCPU ${op.vcpu}`];
    case 'destroy':
      return ['the toolstack destroys the domain (XEN_DOMCTL_destroydomain)'];
    default:
      return hypercallLines(op);
  }
}

function hypercallLines(op: Hypercall): string[] {
  switch (op.kind) {
    case 'mmu_update':
    case 'machphys':
      return [call('mmu_update', `[${update(op)}]`, '1', 'NULL', DOMIDS.self)];
    case 'mmu_update_list':
      return [...list('mmu_update', op.items.map(update), op.options)];
    case 'mmuext_op_list':
      return [...list('mmuext_op', op.items.map(extended), op.options)];
    case 'update_va':
      return [updateVa(op)];
    case 'set_gdt':
      return [call('set_gdt', `[${op.frames.map(hex).join(', ')}]`, String(op.entries))];
    case 'update_descriptor':
      return [
        call(
          'update_descriptor',
          hex(op.mfn * PAGE + op.slot * 8 + (op.misaligned ? 1 : 0)),
          word(op.descriptor),
        ),
      ];
    case 'iret_user':
      return [call('iret', 'a frame on the stack for user mode')];
    default:
      return [call('mmuext_op', `[${extended(op)}]`, '1', 'NULL', DOMIDS.self)];
  }
}

const PAGE = 4096;

function call(name: HypercallName, ...args: string[]): string {
  return `HYPERVISOR_${name} (${NUMBERS[name]}): ${args.join(', ')}`;
}

function list(name: HypercallName, items: readonly string[], options: ListOptions): string[] {
  const { fd, badList, unreadable, continued } = options;
  const address = badList ? 'a list outside the range of the guest' : 'list';
  const count = continued === undefined ? String(items.length) : `${items.length} | MMU_UPDATE_PREEMPTED`;
  return [
    call(name, address, count, continued === undefined ? '&done' : `&done (= ${continued})`, DOMIDS[fd]),
    ...items.map((item, i) => `  list[${i}] = ${item}${i === unreadable ? ' (cannot be read)' : ''}`),
  ];
}

function update(op: MmuUpdate): string {
  if (op.kind === 'machphys')
    return `{ ptr ${hex(op.mfn * PAGE + MACHPHYS_COMMAND)}, val ${word(op.value)} }`;
  return `{ ptr ${hex(op.mfn * PAGE + op.slot * 8 + MMU_COMMANDS[op.command])}, val ${entry(op.entry)} }`;
}

function extended(op: Mmuext): string {
  switch (op.kind) {
    case 'pin':
      return `{ cmd ${PIN_COMMANDS[op.level]}, arg1.mfn ${hex(op.mfn)} }`;
    case 'unpin':
      return `{ cmd 4, arg1.mfn ${hex(op.mfn)} }`;
    case 'new_baseptr':
      return `{ cmd 5, arg1.mfn ${hex(op.mfn)} }`;
    case 'new_user_baseptr':
      return `{ cmd 15, arg1.mfn ${hex(op.mfn)} }`;
    case 'clear_page':
      return `{ cmd 16, arg1.mfn ${hex(op.mfn)} }`;
    case 'copy_page':
      return `{ cmd 17, arg1.mfn ${hex(op.mfn)}, arg2.src_mfn ${hex(op.source)} }`;
    case 'set_ldt':
      return `{ cmd 13, arg1.linear_addr ${word(op.va)}, arg2.nr_ents ${op.entries} }`;
    case 'mmuext':
      return `{ cmd ${MMUEXT_COMMANDS[op.command]}${op.badBitmap ? ', arg2.vcpumask unreadable' : ''} }`;
  }
}

function updateVa(op: Extract<Hypercall, { kind: 'update_va' }>): string {
  const flags = { none: '0', flush: 'UVMF_TLB_FLUSH (1)', invlpg: 'UVMF_INVLPG (2)' }[op.flush];
  const args = [
    word(op.va),
    entry(op.entry),
    op.badBitmap ? `${flags} | a bitmap that cannot be read` : flags,
  ];
  if (op.fd === 'self') return call('update_va_mapping', ...args);
  return call('update_va_mapping_otherdomain', ...args, DOMIDS[op.fd]);
}

function address({ mfn, slot }: { mfn: number; slot: number }): string {
  return hex(mfn * PAGE + slot * 8);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function word({ low, high }: Word64): string {
  const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return `0x${value.toString(16)}`;
}

function entry({ mfn, flags }: Entry): string {
  return word({ low: lowWord(mfn, flags), high: highWord(mfn, flags) });
}
