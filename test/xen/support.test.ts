import { describe, expect, test } from 'vitest';
import { parseProgram } from '../../src/text/parse.js';
import { OptimizedModel } from '../../models/optimized/model.js';
import {
  CPU_MASK,
  CPU_SHIFT,
  OP_DESTROY,
  OP_INITIALISE,
  OP_PIN,
  OP_RESET_VCPU,
  OP_RESUME,
  operationStarts,
  RECORD,
} from '../../src/program/record.js';
import { LabAuthor } from '../../src/xen/draw.js';
import { takesTheKernelAway } from '../../src/xen/guard.js';
import { whyNot, writesHalfOfXensSlot } from '../../src/xen/support.js';
import { domainProgram, program, XEN } from './answers.js';

/** A root that has the kernel. */
const ROOT = ['mmu_update F1[511] B3|P|RW|US', 'update_va W1 0'];

describe('the lab runs', () => {
  test.each([
    'store W1[3] F1|P|RW',
    'store.high F1[3] F1|P|RW',
    'update_va W500 B1|P',
    'update_va 0x1000 F1|P|RW',
    'mmu_update BAD[3] F1|P',
    'mmu_update.machphys F1 0x1234',
    'set_gdt F1 F2 entries=600',
    'access_ldt 1',
    'write_cr3 B4',
    'release F1',
    'update_descriptor F1[3] 0xcf9a000000fff0',
    'pin L2 F1 preempt=0',
    'resume preempt=0',
    'pin L2 F1 contend=1',
    'initialise 1 B4 contend=0',
  ])('%s', (line) => {
    expect(whyNot(program(line), XEN)).toBeUndefined();
  });

  test('operations of another vCPU', () => {
    expect(whyNot(program('pin L2 F1 preempt=0', 'cpu1: resume preempt=0'), XEN)).toBeUndefined();
  });

  test('returns to user mode with tables that have the kernel', () => {
    expect(whyNot(program('new_user_baseptr B4', 'iret_user'), XEN)).toBeUndefined();
  });

  test('vCPUs that go down and come up again', () => {
    const lines = ['reset_vcpu 1', 'initialise 1 B4 user=F1 mode=user preempt=0', 'cpu1: resume'];
    expect(whyNot(program(...lines), XEN)).toBeUndefined();
  });

  test('programs as they are drawn for it', () => {
    const author = new LabAuthor(XEN, 'support');
    const model = new OptimizedModel();
    let interrupted = 0;
    let others = 0;
    for (let i = 0; i < 200; i++) {
      const { machine, code } = author.program(i);
      expect(whyNot({ machine, code }, XEN)).toBeUndefined();
      if (!machine.hardwareDomain) continue;
      if (model.machine === machine) model.reset();
      else model.start(machine);
      for (const at of operationStarts(code)) {
        expect(writesHalfOfXensSlot(code, at, machine)).toBe(false);
        expect(takesTheKernelAway(model, code, at), `program ${i}, record ${at / RECORD}`).toBe(false);
        model.run(code, at, new Int32Array(code.length / RECORD));
        if (model.interrupted(0) !== 0) interrupted++;
        if (((code[at]! >> CPU_SHIFT) & CPU_MASK) !== 0) others++;
      }
    }
    expect(interrupted).toBeGreaterThan(50);
    expect(others).toBeGreaterThan(500);
  });
});

describe('the lab cannot run', () => {
  test.each([
    ['touch 0x1000', 'an address that is no window'],
    ['reset_vcpu 0', 'resets vCPU 0'],
    ['cpu1: reset_vcpu 1', 'resets vCPU 0, the one that runs'],
    ['reset_vcpu 3', 'one that does not exist'],
    ['reset_vcpu 1 preempt=0', 'an interrupted reset_vcpu'],
    ['initialise 1 F1 user=0x1234', 'a frame by its number'],
    ['destroy', 'destroy, which cannot be brought about'],
    ['pin L1 F1 preempt=1', 'an event after preempt=0'],
    ['reset_vcpu 1 contend=0', 'an interrupted reset_vcpu'],
    ['mmu_update 0x1234[3] F1|P', 'a frame by its number'],
    ['mmu_update F1[3] 0x1234|P', 'a frame without a name'],
    ['update_descriptor F1[3] 0xcf9a000000ffff', 'a descriptor that is an entry'],
    ['store 0xffffffff80001000 F1|P', 'an address that is no window'],
    ['update_va 0xffffffff80001000 F1|P', 'an address of the kernel'],
    ['set_ldt 0xffffffff80001000 entries=3', 'an address of the kernel'],
  ])('%s', (line, why) => {
    expect(whyNot(program(line), XEN)).toContain(why);
  });

  test('an access through a translation that may be held', () => {
    const lines = ['touch W1', 'mmu_update B1[1] 0', 'store.cached W1[0] 0'];
    expect(whyNot(program(...lines), XEN)).toBe('asks what a TLB still holds (operation 3)');
  });

  test('a lost race where the image does not show Xen taking types', () => {
    const one = program('pin L1 F1', 'pin L1 F1 contend=0');
    expect(whyNot(one, { ...XEN, races: false })).toContain('this image of Xen (operation 2)');
  });

  test('a vCPU that the machine does not have, in a program whose machine has shrunk', () => {
    const { code, machine } = program('initialise 1 B4');
    expect(whyNot({ code, machine: { ...machine, vcpus: 1 } }, XEN)).toContain('does not have');
  });

  test('what would take its own mapping away, at once or when an interrupted call goes on', () => {
    expect(whyNot(program('write_cr3 F1'), XEN)).toBe("would take the lab's own mapping away (operation 1)");
    // The cleanup of F2 stops NEW_BASEPTR before it has looked at F1.
    const stopped = ['pin L2 F2', 'unpin F2 preempt=0', 'new_baseptr F1 preempt=0'];
    const taken = [...ROOT, 'update_va W2 0', ...stopped, 'mmu_update F1[511] 0', 'resume'];
    expect(whyNot(program(...taken), XEN)).toContain('(operation 8)');
    expect(whyNot(program(...taken.slice(0, -1)), XEN)).toBeUndefined();
  });

  test.each([
    ['x86_64 frames=8 domain=hardware build=debug', 'a debug build'],
    ['x86_64 frames=40 domain=hardware', '1 to 31 frames'],
    ['x86_64 frames=8 domain=hardware linear=off', 'without linear'],
    ['x86_32 frames=8 domain=hardware', 'x86_32'],
  ])('machine %s', (machine, why) => {
    const one = parseProgram(`pvmmu 1\nprogram test\nmachine ${machine}\nclear_page F1 -> ?`);
    expect(whyNot(one, XEN)).toContain(why);
  });
});

describe('of an ordinary domain the lab runs', () => {
  test.each([
    [['mmu_update B4[511] 0', 'unpin B4', 'copy_page F1 B1']],
    [['pin L2 F2 preempt=0', 'resume preempt=0', 'mmu_update F2[1] F1|P preempt=0']],
    [['mmuext_op_list', '  pin L1 F1', '  clear_page F2', 'end -> ?']],
    [['reset_vcpu 1 preempt=0', 'reset_vcpu 1', 'initialise 1 F1 user=F2 mode=user preempt=0']],
    [['destroy preempt=0', 'pin L1 F1', 'destroy', 'destroy']],
    [['unpin B4', 'destroy preempt=0', 'destroy preempt=0']],
  ])('%j', (lines) => {
    expect(whyNot(domainProgram(...lines), XEN)).toBeUndefined();
  });

  test.each([
    [['update_va W1 0'], 'update_va, which a domain has to do itself'],
    [['store W1[3] F1|P'], 'store, which a domain has to do itself'],
    [['new_baseptr B4'], 'new_baseptr, which a domain has to do itself'],
    [['mmuext_op_list', '  pin L1 F1', '  new_baseptr B4', 'end -> ?'], 'new_baseptr, which'],
    [['mmu_update_list fd=io', '  mmu_update F1[0] 0', 'end -> ?'], 'a list that names another domain'],
    [['cpu1: pin L1 F1'], 'a vCPU of an ordinary domain besides vCPU 0'],
    [['reset_vcpu 0'], 'resets vCPU 0'],
    [['destroy preempt=1'], 'an event after preempt=0'],
    // The cleanup of F2 stands with dom0's vCPU, not with the domain's.
    [
      ['mmu_update B1[2] 0', 'pin L2 F2', 'unpin F2 preempt=0', 'destroy'],
      'ends before vCPU 0 has cleaned up',
    ],
  ])('not %j', (lines, why) => {
    expect(whyNot(domainProgram(...lines), XEN)).toContain(why);
  });

  test('nothing on another release of Xen, or a 32-bit one', () => {
    const one = domainProgram('pin L1 F1');
    const why = 'an ordinary domain, which the lab makes on Xen 4.17 for x86_64 alone';
    expect(whyNot(one, { ...XEN, version: '4.18.1' })).toContain(why);
    const narrow = parseProgram('pvmmu 1\nprogram test\nmachine x86_32 frames=8\nclear_page F1 -> ?');
    expect(whyNot(narrow, { ...XEN, arch: 'x86_32', paeXenSlot: 428 })).toContain(why);
  });

  test('programs in which vCPUs are reset and the domain comes to its end, drawn for it', () => {
    const author = new LabAuthor(XEN, 'second');
    const seen = new Map<number, number>();
    for (let i = 0; i < 1200; i += 10) {
      const { machine, code } = author.program(i); // one in ten is
      expect(machine.hardwareDomain).toBe(false);
      expect(whyNot({ machine, code }, XEN)).toBeUndefined();
      for (const at of operationStarts(code)) {
        const opcode = code[at]! & 0xff;
        seen.set(opcode, (seen.get(opcode) ?? 0) + 1);
      }
    }
    for (const opcode of [OP_DESTROY, OP_RESET_VCPU, OP_INITIALISE, OP_RESUME, OP_PIN])
      expect(seen.get(opcode)).toBeGreaterThan(10);
    const other = new LabAuthor({ ...XEN, version: '4.18.1' }, 'second');
    expect(Array.from({ length: 40 }, (_, i) => other.program(i).machine.hardwareDomain)).not.toContain(
      false,
    );
  });
});

test.each([
  ['store.low W0[257] 0', true],
  ['store.high F1[271] 0', true],
  ['store W0[257] 0', false],
  ['store.low F1[272] 0', false],
])('half of a slot of Xen’s is what %s writes: %s', (line, expected) => {
  const { machine, code } = program(line);
  expect(writesHalfOfXensSlot(code, 0, machine)).toBe(expected);
});

describe('the kernel would lose its mapping', () => {
  const loses = (...lines: string[]) => {
    const { machine, code } = program(...lines);
    const model = new OptimizedModel();
    model.start(machine);
    const starts = operationStarts(code);
    for (const at of starts.slice(0, -1)) model.run(code, at, new Int32Array(code.length / RECORD));
    return takesTheKernelAway(model, code, starts.at(-1)!);
  };
  test.each([
    [['mmu_update B2[3] 0']],
    [['unpin B4']],
    [['copy_page B1 F1']],
    [['new_baseptr F1']],
    [['write_cr3 F1']],
    [['reset_vcpu 1', 'initialise 1 F1']],
    [['iret_user']],
    [['update_va W1 0', 'new_user_baseptr F1', 'iret_user']],
    [[...ROOT, 'new_baseptr F1', 'mmu_update F1[511] 0']],
    [[...ROOT, 'cpu1: new_baseptr F1', 'mmu_update F1[511] 0']],
    [[...ROOT, 'reset_vcpu 1', 'initialise 1 F1', 'mmu_update F1[511] 0']],
    [[...ROOT, 'mmu_update F1[511] B3|P|RW|US|NX', 'new_baseptr F1']],
    [[...ROOT, 'multicall', '  mmu_update F1[511] 0 -> ?', '  new_baseptr F1 -> ?', 'end -> ?']],
  ])('with %s', (lines) => {
    expect(loses(...lines)).toBe(true);
  });

  test.each([
    [['mmu_update B1[3] 0']],
    [['new_baseptr B4']],
    [['new_baseptr BAD']],
    [[...ROOT, 'new_user_baseptr F1', 'iret_user']],
    [[...ROOT, 'new_baseptr F1']],
    [[...ROOT, 'new_baseptr F1', 'mmu_update F1[510] 0']],
    [['mmu_update F1[511] 0']],
  ])('but not with %s', (lines) => {
    expect(loses(...lines)).toBe(false);
  });
});
