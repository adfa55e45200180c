/**
 * What a guest does on purpose: several operations that belong together. Each plan looks at the state again
 * before every step, since other operations run in between.
 */
import { A, entry, mfnOf, NX, P, PCD, PSE, PWT, RW, SLOTS, US, type Entry } from '../../models/x86/entry.js';
import { INFO_PINNED, type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { BOOT_MFN, FIRST_FRAME_MFN, WINDOW_0 } from '../program/machine.js';
import { normalUpdate, type Operation } from '../program/operation.js';
import { oneIn, pick } from './draw.js';
import type { Scene } from './scene.js';

export type Plan = Generator<Operation, void>;
/** How often a plan is chosen, and the plan. */
export type WeightedPlan = readonly [number, (scene: Scene) => Plan];

export const PLANS: readonly WeightedPlan[] = [
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
];

/** Builds a table, with what it needs below, and puts it to a use. */
function* buildAndUse(scene: Scene): Plan {
  const level = (oneIn(scene.draw, 4) ? 1 : 2 + scene.draw.below(scene.rootLevel - 1)) as Level;
  const mfn = yield* buildTable(scene, level);
  yield* use(scene, mfn, level);
  if (oneIn(scene.draw, 3)) yield* use(scene, mfn, level);
}

function* use(scene: Scene, mfn: number, level: Level): Plan {
  const { draw } = scene;
  if (level === scene.rootLevel && oneIn(draw, 2)) {
    yield pick<Operation>(draw, [
      { kind: 'new_user_baseptr', mfn },
      { kind: 'new_baseptr', mfn },
      { kind: 'write_cr3', mfn },
    ]);
    return;
  }
  const upper = scene.tableOf(level + 1);
  if (upper !== 0 && oneIn(draw, 2)) {
    yield normalUpdate(upper, scene.lowSlot(), entry(mfn, P | US | (oneIn(draw, 3) ? 0 : RW)));
    return;
  }
  yield { kind: 'pin', level, mfn };
}

/** Writes a frame's entries so that, mostly, it can become a table of this level. Returns the frame. */
export function* buildTable(scene: Scene, level: Level): Generator<Operation, number> {
  const { draw } = scene;
  const mfn = scene.frameWhere((frame) => !scene.isTable(frame));
  if (scene.isTable(mfn)) return mfn;
  yield* makeReadOnly(scene, mfn);
  scene.setRole(mfn, level);
  if (level === 3 && scene.rootLevel === 3 && !oneIn(draw, 4)) {
    yield normalUpdate(mfn, 3, entry(kernelL2(scene, mfn), P));
  }
  const entries = 1 + draw.below(3);
  for (let i = 0; i < entries; i++) {
    const slot = scene.lowSlot();
    const bad = i > 0 && oneIn(draw, 3);
    yield normalUpdate(mfn, slot, bad ? badEntry(scene, level) : yield* goodEntry(scene, mfn, level));
  }
  return mfn;
}

/** An L2 for slot 3 of a 32-bit L3: a frame of no use yet, or one that is in some slot 3 already. */
function kernelL2(scene: Scene, l3: number): number {
  if (oneIn(scene.draw, 4)) return oneIn(scene.draw, 2) ? BOOT_MFN.B2 : scene.tableOf(2) || BOOT_MFN.B2;
  return scene.frameWhere((frame) => frame !== l3 && !scene.isTable(frame) && !scene.isWritable(frame));
}

/** An entry that a table of the level can have, after what it names has been made ready. */
function* goodEntry(scene: Scene, table: number, level: Level): Generator<Operation, Entry> {
  const { draw } = scene;
  if (level === 1) return leaf(scene);
  if (oneIn(draw, 4)) return entry(oneIn(draw, 3) ? table : scene.someTable(level) || table, P | US);
  const existing = scene.tableOf(level - 1);
  const child = existing !== 0 && oneIn(draw, 2) ? existing : yield* buildTable(scene, (level - 1) as Level);
  return entry(child, P | US | (oneIn(draw, 3) ? 0 : RW));
}

function leaf(scene: Scene): Entry {
  const mfn = oneIn(scene.draw, 12) ? 0 : scene.frame();
  return entry(mfn, P | (scene.isTable(mfn) || oneIn(scene.draw, 2) ? 0 : RW));
}

/** Something that fails a validation: a writable page, a flag that is forbidden, a linear entry with RW. */
function badEntry(scene: Scene, level: number): Entry {
  const { draw } = scene;
  const writable = scene.frameWhere((frame) => scene.isWritable(frame));
  const table = scene.tableOf(level) || writable;
  return pick(draw, [
    entry(writable, P),
    entry(writable, P | US | RW),
    entry(scene.frame(), P | PSE | RW),
    entry(table, P | RW),
    entry(table, P | RW | US),
  ]);
}

/** Two tables of a level, one of which names the other and perhaps alone keeps it in use; then one of them goes. */
function* linearPair(scene: Scene): Plan {
  const { draw } = scene;
  const level = (scene.rootLevel === 3 ? 2 : 2 + draw.below(3)) as Level;
  const target = scene.someTable(level) || (yield* buildTable(scene, level));
  yield { kind: 'pin', level, mfn: target };
  const table = yield* buildTable(scene, level);
  if (table === target) return;
  yield normalUpdate(table, oneIn(draw, 3) ? SLOTS - 1 : scene.lowSlot(), entry(target, P | US));
  yield { kind: 'pin', level, mfn: table };
  if (!oneIn(draw, 3)) yield { kind: 'unpin', mfn: target };
  if (oneIn(draw, 12)) yield { kind: 'destroy' };
  if (oneIn(draw, 2)) yield { kind: 'unpin', mfn: table };
  if (oneIn(draw, 3)) yield { kind: 'pin', level, mfn: oneIn(draw, 2) ? table : target };
}

/** Every window that maps the frame writable is turned. */
export function* makeReadOnly(scene: Scene, mfn: number): Plan {
  const { state } = scene;
  for (let i = 0; i < scene.windows; i++) {
    const low = state.low(BOOT_MFN.B1, i);
    if ((low & (P | RW)) !== (P | RW) || mfnOf(low, state.high(BOOT_MFN.B1, i)) !== mfn) continue;
    yield window(scene, i, oneIn(scene.draw, 3) ? entry(0, 0) : entry(mfn, P | US));
  }
}

/** Changes one flag of an entry that is there. */
function* flipFlag(scene: Scene): Plan {
  const { draw, state } = scene;
  const mfn = oneIn(draw, 6) ? BOOT_MFN.B1 : scene.frameWhere((frame) => scene.isTable(frame));
  const slot = state.nextUsed(mfn, oneIn(draw, 3) ? draw.below(SLOTS) : 0);
  if (slot >= SLOTS) return;
  const low = state.low(mfn, slot);
  const flags = low & 0xfff;
  const level = scene.levelOf(mfn);
  const flag =
    level === 1 ? pick(draw, [RW, US, P, PCD, PWT, A]) : pick(draw, [RW, RW, PSE, PSE | RW, US, P, NX]);
  const changed = entry(mfnOf(low, state.high(mfn, slot)), flags ^ flag);
  if (mfn === BOOT_MFN.B1) yield window(scene, slot, changed);
  else yield normalUpdate(mfn, slot, changed);
}

/** Another L1 table comes to stand behind the windows, and what was written through them goes on. */
function* replaceWindowTable(scene: Scene): Plan {
  const { draw } = scene;
  yield window(scene, scene.window(), entry(scene.frame(), P | US));
  const table = scene.tableOf(TYPE_L1) || (yield* buildTable(scene, 1));
  const place = { mfn: BOOT_MFN.B2, slot: 1 };
  yield normalUpdate(place.mfn, place.slot, entry(oneIn(draw, 3) ? BOOT_MFN.B1 : table, P | RW | US | A));
  yield window(scene, scene.window(), leaf(scene));
  yield normalUpdate(place.mfn, place.slot, entry(BOOT_MFN.B1, P | RW | US | A));
}

/** Drops one use of a table, mostly its pin. */
function* giveUp(scene: Scene): Plan {
  const { draw, state } = scene;
  const pinned = scene.frameWhere((frame) => scene.isPinned(frame));
  if ((state.info(pinned) & INFO_PINNED) !== 0 && !oneIn(draw, 3)) yield { kind: 'unpin', mfn: pinned };
  const table = scene.frameWhere((frame) => scene.isTable(frame) && scene.levelOf(frame) > 1);
  const slot = state.nextUsed(table, 0);
  if (scene.isTable(table) && slot < SLOTS) yield normalUpdate(table, slot, entry(0, 0));
  if (state.userBase(scene.cpu) !== 0 && oneIn(draw, 2)) yield { kind: 'new_user_baseptr', mfn: 0 };
}

function* pinTwice(scene: Scene): Plan {
  const mfn = scene.frameWhere((frame) => scene.isTable(frame));
  const level = Math.min(4, Math.max(1, scene.levelOf(mfn))) as Level;
  yield { kind: 'pin', level, mfn };
  if (oneIn(scene.draw, 2)) yield { kind: 'pin', level, mfn };
  yield { kind: 'unpin', mfn };
}

/** A pin and its removal, with something else of the same frame in between. */
function* roundTrip(scene: Scene): Plan {
  const { draw } = scene;
  const level = (1 + draw.below(scene.rootLevel)) as Level;
  const mfn = scene.tableOf(level) || scene.frame();
  yield { kind: 'pin', level, mfn };
  if (oneIn(draw, 2)) yield* use(scene, mfn, level);
  yield { kind: 'unpin', mfn };
  yield { kind: 'pin', level, mfn };
}

/** A frame that was a table becomes plain memory, or the other way round. */
function* reuse(scene: Scene): Plan {
  const mfn = scene.frame();
  if (scene.isPinned(mfn)) yield { kind: 'unpin', mfn };
  yield window(scene, mfn - FIRST_FRAME_MFN, entry(mfn, P | RW | US));
  if (oneIn(scene.draw, 2)) yield { kind: 'clear_page', mfn };
  scene.changeRole(mfn);
}

/** A writable translation is left in the TLB; then the frame is given another use, and is written. */
function* throughTheTlb(scene: Scene): Plan {
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame));
  const index = mfn - FIRST_FRAME_MFN;
  const va = address(scene, index);
  yield { kind: 'touch', va };
  yield window(scene, index, oneIn(scene.draw, 2) ? entry(0, 0) : entry(mfn, P | US));
  yield { kind: 'pin', level: (1 + scene.draw.below(scene.rootLevel)) as Level, mfn };
  yield { kind: 'store_cached', va, entry: leaf(scene) };
}

/** Return to user mode, alone or with requests after it in the same multicall. */
function* enterUserMode(scene: Scene): Plan {
  const { draw, state } = scene;
  if (scene.machine.arch === 'x86_32') return;
  if (state.userBase(scene.cpu) === 0) {
    const mfn = scene.tableOf(4) || (yield* buildTable(scene, 4));
    yield { kind: 'new_user_baseptr', mfn };
  }
  const after: Operation = { kind: 'new_user_baseptr', mfn: oneIn(draw, 2) ? 0 : scene.tableOf(4) };
  if (oneIn(draw, 3)) yield { kind: 'iret_user' };
  else yield { kind: 'multicall', items: [{ kind: 'iret_user' }, after] };
}

function* vcpuDownAndUp(scene: Scene): Plan {
  const { draw, machine } = scene;
  if (machine.vcpus === 1) return;
  const vcpu = (scene.cpu + 1) % machine.vcpus;
  yield { kind: 'reset_vcpu', vcpu };
  const root = () => (oneIn(draw, 2) ? scene.bootRoot : scene.tableOf(scene.rootLevel) || scene.bootRoot);
  for (let tries = 0; tries < 2 && scene.state.kernelBase(vcpu) === 0; tries++) {
    yield {
      kind: 'initialise',
      vcpu,
      mfn: root(),
      user: oneIn(draw, 2) ? 0 : root(),
      userMode: oneIn(draw, 2),
    };
  }
}

/** The processor's first access to the LDT comes while the user's tables are loaded. */
function* ldtFromUserMode(scene: Scene): Plan {
  const { draw } = scene;
  yield { kind: 'set_ldt', va: address(scene, scene.window()), entries: 1 + draw.below(1024) };
  if (scene.state.userBase(scene.cpu) !== 0) yield { kind: 'iret_user' };
  yield { kind: 'access_ldt', page: draw.below(2) };
}

/** 32-bit guests: addresses below the windows, behind L3 slots that can be changed. */
function* lowRegion(scene: Scene): Plan {
  const { draw } = scene;
  if (scene.rootLevel === 4) return;
  const slot = draw.below(3);
  const va = { low: (slot << 30) | 0, high: 0 };
  const l2 = mfnOf(scene.state.low(BOOT_MFN.B3, slot), 0);
  const access = (): Operation => ({
    kind: 'update_va',
    va,
    entry: leaf(scene),
    flush: 'none',
    badBitmap: false,
    fd: 'self',
  });
  if (scene.isTable(l2)) yield normalUpdate(l2, 0, entry(scene.tableOf(TYPE_L1) || BOOT_MFN.K0, P | RW));
  yield access();
  yield normalUpdate(BOOT_MFN.B3, slot, oneIn(draw, 2) ? entry(0, 0) : entry(scene.tableOf(2) || l2, P));
  yield access();
}

function address(scene: Scene, index: number) {
  const { low, high } = WINDOW_0[scene.machine.arch];
  return { low: (low + index * 4096) | 0, high };
}

function window(scene: Scene, index: number, value: Entry): Operation {
  const flush = oneIn(scene.draw, 2) ? 'none' : 'invlpg';
  return { kind: 'update_va', va: address(scene, index), entry: value, flush, badBitmap: false, fd: 'self' };
}
