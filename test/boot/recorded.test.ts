import { expect, test } from 'vitest';
import { familyOf } from '../../models/linux/kernels.js';
import { leastMachine } from '../../models/linux/machine.js';
import { NX, P, RW, US } from '../../models/x86/entry.js';
import { boot } from '../../src/boot/boot.js';
import { Session } from '../../src/boot/session.js';
import { decode } from '../../src/program/codec.js';
import { operationStarts } from '../../src/program/record.js';
import { readProgramText } from '../../src/text/read.js';

/** The end of init_mem_mapping: the base pointer is loaded again. */
const BASES = 2;

/** What makes a table of a page, in order: pins, hooks and base pointers, repeated pairs once. */
class Skeleton {
  readonly lines: string[] = [];
  private bases = 0;

  add(code: Int32Array, at: number): void {
    if (this.bases === BASES) return;
    const operation = decode(code, at);
    if (operation.kind === 'pin') this.lines.push(`pin L${operation.level}`);
    if (operation.kind === 'unpin') this.lines.push('unpin');
    if (operation.kind === 'new_baseptr') {
      this.lines.push('new_baseptr');
      this.bases++;
    }
    const isTable =
      operation.kind === 'mmu_update' && (operation.entry.flags & (P | RW | US | NX)) === (P | RW | US);
    if (isTable) this.lines.push('hook');
    const [a, b, c, d] = this.lines.slice(-4);
    if (a === 'pin L1' && b === 'hook' && a === c && b === d) this.lines.splice(-2);
  }
}

test('the 6.1 guest makes its tables in the order of the recorded Linux 6.1', async () => {
  const recorded = new Skeleton();
  await readProgramText('vectors/linux-6.1-dom0-boot-x86_64.pvmmu.gz', {
    begin() {},
    operation: (code) => recorded.add(code, 0),
    final() {},
    end() {},
  });
  const session = new Session();
  // All of its memory in one gigabyte, as the recorded machine's below the hole.
  const machine = { ...leastMachine('x86_64'), dom0: 1, ptes: 8, pmds: 64, outside: 1, beyond: 40 };
  expect(
    boot(session, { family: familyOf('6.1')!, defects: new Set(), changes: {} }, machine),
  ).toBeUndefined();
  const ours = new Skeleton();
  const { code } = session;
  for (const at of operationStarts(code)) ours.add(code, at);
  expect(ours.lines).toEqual(recorded.lines);
  expect(ours.lines).toEqual(['pin L4', 'unpin', 'pin L3', 'new_baseptr', 'pin L1', 'hook', 'new_baseptr']);
});
