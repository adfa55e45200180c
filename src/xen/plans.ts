/** What programs for the lab do besides what others do: they load base pointers, which there must map the kernel. */
import { entry, P, RW, US } from '../../models/x86/entry.js';
import { oneIn, pick } from '../generate/draw.js';
import { buildTable, makeReadOnly, type Plan, PLANS, type WeightedPlan } from '../generate/plans.js';
import type { Scene } from '../generate/scene.js';
import { BOOT_MFN } from '../program/machine.js';
import { normalUpdate, type Operation } from '../program/operation.js';

export const LAB_PLANS: readonly WeightedPlan[] = [...PLANS, [20, changeBases]];

/** From root to root, and mostly back to the boot table; what was loaded last is dropped with all that is below it. */
function* changeBases(scene: Scene): Plan {
  const { draw } = scene;
  const loads = 1 + draw.below(3);
  for (let i = 0; i < loads; i++) {
    const root = yield* buildTable(scene, scene.rootLevel);
    yield* mapKernel(scene, root);
    if (oneIn(draw, 3)) yield { kind: 'pin', level: scene.rootLevel, mfn: root };
    yield load(scene, root);
  }
  if (!oneIn(draw, 4)) yield load(scene, scene.bootRoot);
}

function load({ draw }: Scene, mfn: number): Operation {
  return pick<Operation>(draw, [
    { kind: 'new_baseptr', mfn },
    { kind: 'new_baseptr', mfn },
    { kind: 'write_cr3', mfn },
  ]);
}

/** The entry by which the boot root maps it; x86_32: a copy of the boot table's L2, as slot 3 of two L3s cannot name one L2 (rules 6.3). */
function* mapKernel(scene: Scene, root: number): Plan {
  if (scene.rootLevel === 4) {
    yield normalUpdate(root, 511, entry(BOOT_MFN.B3, P | RW | US));
    return;
  }
  const l2 = scene.frameWhere((mfn) => mfn !== root && !scene.isTable(mfn));
  yield* makeReadOnly(scene, l2);
  yield { kind: 'copy_page', mfn: l2, source: BOOT_MFN.B2 };
  yield normalUpdate(root, 3, entry(l2, P));
}
