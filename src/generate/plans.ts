/**
 * What a guest does on purpose: several operations that belong together. A plan writes one after the other and lets it
 * be run, by `author.step`; it looks at the state again before every step, since other operations run in between.
 */
import { A, entry, mfnOf, NX, P, PCD, PSE, PWT, RW, SLOTS, US, type Entry } from '../../models/x86/entry.js';
import { type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import { FD_SELF, FLUSH_INVLPG, FLUSH_NONE, OP_MULTICALL } from '../program/record.js';
import type { Author } from './author.js';
import { lots, oneIn, pick } from './draw.js';
import type { Scene } from './scene.js';

export type Plan = (author: Author) => void;

/** The plans, each with how often it is chosen. */
export const PLANS = lots<Plan>([
  [30, buildAndUse],
  [12, linearPair],
  [14, flipFlag],
  [8, replaceWindowTable],
  [10, giveUp],
  [8, pinTwice],
  [8, roundTrip],
  [6, reuse],
  [6, throughTheTlb],
  [4, enterUserMode],
  [3, vcpuDownAndUp],
  [3, ldtFromUserMode],
  [3, lowRegion],
]);

/** Builds a table, with what it needs below, and puts it to a use. */
function buildAndUse(author: Author): void {
  const { draw, scene } = author;
  const level = (oneIn(draw, 4) ? 1 : 2 + draw.below(scene.rootLevel - 1)) as Level;
  const mfn = buildTable(author, level);
  use(author, mfn, level);
  if (oneIn(draw, 3)) use(author, mfn, level);
}

function use(author: Author, mfn: number, level: Level): void {
  const { draw, scene, write } = author;
  if (level === scene.rootLevel && oneIn(draw, 2)) return author.step(makeBase(author, mfn));
  const upper = scene.tableOf(level + 1);
  if (upper !== 0 && oneIn(draw, 2)) {
    const slot = scene.lowSlot();
    return author.step(write.normalUpdate(upper, slot, entry(mfn, P | US | (oneIn(draw, 3) ? 0 : RW))));
  }
  return author.step(write.pin(level, mfn));
}

/** The root is loaded in one of three ways. */
function makeBase({ draw, write }: Author, mfn: number): void {
  switch (draw.below(3)) {
    case 0:
      return write.newUserBaseptr(mfn);
    case 1:
      return write.newBaseptr(mfn);
    default:
      return write.writeCr3(mfn);
  }
}

/** Writes a frame's entries so that, mostly, it can become a table of this level. Returns the frame. */
export function buildTable(author: Author, level: Level): number {
  const { draw, scene, write } = author;
  const mfn = scene.frameWhere((frame) => !scene.isTable(frame));
  if (scene.isTable(mfn)) return mfn;
  makeReadOnly(author, mfn);
  scene.setRole(mfn, level);
  if (level === 3 && scene.rootLevel === 3 && !oneIn(draw, 4))
    author.step(write.normalUpdate(mfn, 3, entry(kernelL2(scene, mfn), P)));
  const entries = 1 + draw.below(3);
  for (let i = 0; i < entries; i++) {
    const slot = scene.lowSlot();
    const bad = i > 0 && oneIn(draw, 3);
    const value = bad ? badEntry(scene, level) : goodEntry(author, mfn, level);
    author.step(write.normalUpdate(mfn, slot, value));
  }
  return mfn;
}

/** An L2 for slot 3 of a 32-bit L3: a frame of no use yet, or one that is in some slot 3 already. */
function kernelL2(scene: Scene, l3: number): number {
  if (oneIn(scene.draw, 4)) return oneIn(scene.draw, 2) ? BOOT_MFN.B2 : scene.tableOf(2) || BOOT_MFN.B2;
  return scene.frameWhere((frame) => frame !== l3 && !scene.isTable(frame) && !scene.isWritable(frame));
}

/** An entry that a table of the level can have, after what it names has been made ready. */
function goodEntry(author: Author, table: number, level: Level): Entry {
  const { draw, scene } = author;
  if (level === 1) return leaf(scene);
  if (oneIn(draw, 4)) return entry(oneIn(draw, 3) ? table : scene.someTable(level) || table, P | US);
  const existing = scene.tableOf(level - 1);
  const child = existing !== 0 && oneIn(draw, 2) ? existing : buildTable(author, (level - 1) as Level);
  return entry(child, P | US | (oneIn(draw, 3) ? 0 : RW));
}

function leaf(scene: Scene): Entry {
  const mfn = oneIn(scene.draw, 12) ? 0 : scene.frame();
  return entry(mfn, P | (scene.isTable(mfn) || oneIn(scene.draw, 2) ? 0 : RW));
}

/** Something that fails a validation: a writable page, a flag that is forbidden, a linear entry with RW. */
function badEntry(scene: Scene, level: number): Entry {
  const writable = scene.frameWhere((frame) => scene.isWritable(frame));
  const table = scene.tableOf(level) || writable;
  const other = scene.frame();
  switch (scene.draw.below(5)) {
    case 0:
      return entry(writable, P);
    case 1:
      return entry(writable, P | US | RW);
    case 2:
      return entry(other, P | PSE | RW);
    case 3:
      return entry(table, P | RW);
    default:
      return entry(table, P | RW | US);
  }
}

/** Two tables of a level, one of which names the other and perhaps alone keeps it in use; then one of them goes. */
export function linearPair(author: Author): void {
  const { draw, scene, write } = author;
  const level = (scene.rootLevel === 3 ? 2 : 2 + draw.below(3)) as Level;
  const target = scene.someTable(level) || buildTable(author, level);
  author.step(write.pin(level, target));
  const table = buildTable(author, level);
  if (table === target) return;
  const slot = oneIn(draw, 3) ? SLOTS - 1 : scene.lowSlot();
  author.step(write.normalUpdate(table, slot, entry(target, P | US)));
  author.step(write.pin(level, table));
  if (!oneIn(draw, 3)) author.step(write.unpin(target));
  if (oneIn(draw, 12)) author.step(write.destroy());
  if (oneIn(draw, 2)) author.step(write.unpin(table));
  if (oneIn(draw, 3)) author.step(write.pin(level, oneIn(draw, 2) ? table : target));
}

/** Every window that maps the frame writable is turned. */
export function makeReadOnly(author: Author, mfn: number): void {
  const { draw, scene } = author;
  const { state } = scene;
  for (let i = 0; i < scene.windows; i++) {
    const low = state.low(BOOT_MFN.B1, i);
    if ((low & (P | RW)) !== (P | RW) || mfnOf(low, state.high(BOOT_MFN.B1, i)) !== mfn) continue;
    author.step(setWindow(scene, i, oneIn(draw, 3) ? entry(0, 0) : entry(mfn, P | US)));
  }
}

const L1_FLAGS = [RW, US, P, PCD, PWT, A] as const;
const UPPER_FLAGS = [RW, RW, PSE, PSE | RW, US, P, NX] as const;

/** Changes one flag of an entry that is there. */
function flipFlag(author: Author): void {
  const { draw, scene, write } = author;
  const { state } = scene;
  const mfn = oneIn(draw, 6) ? BOOT_MFN.B1 : scene.frameWhere((frame) => scene.isTable(frame));
  const slot = state.nextUsed(mfn, oneIn(draw, 3) ? draw.below(SLOTS) : 0);
  if (slot >= SLOTS) return;
  const low = state.low(mfn, slot);
  const flags = low & 0xfff;
  const flag = pick(draw, scene.levelOf(mfn) === 1 ? L1_FLAGS : UPPER_FLAGS);
  const changed = entry(mfnOf(low, state.high(mfn, slot)), flags ^ flag);
  author.step(mfn === BOOT_MFN.B1 ? setWindow(scene, slot, changed) : write.normalUpdate(mfn, slot, changed));
}

/** Another L1 table comes to stand behind the windows, and what was written through them goes on. */
function replaceWindowTable(author: Author): void {
  const { draw, scene, write } = author;
  const place = { mfn: BOOT_MFN.B2, slot: 1 };
  const flags = P | RW | US | A;
  const index = scene.window();
  author.step(setWindow(scene, index, entry(scene.frame(), P | US)));
  const table = scene.tableOf(TYPE_L1) || buildTable(author, 1);
  const behind = oneIn(draw, 3) ? BOOT_MFN.B1 : table;
  author.step(write.normalUpdate(place.mfn, place.slot, entry(behind, flags)));
  const written = scene.window();
  author.step(setWindow(scene, written, leaf(scene)));
  author.step(write.normalUpdate(place.mfn, place.slot, entry(BOOT_MFN.B1, flags)));
}

/** Drops one use of a table, mostly its pin. */
export function giveUp(author: Author): void {
  const { draw, scene, write } = author;
  const { state } = scene;
  const pinned = scene.frameWhere((frame) => scene.isPinned(frame));
  if (scene.isPinned(pinned) && !oneIn(draw, 3)) author.step(write.unpin(pinned));
  const table = scene.frameWhere((frame) => scene.isTable(frame) && scene.levelOf(frame) > 1);
  const slot = state.nextUsed(table, 0);
  if (scene.isTable(table) && slot < SLOTS) author.step(write.normalUpdate(table, slot, entry(0, 0)));
  if (state.userBase(scene.cpu) !== 0 && oneIn(draw, 2)) author.step(write.newUserBaseptr(0));
}

export function pinTwice(author: Author): void {
  const { draw, scene, write } = author;
  const mfn = scene.frameWhere((frame) => scene.isTable(frame));
  const level = Math.min(4, Math.max(1, scene.levelOf(mfn))) as Level;
  author.step(write.pin(level, mfn));
  if (oneIn(draw, 2)) author.step(write.pin(level, mfn));
  author.step(write.unpin(mfn));
}

/** A pin and its removal, with something else of the same frame in between. */
export function roundTrip(author: Author): void {
  const { draw, scene, write } = author;
  const level = (1 + draw.below(scene.rootLevel)) as Level;
  const mfn = scene.tableOf(level) || scene.frame();
  author.step(write.pin(level, mfn));
  if (oneIn(draw, 2)) use(author, mfn, level);
  author.step(write.unpin(mfn));
  author.step(write.pin(level, mfn));
}

/** A frame that was a table becomes plain memory, or the other way round. */
export function reuse(author: Author): void {
  const { draw, scene, write } = author;
  const mfn = scene.frame();
  if (scene.isPinned(mfn)) author.step(write.unpin(mfn));
  author.step(setWindow(scene, mfn - FIRST_FRAME_MFN, entry(mfn, P | RW | US)));
  if (oneIn(draw, 2)) author.step(write.clearPage(mfn));
  scene.changeRole(mfn);
}

/** A writable translation is left in the TLB; then the frame is given another use, and is written. */
function throughTheTlb(author: Author): void {
  const { draw, scene, write } = author;
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame));
  const index = mfn - FIRST_FRAME_MFN;
  const va = scene.addressOf(index);
  author.step(write.touch(va));
  author.step(setWindow(scene, index, oneIn(draw, 2) ? entry(0, 0) : entry(mfn, P | US)));
  author.step(write.pin((1 + draw.below(scene.rootLevel)) as Level, mfn));
  author.step(write.storeCached(va, oneIn(draw, 8) ? entry(0, 0) : leaf(scene)));
}

/** Return to user mode, alone or with requests after it in the same multicall. */
function enterUserMode(author: Author): void {
  const { draw, scene, write } = author;
  if (scene.machine.arch === 'x86_32') return;
  if (scene.state.userBase(scene.cpu) === 0)
    author.step(write.newUserBaseptr(scene.tableOf(4) || buildTable(author, 4)));
  const after = oneIn(draw, 2) ? 0 : scene.tableOf(4);
  if (oneIn(draw, 3)) return author.step(write.iretUser());
  const multicall = write.begin(OP_MULTICALL);
  write.iretUser();
  write.newUserBaseptr(after);
  return author.step(write.end(multicall));
}

export function vcpuDownAndUp(author: Author): void {
  const { draw, scene, write } = author;
  const { vcpus } = scene.machine;
  if (vcpus === 1) return;
  const vcpu = (scene.cpu + 1) % vcpus;
  author.step(write.resetVcpu(vcpu));
  const table = () => (oneIn(draw, 2) ? scene.bootRoot : scene.tableOf(scene.rootLevel) || scene.bootRoot);
  const root = () => (oneIn(draw, 8) ? scene.anyFrame() : table());
  for (let tries = 0; tries < 2 && scene.state.kernelBase(vcpu) === 0; tries++) {
    const mfn = root();
    const user = oneIn(draw, 2) ? 0 : root();
    author.step(write.initialise(vcpu, mfn, user, oneIn(draw, 2)));
  }
}

/** The processor's first access to the LDT comes while the user's tables are loaded. */
function ldtFromUserMode(author: Author): void {
  const { draw, scene, write } = author;
  const index = scene.window();
  author.step(write.setLdt(scene.addressOf(index), 1 + draw.below(1024)));
  if (scene.state.userBase(scene.cpu) !== 0) author.step(write.iretUser());
  author.step(write.accessLdt(draw.below(2)));
}

/** 32-bit guests: addresses below the windows, behind L3 slots that can be changed. */
function lowRegion(author: Author): void {
  const { draw, scene, write } = author;
  if (scene.rootLevel === 4) return;
  const slot = draw.below(3);
  const va = { low: (slot << 30) | 0, high: 0 };
  const l2 = mfnOf(scene.state.low(BOOT_MFN.B3, slot), 0);
  const access = () => write.updateVa(va, leaf(scene), FLUSH_NONE, false, FD_SELF);
  if (scene.isTable(l2))
    author.step(write.normalUpdate(l2, 0, entry(scene.tableOf(TYPE_L1) || BOOT_MFN.K0, P | RW)));
  author.step(access());
  const other = oneIn(draw, 2) ? entry(0, 0) : entry(scene.tableOf(2) || l2, P);
  author.step(write.normalUpdate(BOOT_MFN.B3, oneIn(draw, 6) ? 3 : slot, other));
  author.step(access());
}

function setWindow(scene: Scene, index: number, value: Entry): void {
  const flush = oneIn(scene.draw, 2) ? FLUSH_NONE : FLUSH_INVLPG;
  scene.write.updateVa(scene.addressOf(index), value, flush, false, FD_SELF);
}
