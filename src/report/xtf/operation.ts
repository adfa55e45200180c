/** One operation as C: an expression whose value is 0 where Xen accepts it. */
import { type Entry } from '../../../models/x86/entry.js';
import type { Machine } from '../../program/machine.js';
import {
  type DomainId,
  type Hypercall,
  MMU_COMMANDS,
  MMUEXT_COMMANDS,
  type Mmuext,
  type MmuUpdate,
  type Operation,
  type Word64,
} from '../../program/operation.js';
import { FLAG_NAMES } from '../../text/entry.js';
import { frameName, windowOf } from '../../text/naming.js';

/** Statements that come before, the expression, and whether a list counts what it has done into `done`. */
export interface CCall {
  readonly before: readonly string[];
  readonly value: string;
  /** What a test cannot do by itself: why. */
  readonly impossible?: string;
}

const DOMIDS: Readonly<Record<DomainId, string>> = {
  self: 'DOMID_SELF',
  own: '/* the own number */ 1',
  io: 'DOMID_IO',
  xen: 'DOMID_XEN',
  none: 'DOMID_INVALID',
};

const PAGE_FLAGS: Readonly<Record<string, string>> = {
  P: '_PAGE_PRESENT',
  RW: '_PAGE_RW',
  US: '_PAGE_USER',
  PWT: '_PAGE_PWT',
  PCD: '_PAGE_PCD',
  A: '_PAGE_ACCESSED',
  D: '_PAGE_DIRTY',
  PSE: '_PAGE_PSE',
  G: '_PAGE_GLOBAL',
  NX: '_PAGE_NX',
};
/** Flag 12 of an entry is bit 52. */
const bitOf = (flag: number) => (flag < 12 ? flag : flag + 40);

export class CWriter {
  constructor(private readonly machine: Machine) {}

  operation(op: Operation): CCall {
    switch (op.kind) {
      case 'multicall':
        return this.multicall(op.items);
      case 'store':
      case 'store_cached':
        return plain(`store(${this.pointer(op.va)}, ${this.entry(op.entry)})`);
      case 'touch':
        return plain(`touch(${this.address(op.va)})`);
      case 'access_ldt':
        return plain(`access_ldt(${op.page})`);
      case 'write_cr3':
        return plain(`load_cr3(${this.frame(op.mfn)})`);
      case 'decrease_reservation':
        return {
          before: [
            `xen_pfn_t extent = ${this.frame(op.mfn)};`,
            'struct xen_memory_reservation res = {',
            '    .extent_start = &extent, .nr_extents = 1, .domid = DOMID_SELF,',
            '};',
          ],
          value: 'hypercall_memory_op(XENMEM_decrease_reservation, &res) == 1 ? 0 : 1',
        };
      case 'resume':
        return impossible('Xen goes on with an interrupted hypercall by itself');
      case 'store_frame':
      case 'fill':
        return impossible('the store goes through a mapping that the program does not name');
      case 'release':
      case 'receive':
        return impossible('an exchange of memory gives other frames than the program has');
      case 'initialise':
        return impossible('it takes another vCPU to be brought up');
      case 'reset_vcpu':
      case 'destroy':
        return impossible("it is the toolstack's to do");
      default:
        return this.hypercall(op);
    }
  }

  private hypercall(op: Hypercall): CCall {
    switch (op.kind) {
      case 'mmu_update':
      case 'machphys':
        return plain(`mmu_update(${this.update(op).join(', ')})`);
      case 'mmu_update_list':
        return list(
          'mmu_update',
          op.items.map((item) => `{ ${this.update(item).join(', ')} }`),
          op.options,
        );
      case 'mmuext_op_list':
        return list(
          'mmuext_op',
          op.items.map((item) => this.extendedItem(item)),
          op.options,
        );
      case 'update_va':
        return this.updateVa(op);
      case 'set_gdt': {
        const frames = op.frames.length === 0 ? '0' : op.frames.map((mfn) => this.frame(mfn)).join(', ');
        return {
          before: [`unsigned long gdt[] = { ${frames} };`],
          value: `HYPERCALL2(long, __HYPERVISOR_set_gdt, gdt, ${op.entries})`,
        };
      }
      case 'update_descriptor': {
        const where = `maddr(${this.frame(op.mfn)}, ${op.slot * 8 + (op.misaligned ? 1 : 0)})`;
        const { low, high } = op.descriptor;
        return plain(
          this.machine.arch === 'x86_64'
            ? `HYPERCALL2(long, __HYPERVISOR_update_descriptor, ${where}, ${number64(op.descriptor)})`
            : `HYPERCALL4(long, __HYPERVISOR_update_descriptor, (uint32_t)${where}, (uint32_t)(${where} >> 32), 0x${(low >>> 0).toString(16)}U, 0x${(high >>> 0).toString(16)}U)`,
        );
      }
      case 'iret_user':
        return impossible('the test does not come back from user mode at this place');
      default:
        return this.extended(op);
    }
  }

  private updateVa({ va, entry, flush, fd }: Extract<Hypercall, { kind: 'update_va' }>): CCall {
    const flags = { none: '0', flush: 'UVMF_TLB_FLUSH', invlpg: 'UVMF_INVLPG' }[flush];
    const args = `${this.address(va)}, ${this.entry(entry)}, ${flags}`;
    if (fd === 'self') return plain(`hypercall_update_va_mapping(${args})`);
    const split = this.machine.arch === 'x86_64' ? args : args.replace(', ', ', (uint32_t)');
    return plain(`HYPERCALL4(long, __HYPERVISOR_update_va_mapping_otherdomain, ${split}, ${DOMIDS[fd]})`);
  }

  private extended(op: Mmuext): CCall {
    const [cmd, first, second] = this.extendedArguments(op);
    return plain(`mmuext(${cmd}, ${first}, ${second})`);
  }

  private extendedItem(op: Mmuext): string {
    const [cmd, first, second] = this.extendedArguments(op);
    return `{ .cmd = ${cmd}, .arg1.mfn = ${first}, .arg2.src_mfn = ${second} }`;
  }

  private extendedArguments(op: Mmuext): [cmd: string, first: string, second: string] {
    switch (op.kind) {
      case 'pin':
        return [`MMUEXT_PIN_L${op.level}_TABLE`, this.frame(op.mfn), '0'];
      case 'copy_page':
        return ['MMUEXT_COPY_PAGE', this.frame(op.mfn), this.frame(op.source)];
      case 'set_ldt':
        return ['MMUEXT_SET_LDT', this.address(op.va), String(op.entries)];
      case 'mmuext':
        return [`${MMUEXT_COMMANDS[op.command]} /* ${op.command} */`, '0', op.badBitmap ? '~0UL' : '0'];
      default:
        return [
          {
            unpin: 'MMUEXT_UNPIN_TABLE',
            new_baseptr: 'MMUEXT_NEW_BASEPTR',
            new_user_baseptr: 'MMUEXT_NEW_USER_BASEPTR',
            clear_page: 'MMUEXT_CLEAR_PAGE',
          }[op.kind],
          this.frame(op.mfn),
          '0',
        ];
    }
  }

  /** The structure's two members. */
  private update(op: MmuUpdate): [ptr: string, val: string] {
    const table = this.frame(op.mfn);
    if (op.kind === 'machphys') return [`maddr(${table}, MMU_MACHPHYS_UPDATE)`, number64(op.value)];
    const slot = /^B[234]$/.test(table) ? `slot(${table}, ${op.slot})` : String(op.slot);
    const command = MMU_COMMANDS[op.command];
    const offset = `${slot} * PTE_SIZE${command === 0 ? '' : ` | ${command} /* ${op.command} */`}`;
    return [`maddr(${table}, ${offset})`, this.entry(op.entry)];
  }

  private multicall(items: readonly Hypercall[]): CCall {
    const calls = items.map((item) => this.hypercall(item));
    const stuck = calls.find((one) => one.impossible !== undefined);
    if (stuck) return stuck;
    // One after the other: nothing that programs test depends on the trap between them.
    return {
      before: calls.flatMap(({ before }) => before),
      value: calls.map(({ value }) => value).join(' ?: '),
    };
  }

  private frame(mfn: number): string {
    const name = frameName(mfn, this.machine);
    if (mfn === 0) return '0';
    if (name.startsWith('0x')) return `${name}UL /* no frame of this guest's */`;
    return name.replace(/^F(\d+)$/, 'F($1)');
  }

  private entry({ mfn, flags }: Entry): string {
    if (mfn === 0 && flags === 0) return '0';
    const words = FLAG_NAMES.flatMap((name, i) =>
      (flags & (1 << i)) === 0 ? [] : [PAGE_FLAGS[name] ?? `(1ULL << ${bitOf(i)})`],
    );
    return `entry(${this.frame(mfn)}, ${words.join(' | ') || '0'})`;
  }

  private address(va: Word64): string {
    const window = windowOf(va, this.machine);
    return window < 0 ? number64(va) : `W(${window}) + ${(va.low & 0xfff) >>> 0}`.replace(/ \+ 0$/, '');
  }

  private pointer(va: Word64): string {
    return `(volatile intpte_t *)(${this.address(va)})`;
  }
}

function list(
  name: 'mmu_update' | 'mmuext_op',
  items: readonly string[],
  {
    fd,
    badList,
    unreadable,
    continued,
  }: { fd: DomainId; badList: boolean; unreadable?: number; continued?: number },
): CCall {
  const count = `${items.length}${continued === undefined ? '' : ' | MMU_UPDATE_PREEMPTED'}`;
  const address = badList ? '(void *)~0xfffUL' : 'list';
  if (unreadable !== undefined) return impossible('an element that cannot be read needs a list across pages');
  return {
    before: [
      `unsigned int done = ${continued ?? 0};`,
      `${name}_t list[] = {`,
      ...(items.length === 0 ? ['    { 0 },'] : items.map((item) => `    ${item},`)),
      '};',
    ],
    value: `hypercall_${name}(${address}, ${count}, &done, ${DOMIDS[fd]})`,
  };
}

function plain(value: string): CCall {
  return { before: [], value };
}

function impossible(why: string): CCall {
  return { before: [], value: '0', impossible: why };
}

function number64({ low, high }: Word64): string {
  return `0x${((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16)}ULL`;
}
