/** A guest's end in the words of Xen's console and of Linux's own, as those who met it have quoted them. */
import { entryOf, highOf, lowOf, P, PSE, RW, type Entry } from '../../models/x86/entry.js';
import {
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_IO,
  TYPE_L1,
  TYPE_SEG_DESC,
  TYPE_WRITABLE,
} from '../../models/x86/page-type.js';
import { ENOSYS, EBUSY, EPERM } from '../../models/x86/result.js';
import type { ModelState } from '../../models/model.js';
import type { Crash } from '../../models/linux/crash.js';
import { type Layout, slotsOf } from '../../models/linux/layout.js';
import type { Hypercall, Word64 } from '../program/operation.js';
import { conflictOf, l1Conflict, type Conflict, typeWord } from './refusal.js';

/** Numbers of the hypercalls (include/xen/interface/xen.h). */
const HYPERCALLS: Partial<Record<Hypercall['kind'], number>> = {
  mmu_update: 1,
  mmu_update_list: 1,
  update_va: 14,
  set_gdt: 2,
};
const MMUEXT_OP = 26;

/** What the consoles say when the guest ends so; the state is that of the models at its end. */
export function consoleWords(crash: Crash, state: ModelState, layout: Layout): string[] {
  return new Words(crash, state, layout).lines();
}

class Words {
  private readonly domain: string;

  constructor(
    private readonly crash: Crash,
    private readonly state: ModelState,
    private readonly layout: Layout,
  ) {
    this.domain = layout.machine.dom0 ? 'd0' : 'd1';
  }

  lines(): string[] {
    const { why: cause, late } = this.crash;
    switch (cause.kind) {
      case 'refused':
        return [...this.xenLines(cause.call), ...this.refusedLines(cause.call, cause.answer)];
      case 'fault':
        return [
          ...this.emulationLines(cause.va, cause.value),
          ...this.faultLines(cause.va, this.errorCode()),
        ];
      case 'panic':
        return [`Kernel panic - not syncing: ${cause.message}`];
      case 'bug':
        return late
          ? [`kernel BUG ${cause.message}`, `IP: ${this.where}`]
          : [this.xen('traps.c', INVALID_OPCODE)];
      default:
        return [`${cause.invariant}: ${cause.message}`, ...this.nextUseLines(cause.pfn)];
    }
  }

  /** What the next to use a page that is free, and not as it should be, sees. */
  private nextUseLines(pfn: number | undefined): string[] {
    const { why } = this.crash;
    if (pfn === undefined || why.kind !== 'invariant') return [];
    const mfn = this.layout.mfn(pfn);
    if (why.invariant === 'kernel-mapping')
      return this.conflictLines({ kind: 'type', mfn, wanted: TYPE_SEG_DESC });
    if (why.invariant !== 'free-page') return [];
    const va = this.layout.direct(pfn);
    const leaf = this.walk(va).at(-1)!;
    const use = this.state.info(mfn) & INFO_TYPE;
    const isTable = this.state.typeCount(mfn) > 0 && use >= TYPE_L1 && use < TYPE_WRITABLE - 2;
    if (isTable) {
      const wanted = entryOf(lowOf(leaf) | RW, highOf(leaf));
      return this.conflictLines({ kind: 'type', mfn, wanted: TYPE_WRITABLE, entry: wanted });
    }
    return [
      `BUG: unable to handle kernel paging request at ${address(va)}`,
      `Oops: 000${leaf.flags & P ? 3 : 2} [#1] SMP`,
    ];
  }

  private get where(): string {
    return this.crash.path.at(-1) ?? 'start';
  }

  private xen(file: string, text: string): string {
    return `(XEN) ${file}:${this.domain} ${text}`;
  }

  /** What mm.c says, the reason first. */
  private xenLines(call: Hypercall): string[] {
    const conflict = conflictOf(this.state, call, (va) => this.l1Of(va));
    const reason = conflict ? this.conflictLines(conflict) : [];
    if (conflict?.kind === 'pinned' || conflict?.kind === 'not pinned') return reason;
    if (call.kind === 'pin') return [...reason, this.xen('mm.c', `Error while pinning mfn ${hex(call.mfn)}`)];
    if (call.kind === 'new_baseptr')
      return [...reason, this.xen('mm.c', `Error while installing new baseptr ${hex(call.mfn)}`)];
    return reason;
  }

  private conflictLines(conflict: Conflict): string[] {
    const { state } = this;
    switch (conflict.kind) {
      case 'type': {
        const wanted = `${conflict.wanted.toString(16)}000000000000000`;
        const seen = `Bad type (saw ${typeWord(state, conflict.mfn, conflict.checkedAs)} != exp ${wanted}) for mfn ${this.frame(conflict.mfn)}`;
        return [this.xen('mm.c', seen), ...this.gettingLines(conflict.mfn, conflict.entry)];
      }
      case 'foreign':
        if (this.isIo(conflict.mfn)) {
          const text = `Non-privileged (${this.domain.slice(1)}) attempt to map I/O space`;
          return [this.xen('mm.c', `${text} ${conflict.mfn.toString(16).padStart(8, '0')}`)];
        }
        return conflict.entry
          ? this.gettingLines(conflict.mfn, conflict.entry)
          : [this.xen('mm.c', `Could not get page for normal update (mfn ${hex(conflict.mfn)})`)];
      case 'flags':
        return [this.xen('mm.c', `Bad L${conflict.level} flags ${hex(conflict.entry.flags & PSE)}`)];
      case 'shared':
        return [this.xen('mm.c', 'PAE L3 3rd slot is shared')];
      case 'pinned':
        return [this.xen('mm.c', `Mfn ${hex(conflict.mfn)} already pinned`)];
      case 'not pinned':
        return [this.xen('mm.c', `Mfn ${hex(conflict.mfn)} not pinned`)];
      case 'no L1':
        return [this.xen('mm.c', 'Could not find L1 PTE')];
    }
  }

  private isIo(mfn: number): boolean {
    const isFrame = mfn < this.state.frameLimit;
    return isFrame && (this.state.info(mfn) & INFO_OWNER) >> INFO_OWNER_SHIFT === OWNER_IO;
  }

  private gettingLines(mfn: number, entry: Entry | undefined): string[] {
    if (!entry) return [];
    const owners = `l1e_owner=${this.domain.slice(1)}, pg_owner=${this.domain.slice(1)}`;
    return [
      this.xen('mm.c', `Error getting mfn ${this.frame(mfn)} from L1 entry ${words(entry)} for ${owners}`),
    ];
  }

  private frame(mfn: number): string {
    const pfn = this.layout.pfn(mfn);
    return `${hex(mfn)} (pfn ${pfn === undefined ? '5555555555555555' : hex(pfn)})`;
  }

  private refusedLines(call: Hypercall, answer: number): string[] {
    const { why: cause, late } = this.crash;
    if (cause.kind === 'refused' && cause.batch) {
      const { index, calls } = cause.batch;
      const op = HYPERCALLS[call.kind] ?? MMUEXT_OP;
      const argument = call.kind === 'update_va' ? address(call.va) : '…';
      return [
        'WARNING: at arch/x86/xen/multicalls.c xen_mc_flush',
        `1 of ${calls.length} multicall(s) failed: cpu 0`,
        `  call ${String(index + 1).padStart(2)}: op=${op} arg=[${argument}] result=-${answer}`,
      ];
    }
    if (!late) return [this.xen('traps.c', INVALID_OPCODE), '(XEN) domain_crash_sync called from entry.S'];
    return [`kernel BUG at arch/x86/xen/mmu.c! (${errorName(answer)})`, `IP: ${this.where}`];
  }

  /** A store to an L1 in use that Xen would have made itself. */
  private emulationLines(va: Word64, value: Entry | undefined): string[] {
    const leaf = this.walk(va).at(-1);
    if (!value || !leaf || (leaf.flags & P) === 0) return [];
    const isL1 = (this.state.info(leaf.mfn) & (INFO_TYPE | INFO_VALIDATED)) === (TYPE_L1 | INFO_VALIDATED);
    if (!isL1 || this.state.typeCount(leaf.mfn) === 0) return [];
    const conflict = l1Conflict(this.state, value);
    const reason = conflict ? this.conflictLines(conflict) : [];
    return [...reason, this.xen('mm.c', 'ptwr_emulate: could not get_page_from_l1e()')];
  }

  private errorCode(): string {
    const { why: cause } = this.crash;
    if (cause.kind !== 'fault') return '';
    return ((cause.present ? 1 : 0) | (cause.access === 'read' ? 0 : 2)).toString(16).padStart(4, '0');
  }

  private faultLines(va: Word64, code: string): string[] {
    const { late } = this.crash;
    if (late) {
      return [
        `BUG: unable to handle kernel paging request at ${address(va)}`,
        `IP: ${this.where}`,
        `Oops: ${code} [#1] SMP`,
      ];
    }
    const path = this.walk(va);
    const top = path.length > 0 && this.state.machine.arch === 'x86_64' ? 4 : 3;
    const slots = slotsOf(va, this.state.machine.arch === 'x86_64');
    const entries = path.map((entry, i) => {
      const pfn = this.layout.pfn(entry.mfn);
      const shown = pfn === undefined ? 'f'.repeat(16) : pfn.toString(16).padStart(16, '0');
      return `(XEN)  L${top - i}[0x${slots[i]!.toString(16).padStart(3, '0')}] = ${words(entry)} ${shown}`;
    });
    return [
      `(XEN) ${this.domain}:v0: unhandled page fault (ec=${code})`,
      `(XEN) Pagetable walk from ${address(va)}:`,
      ...entries,
    ];
  }

  /** Entries on the way to an address, up to one that is not present. */
  private walk(va: Word64): Entry[] {
    const { state } = this;
    const found: Entry[] = [];
    let mfn = state.kernelBase(0);
    for (const slot of slotsOf(va, state.machine.arch === 'x86_64')) {
      const entry = entryOf(state.low(mfn, slot), state.high(mfn, slot));
      found.push(entry);
      if ((entry.flags & P) === 0) break;
      mfn = entry.mfn;
    }
    return found;
  }

  private l1Of(va: Word64): number | undefined {
    const path = this.walk(va);
    return path.length === (this.state.machine.arch === 'x86_64' ? 4 : 3) ? path.at(-2)?.mfn : undefined;
  }
}

const INVALID_OPCODE = 'Unhandled invalid opcode fault/trap [#6] on VCPU 0 [ec=0000]';

function hex(number: number): string {
  return number.toString(16);
}

function words(entry: Entry): string {
  return hex32(highOf(entry)) + hex32(lowOf(entry));
}

function address({ low, high }: Word64): string {
  return hex32(high) + hex32(low);
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

function errorName(answer: number): string {
  const names = new Map([
    [EBUSY, 'EBUSY'],
    [EPERM, 'EPERM'],
    [ENOSYS, 'ENOSYS'],
  ]);
  return names.get(answer) ?? 'EINVAL';
}
