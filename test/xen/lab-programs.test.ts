/** What the lab brings about on real Xen, where it is installed: each text is run as a user would, and says what Xen answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { howToInstall, needs } from '../../src/xen/installation.js';
import { lastLine, pvmmu } from '../cli/run.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pvmmu-lab-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A pin slot by slot, a list that first cleans up, a pin that never goes on, MOV CR3 and NEW_BASEPTR (rules 16.3, 16.4). */
const INTERRUPTED = `pvmmu 1

program calls
machine x86_64 frames=8 domain=hardware
mmu_update F1[1] F2|P -> ok
mmu_update F1[5] F3|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
update_va W3 0 -> ok
pin L2 F1 preempt=0 -> preempted
update_va W4 F1|P|RW -> EBUSY
pin L3 F1 -> EINVAL
resume preempt=0 -> preempted
resume preempt=0 -> preempted
resume -> ok
unpin F1 preempt=0 -> preempted
mmuext_op_list preempt=0
  pin L1 F2
  pin L1 F3
end -> preempted
resume preempt=0 -> preempted
resume -> ok done=2
pin L2 F1 preempt=0 -> preempted
final F1 none [1]=F2|P|US [5]=F3|P|US
final F2 L1 pinned
final F3 L1 pinned

program base
machine x86_64 frames=8 domain=hardware
mmu_update F1[0] F2|P -> ok
mmu_update F1[511] B3|P|RW|US -> ok
mmu_update F2[3] F3|P -> ok
mmu_update F3[0] F4|P -> ok
mmu_update F3[9] F5|P -> ok
multicall
  update_va W1 0 -> ok
  update_va W2 0 -> ok
  update_va W3 0 -> ok
  update_va W4 0 -> ok
  update_va W5 0 -> ok
end -> ok
write_cr3 F1 preempt=0 -> preempted
resume preempt=0 -> preempted
resume -> ok
new_baseptr B4 preempt=0 -> preempted
resume -> ok
resume -> none
final F1 none [0]=F2|P|US [258]=F1|P|RW|NX [511]=B3|P|RW|US
final F2 none [3]=F3|P|US
final F3 none [0]=F4|P|US [9]=F5|P|US

program vcpus
machine x86_64 frames=8 domain=hardware vcpus=3
mmu_update F1[1] F2|P -> ok
mmu_update F1[5] F3|P -> ok
multicall
  update_va W1 0 -> ok
  update_va W2 0 -> ok
  update_va W3 0 -> ok
end -> ok
pin L2 F1 preempt=0 -> preempted
cpu1: resume -> none
cpu1: pin L2 F1 preempt=0 -> preempted
cpu2: pin L2 F1 -> ok
resume -> EINVAL
cpu1: resume -> EINVAL
cpu1: update_va W4 F4|P -> ok
cpu1: set_ldt W4 entries=16 -> ok
access_ldt 0 -> fault
cpu1: access_ldt 0 -> ok
update_va W4 F4|P|RW -> EBUSY
final F1 L2 pinned [1]=F2|P|US [5]=F3|P|US

program races
machine x86_64 frames=8 domain=hardware vcpus=2
mmu_update F1[1] F2|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
pin L4 F1 contend=0 -> preempted
resume contend=1 -> preempted
resume contend=2 -> ok
unpin F1 contend=0 -> preempted
resume contend=1 -> preempted
cpu1: pin L3 F2 -> ok
resume -> ok
cpu1: pin L4 F1 contend=1 -> preempted
cpu1: resume contend=0 -> preempted
cpu1: resume -> ok
final F1 L4 pinned [1]=F2|P|US
final F2 L3 pinned

program promotion-taken-up
machine x86_64 frames=8 domain=hardware vcpus=2
mmu_update F1[0] F2|P -> ok
mmu_update F1[1] F3|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
update_va W3 0 -> ok
pin L3 F1 preempt=0 -> preempted
cpu1: pin L2 F2 -> ok
resume preempt=0 -> preempted
decrease_reservation F3 -> ok
resume -> EINVAL
mmu_update F1[1] 0 -> ok
final F2 L2 pinned

program drop-taken-up
machine x86_64 frames=8 domain=hardware vcpus=2
update_va W1 0 -> ok
update_va W2 0 -> ok
pin L2 F2 -> ok
mmu_update F1[0] F2|P -> ok
pin L2 F1 -> ok
unpin F2 -> ok
mmu_update F1[0] 0 preempt=0 -> preempted
cpu1: pin L2 F2 -> ok
resume -> ok
mmu_update F2[0] F1|P -> ok
final F1 L2 pinned
final F2 L2 pinned [0]=F1|P|US
`;

/** Multicalls that leave the kernel, and an LDT that the user's tables do not map (rules 3.10, 16.7). */
const USER_MODE = `pvmmu 1

program user
machine x86_64 frames=8 domain=hardware vcpus=2
update_va W1 F1|P -> ok
new_user_baseptr B4 -> ok
iret_user -> ok
update_va W2 F2|P -> ok
set_ldt W2 entries=16 -> ok
multicall
  update_va W3 0 -> ok
  iret_user -> ok
  new_user_baseptr 0x0 -> none
  update_va W3 F3|P -> none
end -> ok
access_ldt 0 -> ok
access_ldt 0 -> ok
cpu1: new_user_baseptr B4 -> ok
cpu1: set_ldt W4 entries=16 -> ok
cpu1: iret_user -> ok
cpu1: access_ldt 0 -> fault
cpu1: update_va W5 0 -> ok
new_user_baseptr 0x0 -> ok

program ldt
machine x86_64 frames=8 domain=hardware
mmu_update F1[0] F2|P -> ok
mmu_update F1[511] B3|P|RW|US -> ok
mmu_update F2[0] F3|P -> ok
mmu_update F3[0] F4|P -> ok
mmu_update F4[0] F5|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
update_va W3 0 -> ok
update_va W4 0 -> ok
update_va W5 0 -> ok
new_baseptr F1 -> ok
set_ldt 0x0 entries=16 -> ok
new_user_baseptr B4 -> ok
iret_user -> ok
access_ldt 0 -> ok
`;

/** vCPUs that Xen has not initialised yet: roots that it validates first, a failed attempt, one that never goes on (rules 16.7). */
const INITIALISED = `pvmmu 1

program initialise
machine x86_64 frames=8 domain=hardware vcpus=3
mmu_update F1[0] F2|P -> ok
mmu_update F1[511] B3|P|RW|US -> ok
mmu_update F2[3] F3|P -> ok
mmu_update F3[0] F4|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
update_va W3 0 -> ok
update_va W4 0 -> ok
initialise 1 B4 -> EEXIST
cpu1: initialise 1 B4 -> EEXIST
cpu1: pin L1 F5 -> EINVAL
reset_vcpu 1 -> ok
cpu1: pin L1 F5 -> dead
initialise 1 B4 mode=user -> EINVAL
initialise 1 B3 -> EINVAL
initialise 1 F1 preempt=0 -> preempted
cpu2: pin L4 F2 -> EINVAL
resume preempt=0 -> preempted
resume -> ok
initialise 1 F1 -> EEXIST
cpu1: update_va W5 0 -> ok
cpu1: pin L1 F5 -> ok
cpu1: new_baseptr B4 -> ok
reset_vcpu 2 -> ok
cpu1: initialise 2 F1 user=B4 mode=user -> ok
cpu2: set_ldt W6 entries=16 -> ok
cpu2: access_ldt 0 -> fault
cpu2: update_va W6 F6|P -> ok
cpu2: access_ldt 0 -> ok
cpu2: unpin F5 -> ok

program failed
machine x86_64 frames=8 domain=hardware vcpus=2
mmu_update F1[511] B3|P|RW|US -> ok
update_va W1 0 -> ok
reset_vcpu 1 -> ok
initialise 1 F1 user=F2 -> EINVAL
pin L1 F1 -> EINVAL

program user-first
machine x86_64 frames=8 domain=hardware vcpus=2
mmu_update F1[511] B3|P|RW|US -> ok
mmu_update F1[0] F2|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
reset_vcpu 1 -> ok
initialise 1 B4 user=F1 mode=user preempt=0 -> preempted
resume -> ok
cpu1: set_ldt W3 entries=16 -> ok

program unfinished
machine x86_64 frames=8 domain=hardware vcpus=2
mmu_update F1[511] B3|P|RW|US -> ok
mmu_update F3[511] B3|P|RW|US -> ok
mmu_update F1[0] F2|P -> ok
update_va W1 0 -> ok
update_va W2 0 -> ok
update_va W3 0 -> ok
reset_vcpu 1 -> ok
initialise 1 F3 user=F1 mode=user preempt=0 -> preempted
`;

/** Translations that the processor holds until Xen flushes them: a page that becomes a table, an update of one (rules 16.6). */
const FLUSHED = `pvmmu 1

program type-change
machine x86_64 frames=8 domain=hardware
touch W1 -> ok
store.cached W1[0] F3|P -> ok
mmu_update B1[1] 0 -> ok
pin L2 F1 -> EINVAL
mmu_update F1[0] 0 -> ok
pin L2 F1 -> ok
store.cached W1[0] F2|P -> fault
touch W1 -> fault
final F1 L2 pinned

program update
machine x86_64 frames=8 domain=hardware
mmu_update B1[0] 0 -> ok
pin L2 F0 -> ok
store W1[0] F2|P -> ok
mmu_update B1[1] F1|P -> ok
mmu_update F0[0] 0 -> ok
store.cached W1[0] 0 -> fault
touch W1 -> ok
final F1 none [0]=F2|P
`;

/** A second domain: a table by force, one by one; a reset that is interrupted; and the end of a base pointer (rules 16.7). */
const ENDED = `pvmmu 1

program by-force
machine x86_64 frames=8
mmu_update B1[1] 0 -> ok
mmu_update B1[2] 0 -> ok
mmu_update F1[1] B3|P -> ok
mmu_update F2[0] F1|P -> ok
pin L4 F1 -> ok
pin L4 F2 -> ok
mmu_update F1[0] F2|P -> EINVAL
unpin B4 -> ok
destroy preempt=0 -> preempted
pin L1 F3 -> dead
final F1 L4 pinned [1]=B3|P|US
final F2 L4 pinned [0]=F1|P|US
final B1 L1 [0]=F0|P|RW|US|G [3]=F3|P|RW|US|G [4]=F4|P|RW|US|G [5]=F5|P|RW|US|G [6]=F6|P|RW|US|G [7]=F7|P|RW|US|G

program page-by-page
machine x86_64 frames=2
${'destroy preempt=0 -> preempted\n'.repeat(19)}destroy -> ok
destroy -> ok

program reset
machine x86_64 frames=8 vcpus=3
mmu_update B1[1] 0 -> ok
mmu_update B1[2] 0 -> ok
mmu_update F1[3] F2|P -> ok
reset_vcpu 1 -> ok
initialise 1 F1 preempt=0 -> preempted
resume -> ok
reset_vcpu 3 -> EINVAL
reset_vcpu 1 preempt=0 -> preempted
reset_vcpu 1 -> ok
initialise 1 F1 user=F1 -> ok
destroy preempt=0 -> preempted
destroy -> ok
`;
/** More vCPUs initialised than Xen has, by two programs. */
const MANY = `pvmmu 1

${['first', 'second'].map(manyResets).join('\n')}`;

function manyResets(name: string): string {
  return `program ${name}
machine x86_64 frames=1 domain=hardware vcpus=2
${'reset_vcpu 1 -> ok\ninitialise 1 B4 -> ok\n'.repeat(1200)}cpu1: update_va W0 0 -> ok
`;
}

describe.skipIf(howToInstall(needs({})) !== undefined)('real Xen', () => {
  test.each([
    [
      'is interrupted where a program says so, and goes on where it was, on each of its vCPUs',
      INTERRUPTED,
      'xen: 6 programs, 6 equal; 76 operations, 76 equal',
    ],
    [
      'returns to user mode, and reads the LDT there through the tables of the kernel',
      USER_MODE,
      'xen: 2 programs, 2 equal; 29 operations, 29 equal',
    ],
    [
      'initialises vCPUs that a program has reset, also where an event interrupts it',
      INITIALISED,
      'xen: 4 programs, 4 equal; 51 operations, 51 equal',
    ],
    [
      'begins anew when a lab has used up the vCPUs that Xen initialises once each',
      MANY,
      'xen: 2 programs, 2 equal; 4802 operations, 4802 equal',
    ],
    [
      'resets vCPUs of a second domain and destroys it, frame by frame',
      ENDED,
      'xen: 3 programs, 3 equal; 43 operations, 43 equal',
    ],
    [
      'flushes the translations that would let a guest write to a pagetable',
      FLUSHED,
      'xen: 2 programs, 2 equal; 15 operations, 15 equal',
    ],
  ])('%s', async (_, text, said) => {
    writeFileSync(join(folder, 'text.pvmmu'), text);
    const { out } = await pvmmu(['xen', 'run', 'text.pvmmu', '--labs', '1'], undefined, folder);
    expect(lastLine(out)).toBe(said);
  });
});
