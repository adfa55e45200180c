import { expect, test } from 'vitest';
import { familyOf } from '../../models/linux/kernels.js';
import { leastMachine } from '../../models/linux/machine.js';
import { boot } from '../../src/boot/boot.js';
import { Session } from '../../src/boot/session.js';
import { startOf } from '../../src/boot/story.js';
import { operationStarts } from '../../src/program/record.js';
import { readProgramText } from '../../src/text/read.js';
import { Skeleton } from './skeleton.js';

test('the 6.1 guest makes its tables in the order of the recorded Linux 6.1, up to xen_post_allocator_init', async () => {
  const recorded = new Skeleton();
  await readProgramText('vectors/linux-6.1-dom0-boot-x86_64.pvmmu.gz', {
    begin: (_, machine) => recorded.begin(machine),
    operation: (code) => recorded.add(code, 0),
    final() {},
    end() {},
  });
  const guest = { family: familyOf('6.1')!, defects: new Set<never>(), changes: {} };
  // All of its memory in one gigabyte, as the recorded machine's below the hole.
  const machine = { ...leastMachine('x86_64'), dom0: 1, ptes: 8, pmds: 64, outside: 1, beyond: 40 };
  const session = new Session();
  expect(boot(session, guest, machine)).toBeUndefined();
  const ours = new Skeleton();
  ours.begin(startOf(guest, machine));
  const { code } = session;
  for (const at of operationStarts(code)) ours.add(code, at);
  expect(ours.lines).toEqual(recorded.lines);
  expect(ours.lines).toEqual([
    // xen_setup_kernel_pagetable
    ...['read-only', 'pin L4', 'unpin', 'read-only', 'pin L3', 'new_baseptr', 'writable'],
    // early_ioremap_init
    ...['read-only', 'pin L1', 'hook L1'],
    // xen_memory_setup, cleanup_highmap
    ...['unmap', 'unhook L1'],
    // init_mem_mapping
    ...['entry by store', 'read-only', 'pin L1', 'hook L1', 'new_baseptr'],
    // sparse_init
    ...['read-only', 'hook L3', 'read-only', 'hook L2'],
    ...['read-only', 'pin L1', 'hook L1', 'entry by mmu_update'],
    'xen_alloc_ptpage',
  ]);
});
