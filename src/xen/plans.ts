/** What programs for the lab do besides what others do: they load base pointers, which there must map the kernel. */
import { entry, P, RW, SLOTS, US } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import type { Author } from '../generate/author.js';
import { lots, oneIn } from '../generate/draw.js';
import { buildTable, makeReadOnly, type Plan, PLANS } from '../generate/plans.js';
import { BOOT_MFN, FIRST_FRAME_MFN, WINDOW_0 } from '../program/machine.js';
import type { Word64 } from '../program/operation.js';
import { FD_SELF, FLUSH_NONE, OP_MULTICALL } from '../program/record.js';

const PAGE = 4096;
/** Of the upper half of an address, the bits below the slot of the L4. */
const HIGH_BELOW_A_SLOT = 0x7f;

export const LAB_PLANS: readonly Plan[] = [
  ...PLANS,
  ...lots([
    [20, changeBases],
    [20, enterUserMode],
    [14, beginAnew],
    [2, ldtOfOneRoot],
    [14, takeUpADrop],
    [8, takeUpAPromotion],
    [3, loseASlot],
    [3, storeBehindAFlush],
  ]),
];

/** For programs that lose races. */
export const RACE_PLANS: readonly Plan[] = [...LAB_PLANS, ...lots<Plan>([[LAB_PLANS.length, loseARace]])];

/** A translation is used and its entry taken away; an update of a table that nothing uses flushes it all the same. */
function storeBehindAFlush(author: Author): void {
  const { draw, scene, write } = author;
  const level = (2 + draw.below(scene.rootLevel - 1)) as Level;
  const table = level === scene.rootLevel ? buildRoot(author) : buildTable(author, level);
  author.step(write.pin(level, table));
  const frame = scene.frameWhere((mfn) => scene.isWritable(mfn));
  const window = frame - FIRST_FRAME_MFN;
  author.step(write.touch(scene.addressOf(window)));
  author.step(write.normalUpdate(BOOT_MFN.B1, window, oneIn(draw, 2) ? entry(0, 0) : entry(frame, P | US)));
  author.step(write.normalUpdate(table, draw.below(3), entry(0, 0)));
  author.step(write.storeCached(scene.addressOf(window), entry(0, 0)));
}

/** From root to root, and mostly back to the boot table; what was loaded last is dropped with all that is below it. */
function changeBases(author: Author): void {
  const { draw, scene, write } = author;
  const loads = 1 + draw.below(3);
  for (let i = 0; i < loads; i++) {
    const root = buildRoot(author);
    if (oneIn(draw, 3)) author.step(write.pin(scene.rootLevel, root));
    load(author, root);
  }
  if (!oneIn(draw, 4)) load(author, scene.bootRoot);
}

/** User mode with the boot table or with a root of its own, and the LDT there. */
function enterUserMode(author: Author): void {
  const { draw, scene, write } = author;
  const { state } = scene;
  if (scene.rootLevel !== 4) return;
  if (state.userBase(scene.cpu) === 0 || oneIn(draw, 4)) {
    author.step(write.newUserBaseptr(someRoot(author)));
  }
  if (oneIn(draw, 2)) author.step(write.iretUser());
  else {
    const multicall = write.begin(OP_MULTICALL);
    write.iretUser();
    write.newUserBaseptr(0);
    author.step(write.end(multicall));
  }
  if (state.ldtEntries(scene.cpu) > 0) author.step(write.accessLdt(0));
}

/** An LDT at an address that one of the kernel's and the user's tables maps, used in user mode. */
function ldtOfOneRoot(author: Author): void {
  const { draw, scene, write } = author;
  if (scene.rootLevel !== 4) return;
  const root = buildTwofoldRoot(author);
  const frame = scene.frameWhere((mfn) => mfn !== root && !scene.isTable(mfn));
  makeReadOnly(author, frame);
  const window = frame - FIRST_FRAME_MFN;
  author.step(write.updateVa(scene.addressOf(window), entry(frame, P), FLUSH_NONE, false, FD_SELF));
  if (oneIn(draw, 2)) load(author, root);
  author.step(write.newUserBaseptr(scene.state.kernelBase(scene.cpu) === root ? scene.bootRoot : root));
  author.step(write.setLdt(belowSlot0(window), 1 + draw.below(512)));
  author.step(write.iretUser());
  author.step(write.accessLdt(0));
}

/** A linear entry is dropped, with its table or by itself, and stopped in the one that it names; another vCPU takes that up before it goes on. */
function takeUpADrop(author: Author): void {
  const { draw, scene, write } = author;
  const level = scene.rootLevel === 3 ? 2 : 2 + draw.below(2);
  const table = buildTable(author, level as Level);
  author.step(write.pin(level as Level, table));
  const parent = buildTable(author, level as Level);
  const slot = oneIn(draw, 2) ? SLOTS - 1 : scene.lowSlot();
  author.step(write.normalUpdate(parent, slot, entry(table, P | US)));
  author.step(write.pin(level as Level, parent));
  author.step(write.unpin(table));
  const { cpu } = scene;
  const isWhole = oneIn(draw, 3);
  author.step(isWhole ? write.unpin(parent) : write.normalUpdate(parent, slot, entry(0, 0)), 'now');
  scene.cpu = otherThan(author, cpu);
  if (!isWhole) author.step(write.pin(level as Level, table), 'never');
  scene.cpu = cpu;
  author.step(write.resume());
  author.step(write.normalUpdate(table, scene.lowSlot(), entry(parent, P | US)));
}

/** The promotion of an L3 is stopped in its first L2, which another vCPU finishes; it goes on to the next, and is stopped again. */
function takeUpAPromotion(author: Author): void {
  const { scene, write } = author;
  const [first, second] = [buildTable(author, 2), buildTable(author, 2)];
  const l3 = scene.frameWhere((mfn) => !scene.isTable(mfn) && mfn !== first && mfn !== second);
  makeReadOnly(author, l3);
  author.step(write.normalUpdate(l3, 0, entry(first, P)));
  author.step(write.normalUpdate(l3, 1, entry(second, P)));
  const { cpu } = scene;
  author.step(write.pin(3, l3), 'now');
  scene.cpu = otherThan(author, cpu);
  author.step(write.pin(2, first), 'never');
  scene.cpu = cpu;
  author.step(write.resume(), 'now');
  author.step(write.resume());
  author.step(write.unpin(l3));
}

/** A call is stopped in the table below, which then turns out to be another CPU's when it goes on. */
function loseARace(author: Author): void {
  const { draw, scene, write } = author;
  const level = (scene.rootLevel === 3 ? 3 : 3 + draw.below(2)) as Level;
  const child = buildTable(author, (level - 1) as Level);
  const parent = scene.frameWhere((mfn) => !scene.isTable(mfn) && mfn !== child);
  makeReadOnly(author, parent);
  author.step(write.normalUpdate(parent, 1 + draw.below(2), entry(child, P)));
  for (const use of [() => write.pin(level, parent), () => write.unpin(parent)]) {
    author.step(use(), 'now');
    if (level === 3) author.step(write.resume(), 'now'); // before the slot, then within
    author.step(write.resume(), 'race');
    author.step(write.resume());
  }
}

function otherThan({ draw, scene }: Author, cpu: number): number {
  const { vcpus } = scene.machine;
  return vcpus === 1 ? cpu : (cpu + 1 + draw.below(vcpus - 1)) % vcpus;
}

/** An address is used, is not mapped any more as another root is loaded or the root's slot dropped, and is used again. */
function loseASlot(author: Author): void {
  const { draw, scene, write } = author;
  if (scene.rootLevel !== 4) return;
  const root = buildTwofoldRoot(author);
  const window = scene.window();
  const use = () => write.updateVa(belowSlot0(window), entry(scene.frame(), P), FLUSH_NONE, false, FD_SELF);
  load(author, root);
  author.step(use());
  if (oneIn(draw, 2)) load(author, scene.bootRoot);
  else author.step(write.normalUpdate(root, 0, entry(0, 0)));
  author.step(use());
}

/** A root that names B3 in slot 0 too, so that all windows have a second address. */
function buildTwofoldRoot(author: Author): number {
  const { scene, write } = author;
  const root = scene.frameWhere((mfn) => !scene.isTable(mfn));
  makeReadOnly(author, root);
  mapKernel(author, root);
  author.step(write.normalUpdate(root, 0, entry(BOOT_MFN.B3, P | RW | US)));
  return root;
}

/** Where a window is seen through that slot. */
function belowSlot0(window: number): Word64 {
  const { low, high } = WINDOW_0.x86_64;
  return { low: (low + window * PAGE) | 0, high: high & HIGH_BELOW_A_SLOT };
}

/** A vCPU goes down, and comes up with roots that may have to be validated first. */
function beginAnew(author: Author): void {
  const { draw, scene, write } = author;
  const { vcpus } = scene.machine;
  if (scene.rootLevel !== 4 || vcpus === 1) return;
  const vcpu = 1 + draw.below(vcpus - 1);
  author.step(write.resetVcpu(vcpu));
  const root = someRoot(author);
  const user = oneIn(draw, 2) ? someRoot(author) : 0;
  author.step(write.initialise(vcpu, root, user, oneIn(draw, 2)));
}

/** A new one or that of the boot table. */
function someRoot(author: Author): number {
  return oneIn(author.draw, 2) ? buildRoot(author) : author.scene.bootRoot;
}

function buildRoot(author: Author): number {
  const root = buildTable(author, author.scene.rootLevel);
  mapKernel(author, root);
  return root;
}

function load(author: Author, mfn: number): void {
  const { draw, write } = author;
  author.step(draw.below(3) < 2 ? write.newBaseptr(mfn) : write.writeCr3(mfn));
}

/** The entry by which the boot root maps it; x86_32: a copy of the boot table's L2, as slot 3 of two L3s cannot name one L2 (rules 6.3). */
function mapKernel(author: Author, root: number): void {
  const { scene, write } = author;
  if (scene.rootLevel === 4)
    return author.step(write.normalUpdate(root, 511, entry(BOOT_MFN.B3, P | RW | US)));
  const l2 = scene.frameWhere((mfn) => mfn !== root && !scene.isTable(mfn));
  makeReadOnly(author, l2);
  author.step(write.copyPage(l2, BOOT_MFN.B2));
  return author.step(write.normalUpdate(root, 3, entry(l2, P)));
}
