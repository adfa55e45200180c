import { describe, expect, test } from 'vitest';
import { Crash } from '../../models/linux/crash.js';
import { KERNELS, familyOf } from '../../models/linux/kernels.js';
import { leastMachine, machineWords } from '../../models/linux/machine.js';
import { boot, type Guest, type Outcome } from '../../src/boot/boot.js';
import { machineOfRun } from '../../src/boot/find.js';
import { ModelFailure, Session } from '../../src/boot/session.js';
import { decode } from '../../src/program/codec.js';
import { operationStarts } from '../../src/program/record.js';

const SEED = 'test';
const MACHINES = 12;

function told(outcome: Outcome): string {
  if (outcome === undefined) return 'boots';
  return outcome instanceof ModelFailure
    ? outcome.message
    : `${outcome.message} in ${outcome.path.join(' > ')}`;
}

describe.each(KERNELS.flatMap((family) => family.arches.map((arch) => ({ family, arch }))))(
  'Linux $family.versions on $arch',
  ({ family, arch }) => {
    const session = new Session();
    const guest: Guest = { family, defects: new Set(), changes: {} };
    const outcomes = () =>
      Array.from({ length: MACHINES }, (_, run) => {
        const machine = machineOfRun(SEED, run, arch);
        return { machine, outcome: boot(session, guest, machine) };
      });

    test.skipIf(family.broken === arch)(
      'boots on every machine in lockstep, keeps all invariants and leaves every page as it should be',
      () => {
        console.log(`npx pvmmu boot ${family.id} --arch ${arch} --seed ${SEED} --runs ${MACHINES}`);
        const failing = outcomes().filter(({ outcome }) => outcome !== undefined);
        expect(failing.map(({ machine, outcome }) => `${told(outcome)}: ${machineWords(machine)}`)).toEqual(
          [],
        );
      },
    );

    test.runIf(family.broken === arch)('fails as it did on some machines, and never by the models', () => {
      const ends = outcomes().map(({ outcome }) => outcome);
      expect(ends.some((end) => end instanceof Crash)).toBe(true);
      expect(ends.filter((end) => end instanceof ModelFailure)).toEqual([]);
    });
  },
);

test('a version names the family that has it', () => {
  const named = ['2.6.24', '2.6.38', '2.6.39-rc3', '2.6.39', '3.0', '3.8', '3.10', '4.20', '6.1', '7.0'];
  expect(named.map((version) => familyOf(version)?.id)).toEqual([
    '2.6.23',
    '2.6.37',
    '2.6.39-rc',
    '2.6.39',
    '2.6.39',
    '3.1',
    '3.9',
    '4.2',
    '5.16',
    '5.16',
  ]);
  expect(['2.6.18', 'latest', ''].map(familyOf)).toEqual([undefined, undefined, undefined]);
});

test.each(['4.2', '5.16'])(
  'dom0 of %s moves its list of frames, with tables pinned each, where the host has devices',
  (id) => {
    const session = new Session();
    const guest: Guest = { family: familyOf(id)!, defects: new Set(), changes: {} };
    const pins = (conflict: number, outside: number) => {
      const machine = { ...leastMachine('x86_64'), dom0: 1, p2m: 3, initrd: 2, outside, conflict };
      expect(told(boot(session, guest, machine))).toBe('boots');
      const { code } = session;
      const levels = operationStarts(code).map((at) => decode(code, at));
      return levels.flatMap((operation) => (operation.kind === 'pin' ? [operation.level] : [])).join('');
    };
    for (const outside of [0, 1]) {
      expect(pins(1, outside)).toContain('123');
      expect(pins(0, outside)).not.toContain('123');
      expect(pins(2, outside)).not.toContain('123');
    }
  },
);
