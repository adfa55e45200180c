/** What programs for a second domain do (second-domain.ts): tables that are in use by linear entries, vCPUs' own roots, and the end. */
import { type Entry } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import type { Author } from '../generate/author.js';
import { lots, oneIn } from '../generate/draw.js';
import {
  buildTable,
  giveUp,
  linearPair,
  pinTwice,
  type Plan,
  reuse,
  roundTrip,
  vcpuDownAndUp,
} from '../generate/plans.js';
import { BOOT_MFN, WINDOW_0 } from '../program/machine.js';
import type { Word64 } from '../program/operation.js';
import { RecordWriter } from '../program/writer.js';

const PAGE_SHIFT = 12;

/** A domain that does not run cannot change its windows itself: their table is changed for it. */
export class ToolstackWriter extends RecordWriter {
  override updateVa(va: Word64, value: Entry): void {
    this.normalUpdate(BOOT_MFN.B1, (va.low - WINDOW_0.x86_64.low) >> PAGE_SHIFT, value);
  }
}

export const DOMAIN_PLANS: readonly Plan[] = lots([
  [20, buildAndPin],
  [20, linearPair],
  [36, rootOfAVcpu],
  [8, dropBootRoot],
  [6, vcpuDownAndUp],
  [8, giveUp],
  [4, pinTwice],
  [6, roundTrip],
  [4, reuse],
]);

function buildAndPin(author: Author): void {
  const { draw, write } = author;
  const level = (2 + draw.below(3)) as Level;
  const mfn = buildTable(author, level);
  author.step(write.pin(level, mfn));
}

/** A vCPU comes up with a root that nothing else keeps, and may be reset again. */
function rootOfAVcpu(author: Author): void {
  const { draw, scene, write } = author;
  const { vcpus } = scene.machine;
  if (vcpus === 1) return;
  const vcpu = 1 + draw.below(vcpus - 1);
  author.step(write.resetVcpu(vcpu));
  const root = buildTable(author, 4);
  const user = oneIn(draw, 2) ? 0 : oneIn(draw, 2) ? root : buildTable(author, 4);
  author.step(write.initialise(vcpu, root, user, user !== 0 && oneIn(draw, 2)));
  if (oneIn(draw, 2)) author.step(write.resetVcpu(vcpu), oneIn(draw, 2) ? 'now' : 'any');
}

/** Only base pointers keep the boot root then. */
function dropBootRoot(author: Author): void {
  author.step(author.write.unpin(BOOT_MFN.B4));
}
