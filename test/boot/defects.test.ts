import { describe, expect, test } from 'vitest';
import { Crash } from '../../models/linux/crash.js';
import { GUEST_DEFECTS, type GuestDefect } from '../../models/linux/defects/index.js';
import { familyOf } from '../../models/linux/kernels.js';
import type { Arch } from '../../src/program/machine.js';
import { boot, type Guest } from '../../src/boot/boot.js';
import { shrinkFind, machineOfRun, signature } from '../../src/boot/find.js';
import { Session } from '../../src/boot/session.js';

const SEED = 'zoo';
const MACHINES = 400;
const session = new Session();

function guestOf(defect: GuestDefect): Guest {
  return { family: familyOf(defect.kernel)!, defects: new Set([defect.id]), changes: defect.changes ?? {} };
}

/** The line with numbers for `…`. */
function isSaid(line: string, words: readonly string[]): boolean {
  const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return words.some((said) => new RegExp(parts.join('[0-9a-f]+')).test(said));
}

describe.each(GUEST_DEFECTS)('$id', (defect) => {
  const guest = guestOf(defect);

  test.each(defect.arches)(
    'ends a guest on %s with the words of its reports, on a smallest machine',
    (arch: Arch) => {
      console.log(`npx pvmmu boot --arch ${arch} --defect ${defect.id} --seed ${SEED} --runs ${MACHINES}`);
      for (let run = 0; run < MACHINES; run++) {
        const machine = machineOfRun(SEED, run, arch);
        const outcome = boot(session, guest, machine);
        if (outcome === undefined) continue;
        expect(outcome).toBeInstanceOf(Crash);
        const find = shrinkFind(session, guest, machine, outcome as Crash);
        expect(signature(find.crash)).toBe(signature(outcome));
        expect(
          defect.seen.filter((line) => !isSaid(line, find.words)).map((line) => [line, find.words]),
        ).toEqual([]);
        // It takes the mistake: the same kernel without it boots on this machine.
        expect(boot(session, { ...guest, defects: new Set(), changes: {} }, find.machine)).toBeUndefined();
        return;
      }
      expect.unreachable(`not found on ${MACHINES} machines`);
    },
  );
});

test('the catalogue has one entry for each id', () => {
  const ids = GUEST_DEFECTS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
