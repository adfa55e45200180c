import { describe, expect, test } from 'vitest';
import { P, entry } from '../../models/x86/entry.js';
import { BOOT_MFN, WINDOW_0, type Arch } from '../../src/program/machine.js';
import type { Operation } from '../../src/program/operation.js';
import { candidateOf, draftOf } from '../../src/shrink/draft.js';
import { ofFrames, renamed } from '../../src/shrink/names.js';
import { normalized } from '../../src/shrink/rename.js';
import { parseProgram } from '../../src/text/parse.js';
import { candidateText } from '../../src/shrink/text.js';
import { machineOf } from '../properties/fake-state.js';

const PROGRAM = (frame: string, other: string, alias: string) =>
  `pvmmu 1

program counterexample
machine x86_64 frames=8 domain=hardware
update_va W${other} F${frame}|P -> ?
store W${frame}[3] F${other}|P|RW -> ?
mmu_update B1[${frame}] 0 -> ?
mmu_update F${frame}[5] F${other}|P -> ?
update_va W${alias} BAD|P -> ?
mmuext_op_list
  copy_page F${frame} F${other}
  set_ldt W${frame} entries=1
end -> ?
set_gdt F${other} F${frame} entries=513 -> ?
fill F${frame} [0]=F${other}|P -> ?
`.replace(/(fill.*) -> \?/, '$1');

describe('frames renamed', () => {
  test('are renamed everywhere: in entries, as windows, as slots of B1, in lists', () => {
    const name = (index: number) => index + 3;
    const draft = draftOf(parseProgram(PROGRAM('1', '2', '9')));
    const after = candidateOf(renamed(draft, { frame: ofFrames(name), window: name }));
    expect(candidateText(after)).toBe(PROGRAM('4', '5', '12'));
  });

  test('are named in the order in which they appear, windows of no frame after those of all frames', () => {
    const draft = draftOf(parseProgram(PROGRAM('6', '3', '11')));
    expect(candidateText(candidateOf(normalized(draft)))).toBe(PROGRAM('1', '0', '8'));
  });
});

describe('slots renamed', () => {
  test('are renamed in their own table, through its window too, and not where they are slots of B1', () => {
    const draft = draftOf(parseProgram(PROGRAM('3', '2', '9')));
    const after = renamed(draft, { slot: (table, slot) => (table === 0x203 ? slot + 1 : slot) });
    const text = candidateText(candidateOf(after));
    expect(text).toContain('store W3[4] F2|P|RW');
    expect(text).toContain('mmu_update F3[6] F2|P');
    expect(text).toContain('mmu_update B1[3] 0');
    expect(text).toContain('fill F3 [1]=F2|P');
  });

  test('that become one in a fill leave its first entry', () => {
    const entries = [1, 2].map((slot) => ({ slot, entry: entry(slot, P) }));
    const fill: Operation = { kind: 'fill', mfn: 0x200, entries };
    const draft = { machine: machineOf('x86_64', 8), operations: [fill] };
    expect(renamed(draft, { slot: () => 0 }).operations).toEqual([
      { ...fill, entries: [{ slot: 0, entry: entry(1, P) }] },
    ]);
  });
});

test.each<Arch>(['x86_64', 'x86_32'])('addresses outside the windows of %s stay as they are', (arch) => {
  const { low, high } = WINDOW_0[arch];
  const outside = [low - 4096, low + 512 * 4096].map((address): Operation => ({
    kind: 'touch',
    va: { low: address | 0, high },
  }));
  const draft = { machine: machineOf(arch, 8), operations: outside };
  expect(renamed(draft, { window: () => 0 }).operations).toEqual(outside);
});

test('vCPUs are renamed where they run and where they are named', () => {
  const draft = {
    machine: { ...machineOf('x86_64', 8), vcpus: 3 },
    operations: [
      { kind: 'resume', cpu: 2 },
      { kind: 'resume' },
      { kind: 'reset_vcpu', vcpu: 2 },
      { kind: 'initialise', vcpu: 0, mfn: BOOT_MFN.B4, user: 0, userMode: false },
    ] satisfies Operation[],
  };
  const cpu = (number: number) => 2 - number;
  expect(renamed(draft, { cpu }).operations).toEqual([
    { kind: 'resume' },
    { kind: 'resume', cpu: 2 },
    { kind: 'reset_vcpu', vcpu: 0, cpu: 2 },
    { kind: 'initialise', vcpu: 2, mfn: BOOT_MFN.B4, user: 0, userMode: false, cpu: 2 },
  ]);
});
