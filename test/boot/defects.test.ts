import { describe, expect, test } from 'vitest';
import { GUEST_DEFECTS } from '../../models/linux/defects/index.js';
import type { Arch } from '../../src/program/machine.js';
import { boot } from '../../src/boot/boot.js';
import { shrinkFind, signature } from '../../src/boot/find.js';
import { guestWith, hunt, HUNT_SEED } from '../../src/boot/hunt.js';
import { Session } from '../../src/boot/session.js';

const MACHINES = 400;
/** Enough to see that shrinking keeps the end; `docs/linux-zoo.md` has the smallest machines. */
const SHRINK_RUNS = 25;
const session = new Session();

/** The line with numbers for `…`. */
function isSaid(line: string, words: readonly string[]): boolean {
  const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return words.some((said) => new RegExp(parts.join('[0-9a-f]+')).test(said));
}

describe.each(GUEST_DEFECTS)('$id', (defect) => {
  test.each(defect.arches)('ends a guest on %s with the words of its reports, and shrinks', (arch: Arch) => {
    console.log(`npx pvmmu boot --arch ${arch} --defect ${defect.id} --seed ${HUNT_SEED} --runs ${MACHINES}`);
    const guest = guestWith(defect);
    const { machine, crash } = hunt(session, defect, arch, MACHINES)!;
    const find = shrinkFind(session, guest, machine, crash, SHRINK_RUNS);
    expect(signature(find.crash)).toBe(signature(crash));
    expect(defect.seen.filter((line) => !isSaid(line, find.words)).map((line) => [line, find.words])).toEqual(
      [],
    );
    // It takes the mistake: the same kernel without it boots on this machine.
    expect(boot(session, { ...guest, defects: new Set(), changes: {} }, find.machine)).toBeUndefined();
  });
});

test('the catalogue has one entry for each id', () => {
  const ids = GUEST_DEFECTS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
