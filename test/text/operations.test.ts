import { describe, expect, it } from 'vitest';
import { entry, P, RW } from '../../models/x86/entry.js';
import type { Operation } from '../../src/program/operation.js';
import { decode, encode } from '../../src/program/codec.js';
import { parseProgram } from '../../src/text/parse.js';
import { printOperation } from '../../src/text/print.js';
import { refusal, STANDARD_32, STANDARD_64 } from './refusal.js';

const F1 = 0x201;
const F2 = 0x202;
const F2_RW = entry(F2, P | RW);
const window = (i: number, offset = 0) => ({ low: (0x80200000 + i * 4096 + offset) | 0, high: -1 });
const self = { fd: 'self', badList: false } as const;

/** Each operation's text, as it is printed, and what it means. */
const OPERATIONS: [string, Operation][] = [
  ['store W2[3] F2|P|RW', { kind: 'store', va: window(2, 24), part: 'entry', entry: F2_RW }],
  ['store.low W511[511] 0', { kind: 'store', va: window(511, 4088), part: 'low', entry: entry(0, 0) }],
  [
    'store.high 0x7f0000000008 0',
    { kind: 'store', va: { low: 8, high: 0x7f00 }, part: 'high', entry: entry(0, 0) },
  ],
  ['store F1[0] F2|P|RW', { kind: 'store_frame', mfn: F1, slot: 0, part: 'entry', entry: F2_RW }],
  ['store.low 0x1a2b[7] F2|P|RW', { kind: 'store_frame', mfn: 0x1a2b, slot: 7, part: 'low', entry: F2_RW }],
  ['mmu_update F1[511] F2|P|RW', { kind: 'mmu_update', command: 'normal', mfn: F1, slot: 511, entry: F2_RW }],
  [
    'mmu_update.preserve_ad F1[0] 0',
    { kind: 'mmu_update', command: 'preserve_ad', mfn: F1, slot: 0, entry: entry(0, 0) },
  ],
  [
    'mmu_update.no_translate F1[0] 0',
    { kind: 'mmu_update', command: 'no_translate', mfn: F1, slot: 0, entry: entry(0, 0) },
  ],
  ['mmu_update.cmd4 F1[0] 0', { kind: 'mmu_update', command: 'cmd4', mfn: F1, slot: 0, entry: entry(0, 0) }],
  ['mmu_update.cmd7 F1[0] 0', { kind: 'mmu_update', command: 'cmd7', mfn: F1, slot: 0, entry: entry(0, 0) }],
  ['mmu_update.machphys F1 65536', { kind: 'machphys', mfn: F1, value: { low: 65536, high: 0 } }],
  [
    'mmu_update.machphys F1 18446744073709551615',
    { kind: 'machphys', mfn: F1, value: { low: -1, high: -1 } },
  ],
  [
    'update_va W1 0',
    { kind: 'update_va', va: window(1), entry: entry(0, 0), flush: 'none', badBitmap: false, fd: 'self' },
  ],
  [
    'update_va W1 0 flush',
    { kind: 'update_va', va: window(1), entry: entry(0, 0), flush: 'flush', badBitmap: false, fd: 'self' },
  ],
  [
    'update_va W1 0 invlpg=bad fd=xen',
    { kind: 'update_va', va: window(1), entry: entry(0, 0), flush: 'invlpg', badBitmap: true, fd: 'xen' },
  ],
  [
    'update_va 0xffffffff80201001 0',
    { kind: 'update_va', va: window(1, 1), entry: entry(0, 0), flush: 'none', badBitmap: false, fd: 'self' },
  ],
  ['pin L4 F1', { kind: 'pin', level: 4, mfn: F1 }],
  ['unpin B4', { kind: 'unpin', mfn: 0x104 }],
  ['new_baseptr BAD', { kind: 'new_baseptr', mfn: 0xffffffff }],
  ['new_user_baseptr 0x0', { kind: 'new_user_baseptr', mfn: 0 }],
  ['clear_page F1', { kind: 'clear_page', mfn: F1 }],
  ['copy_page F1 F2', { kind: 'copy_page', mfn: F1, source: F2 }],
  ['set_ldt W1 entries=8192', { kind: 'set_ldt', va: window(1), entries: 8192 }],
  ['set_ldt 0x0 entries=0', { kind: 'set_ldt', va: { low: 0, high: 0 }, entries: 0 }],
  ['mmuext cmd14', { kind: 'mmuext', command: 'cmd14', badBitmap: false }],
  ['mmuext tlb_flush_multi bitmap=bad', { kind: 'mmuext', command: 'tlb_flush_multi', badBitmap: true }],
  ['set_gdt entries=0', { kind: 'set_gdt', frames: [], entries: 0 }],
  ['set_gdt F1 F2 entries=1024', { kind: 'set_gdt', frames: [F1, F2], entries: 1024 }],
  [
    'update_descriptor F1[3] 0xcf9b000000ffff',
    {
      kind: 'update_descriptor',
      mfn: F1,
      slot: 3,
      descriptor: { low: 0xffff, high: 0xcf9b00 },
      misaligned: false,
    },
  ],
  [
    'update_descriptor.misaligned F1[0] 0x0',
    { kind: 'update_descriptor', mfn: F1, slot: 0, descriptor: { low: 0, high: 0 }, misaligned: true },
  ],
  ['access_ldt 15', { kind: 'access_ldt', page: 15 }],
  ['write_cr3 F1', { kind: 'write_cr3', mfn: F1 }],
  ['release F1', { kind: 'release', mfn: F1 }],
  ['receive F1', { kind: 'receive', mfn: F1, count: 1 }],
  ['receive 0x201+0x2', { kind: 'receive', mfn: F1, count: 2 }],
  ['receive 0x1a2b+0x1', { kind: 'receive', mfn: 0x1a2b, count: 1 }],
  ['decrease_reservation F1', { kind: 'decrease_reservation', mfn: F1 }],
  ['resume', { kind: 'resume' }],
  ['touch W3', { kind: 'touch', va: window(3) }],
  ['touch 0x1234', { kind: 'touch', va: { low: 0x1234, high: 0 } }],
  ['store.cached W2[3] F2|P|RW', { kind: 'store_cached', va: window(2, 24), entry: F2_RW }],
  ['store.cached 0x10 0', { kind: 'store_cached', va: { low: 16, high: 0 }, entry: entry(0, 0) }],
  ['iret_user', { kind: 'iret_user' }],
  ['initialise 0 F1', { kind: 'initialise', vcpu: 0, mfn: F1, user: 0, userMode: false }],
  ['initialise 3 F1 user=F2', { kind: 'initialise', vcpu: 3, mfn: F1, user: F2, userMode: false }],
  [
    'initialise 1 BAD user=0xffffff00 mode=user preempt=1',
    { kind: 'initialise', vcpu: 1, mfn: 0xffffffff, user: 0xffffff00, userMode: true, preempt: 1 },
  ],
  ['reset_vcpu 3', { kind: 'reset_vcpu', vcpu: 3 }],
  ['reset_vcpu 0 contend=0', { kind: 'reset_vcpu', vcpu: 0, contend: 0 }],
  ['destroy preempt=126', { kind: 'destroy', preempt: 126 }],
  ['cpu3: resume preempt=0 contend=62', { kind: 'resume', cpu: 3, preempt: 0, contend: 62 }],
  ['cpu1: pin L4 F1 preempt=5', { kind: 'pin', level: 4, mfn: F1, cpu: 1, preempt: 5 }],
  [
    'cpu2: mmu_update.cmd7 F1[0] 0 contend=1',
    { kind: 'mmu_update', command: 'cmd7', mfn: F1, slot: 0, entry: entry(0, 0), cpu: 2, contend: 1 },
  ],
  [
    'mmu_update.machphys F1 5 preempt=0',
    { kind: 'machphys', mfn: F1, value: { low: 5, high: 0 }, preempt: 0 },
  ],
  ['mmuext cmd14 bitmap=bad preempt=0', { kind: 'mmuext', command: 'cmd14', badBitmap: true, preempt: 0 }],
  ['write_cr3 F1 preempt=1', { kind: 'write_cr3', mfn: F1, preempt: 1 }],
  [
    'cpu1: store.high F1[0] F2|P|RW',
    { kind: 'store_frame', mfn: F1, slot: 0, part: 'high', entry: F2_RW, cpu: 1 },
  ],
  [
    'cpu1: update_descriptor.misaligned F1[0] 0x0',
    {
      kind: 'update_descriptor',
      mfn: F1,
      slot: 0,
      descriptor: { low: 0, high: 0 },
      misaligned: true,
      cpu: 1,
    },
  ],
];

const UNANSWERED: [string, Operation][] = [
  ['fill F1', { kind: 'fill', mfn: F1, entries: [] }],
  [
    'fill F1 [511]=F2|P|RW [3]=0',
    {
      kind: 'fill',
      mfn: F1,
      entries: [
        { slot: 511, entry: F2_RW },
        { slot: 3, entry: entry(0, 0) },
      ],
    },
  ],
  ['mmu_update_list\nend -> ok', { kind: 'mmu_update_list', options: self, pfd: 'self', items: [] }],
  [
    'mmu_update_list fd=io pfd=none list=bad unreadable=0 continued=3\n  mmu_update.machphys F1 5\nend -> ok',
    {
      kind: 'mmu_update_list',
      options: { fd: 'io', badList: true, unreadable: 0, continued: 3 },
      pfd: 'none',
      items: [{ kind: 'machphys', mfn: F1, value: { low: 5, high: 0 } }],
    },
  ],
  [
    'mmuext_op_list fd=own\n  unpin F1\n  mmuext cmd21\nend -> ok',
    {
      kind: 'mmuext_op_list',
      options: { ...self, fd: 'own' },
      items: [
        { kind: 'unpin', mfn: F1 },
        { kind: 'mmuext', command: 'cmd21', badBitmap: false },
      ],
    },
  ],
  [
    'multicall\n  mmu_update_list\n    mmu_update F1[0] F2|P|RW\n  end -> ok\n  unpin F1 -> ok\nend -> ok',
    {
      kind: 'multicall',
      items: [
        {
          kind: 'mmu_update_list',
          options: self,
          pfd: 'self',
          items: [{ kind: 'mmu_update', command: 'normal', mfn: F1, slot: 0, entry: F2_RW }],
        },
        { kind: 'unpin', mfn: F1 },
      ],
    },
  ],
  ['cpu1: fill F1', { kind: 'fill', mfn: F1, entries: [], cpu: 1 }],
  [
    'cpu3: mmuext_op_list fd=own preempt=126 contend=62\n  unpin F1\nend -> preempted done=0',
    {
      kind: 'mmuext_op_list',
      options: { ...self, fd: 'own' },
      items: [{ kind: 'unpin', mfn: F1 }],
      cpu: 3,
      preempt: 126,
      contend: 62,
    },
  ],
  [
    'mmu_update_list preempt=1\n  mmu_update F1[0] F2|P|RW\nend -> preempted done=1',
    {
      kind: 'mmu_update_list',
      options: self,
      pfd: 'self',
      items: [{ kind: 'mmu_update', command: 'normal', mfn: F1, slot: 0, entry: F2_RW }],
      preempt: 1,
    },
  ],
  [
    'cpu1: multicall\n  iret_user -> ok\n  unpin F1 -> none\nend -> ok',
    { kind: 'multicall', items: [{ kind: 'iret_user' }, { kind: 'unpin', mfn: F1 }], cpu: 1 },
  ],
];

const ALL: [string, Operation][] = [
  ...OPERATIONS.map(([text, operation]): [string, Operation] => [`${text} -> ok`, operation]),
  ...UNANSWERED,
];

/** Three lines too, but with every vCPU. */
const FOUR_VCPUS = `${STANDARD_64.trimEnd()} vcpus=4\n`;

describe('the text of an operation', () => {
  it.each(ALL)('%s is read as what it means', (text, operation) => {
    expect(decode(parseProgram(FOUR_VCPUS + text).code, 0)).toStrictEqual(operation);
  });

  it.each(ALL)('%s is printed again', (text) => {
    const { code, expected, machine } = parseProgram(FOUR_VCPUS + text);
    expect(printOperation(code, 0, machine, expected)).toBe(text);
  });

  it.each(ALL)('%s is read as the very records that encode makes', (text, operation) => {
    const code: number[] = [];
    encode(operation, code);
    expect([...parseProgram(FOUR_VCPUS + text).code]).toStrictEqual(code);
  });

  it('may name vCPU 0, a user base pointer 0 and the options in any order', () => {
    const { code, machine } = parseProgram(
      `${STANDARD_64}cpu0: initialise 0 F1 contend=2 mode=user preempt=1 user=0 -> ok`,
    );
    expect(printOperation(code, 0, machine)).toBe('initialise 0 F1 mode=user preempt=1 contend=2');
  });

  it('takes windows of x86_32 for 32-bit addresses', () => {
    const { code } = parseProgram(`${STANDARD_32}update_va W1 0 -> ok`);
    expect(decode(code, 0)).toMatchObject({ va: { low: 0xc0201000 | 0, high: 0 } });
  });
});

describe('an operand', () => {
  const OPTIONS = 'flush, invlpg, fd=self|own|io|xen|none or -> and a result';

  it.each([
    ['pin', 'f:4:4: the line ends, expected L1, L2, L3 or L4'],
    ['pin L4', 'f:4:7: the line ends, expected a frame'],
    ['pin L5 F1 -> ok', 'f:4:5: unknown level "L5", expected L1 to L4'],
    ['pin | F1 -> ok', 'f:4:5: unexpected "|", expected L1 to L4'],
    ['unpin -> ok', 'f:4:7: unexpected "->", expected F0 to F7, B1, B2, B3, B4, BAD or 0x1a2b'],
    [
      'mmu_update.machphys F1 18446744073709551616 -> ok',
      'f:4:24: "18446744073709551616" is too large, expected a number of 64 bits',
    ],
    ['mmu_update.machphys F1 5x -> ok', 'f:4:24: "5x" is not a number, expected a number'],
    [
      'update_va 0x10000000000000000 0 -> ok',
      'f:4:11: "0x10000000000000000" is too large, expected a virtual address of 64 bits',
    ],
    ['update_va W1 0 invalpg -> ok', `f:4:16: unexpected "invalpg", expected ${OPTIONS}`],
    ['update_va W1 0 flush invlpg -> ok', 'f:4:22: flush or invlpg given twice, expected it once'],
    ['update_va W1 0 fd=io fd=io -> ok', 'f:4:22: fd given twice, expected it once'],
    ['update_va W1 0 flush=good -> ok', 'f:4:22: unknown value "good", expected bad'],
    ['update_va W1 0 fd=me -> ok', 'f:4:19: unknown value "me", expected self, own, io, xen or none'],
    ['update_va W1 0 fd -> ok', 'f:4:18: unexpected blank, expected = and self, own, io, xen or none'],
    ['update_va W1 0 fd=', 'f:4:19: the line ends, expected self, own, io, xen or none'],
    ['store W1 0 -> ok', 'f:4:9: unexpected blank, expected a slot as [3]'],
    ['store 0x7 0 -> ok', 'f:4:7: "0x7" is not the address of an entry, expected a multiple of 8'],
    ['fill F1 [0]=F1 [0]=F2', 'f:4:16: slot 0 given twice, expected it once'],
    ['fill F1 [0]F1', 'f:4:12: unexpected "F1", expected = and an entry'],
    ['fill F1 0=F1', 'f:4:9: unexpected "0=F1", expected a slot as [3]'],
    ['set_gdt F1 -> ok', 'f:4:12: unexpected "->", expected a frame or entries='],
    ['set_gdt F1', 'f:4:11: the line ends, expected entries='],
    [
      'set_gdt F1 entries=2147483648 -> ok',
      'f:4:20: "2147483648" is too large, expected a number of descriptors up to 2147483647',
    ],
    ['set_gdt F1 entries -> ok', 'f:4:12: unexpected "entries", expected entries='],
    ['access_ldt 16 -> ok', 'f:4:12: "16" is too large, expected a page up to 15'],
    ['mmuext invlpg_all bitmap=good -> ok', 'f:4:26: unknown value "good", expected bad'],
    [
      'mmuext foo -> ok',
      'f:4:8: unknown command "foo", expected tlb_flush_local, invlpg_local, tlb_flush_multi, invlpg_multi, tlb_flush_all, invlpg_all, flush_cache, cmd14, flush_cache_global, mark_super, unmark_super or cmd21',
    ],
    ['receive F1+0 -> ok', 'f:4:12: "0" is too small, expected a number of frames from 1'],
    [
      'receive 0xffffffff+0x2 -> ok',
      'f:4:9: "0xffffffff+0x2" goes too far, expected frames up to 0xffffffff',
    ],
    ['touch -> ok', 'f:4:7: unexpected "->", expected a virtual address'],
    [
      'store.cached 0x1a2b[3] 0 -> ok',
      'f:4:14: "0x1a2b[3]" names a frame, expected an entry\'s address as W2[3] or 0x1a2b008',
    ],
    [
      'store.cached F1[3] 0 -> ok',
      'f:4:14: "F1[3]" names a frame, expected an entry\'s address as W2[3] or 0x1a2b008',
    ],
    ['store.cached 0x7 0 -> ok', 'f:4:14: "0x7" is not the address of an entry, expected a multiple of 8'],
    ['initialise 1 F1 -> ok', 'f:4:12: "1" is too large, expected a vCPU of the machine up to 0'],
    ['initialise F1 -> ok', 'f:4:12: "F1" is not a number, expected a vCPU of the machine'],
    ['initialise 0 -> ok', 'f:4:14: unexpected "->", expected F0 to F7, B1, B2, B3, B4, BAD or 0x1a2b'],
    ['initialise 0 F1 user -> ok', 'f:4:21: unexpected blank, expected = and a frame'],
    [
      'initialise 0 F1 user=X -> ok',
      'f:4:22: unknown frame "X", expected F0 to F7, B1, B2, B3, B4, BAD or 0x1a2b',
    ],
    ['initialise 0 F1 mode=kernel -> ok', 'f:4:22: unknown value "kernel", expected user'],
    [
      'initialise 0 F1 F2 -> ok',
      'f:4:17: unexpected "F2", expected user=FRAME, mode=user, preempt=K, contend=K or -> and a result',
    ],
    ['reset_vcpu 4 -> ok', 'f:4:12: "4" is too large, expected a vCPU up to 3'],
    ['update_descriptor F1[0] 0xg -> ok', 'f:4:25: "0xg" is not a number, expected a descriptor'],
  ])('is refused in %j', (text, message) => {
    expect(refusal(STANDARD_64 + text)).toBe(message);
  });

  it('is no address above 32 bits on x86_32', () => {
    expect(refusal(`${STANDARD_32}update_va 0x100000000 0 -> ok`)).toBe(
      'f:4:11: "0x100000000" is too large, expected a virtual address of 32 bits',
    );
  });
});
