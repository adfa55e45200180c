import { entry, P, RW, US } from '../../models/x86/entry.js';
import { type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { FIRST_FRAME_MFN, WINDOW_0 } from '../program/machine.js';
import {
  type DomainId,
  type Flush,
  type Hypercall,
  MMUEXT_COMMANDS,
  type ListOptions,
  type MmuCommand,
  type Mmuext,
  type MmuextCommand,
  type MmuUpdate,
  normalUpdate,
  type Operation,
  type StorePart,
  type Word64,
} from '../program/operation.js';
import { oneIn, pick, weighted } from './draw.js';
import type { Scene } from './scene.js';

const MMUEXT_NAMES = Object.keys(MMUEXT_COMMANDS) as MmuextCommand[];
const LIST_MAX = 4;

/** The operations that programs are made of, each with how often it is drawn. */
const OPERATIONS: readonly (readonly [number, (scene: Scene) => Operation])[] = [
  [220, remap],
  [150, store],
  [170, mmuUpdate],
  [100, pinOrPrepare],
  [50, unpinOrPin],
  [30, newBase],
  [24, newUserBase],
  [14, clearPage],
  [14, copyPage],
  [12, setGdt],
  [8, setLdt],
  [8, (scene) => ({ kind: 'access_ldt', page: scene.draw.below(3) })],
  [8, updateDescriptor],
  [6, (scene) => ({ kind: 'write_cr3', mfn: root(scene) })],
  [4, (scene) => ({ kind: 'release', mfn: scene.frameWhere((mfn) => scene.state.generalCount(mfn) === 1) })],
  [
    4,
    (scene) => ({
      kind: 'receive',
      mfn: scene.frameWhere((mfn) => scene.state.generalCount(mfn) === 0),
      count: 1,
    }),
  ],
  [2, (scene) => ({ kind: 'decrease_reservation', mfn: scene.frame() })],
  [6, machphys],
  [4, mmuextCommand],
  [6, (scene) => ({ kind: 'store_frame', ...tableEntry(scene), part: part(scene) })],
  [4, fill],
  [12, mmuUpdateList],
  [12, mmuextList],
  [6, multicall],
];
const WEIGHTS = OPERATIONS.map(([weight]) => weight);
const TOTAL = WEIGHTS.reduce((sum, weight) => sum + weight, 0);

export function drawOperation(scene: Scene): Operation {
  if (scene.state.kernelBase(scene.cpu) !== scene.bootRoot && oneIn(scene.draw, 8))
    return { kind: 'new_baseptr', mfn: scene.bootRoot };
  if (scene.state.deferred(scene.cpu) !== 0 && oneIn(scene.draw, 2)) return whileATableWaits(scene);
  return OPERATIONS[weighted(scene.draw, WEIGHTS, TOTAL)]![1](scene);
}

/** What does not clean up the table that MOV to CR3 has left waiting, and so meets it (rules 5.4). */
function whileATableWaits(scene: Scene): Operation {
  if (oneIn(scene.draw, 3)) return pick(scene.draw, [remap, store, setGdt])(scene);
  return { kind: 'write_cr3', mfn: oneIn(scene.draw, 3) ? scene.state.deferred(scene.cpu) : root(scene) };
}

function windowAddress(scene: Scene, index: number, offset = 0): Word64 {
  const { low, high } = WINDOW_0[scene.machine.arch];
  return { low: (low + index * 4096 + offset) | 0, high };
}

/** A frame's own window turned read-only or writable, or a second mapping made or dropped. */
function remap(scene: Scene): Hypercall {
  const { draw } = scene;
  const index = scene.window();
  const own = index < scene.machine.frames && !oneIn(draw, 5);
  const mfn = own ? FIRST_FRAME_MFN + index : scene.anyFrame();
  const writable = own ? wantsWritable(scene, mfn) : !scene.isTable(mfn) && oneIn(draw, 3);
  return {
    kind: 'update_va',
    va: windowAddress(scene, index),
    entry: !own && oneIn(draw, 3) ? entry(0, 0) : entry(mfn, P | US | (writable ? RW : 0)),
    flush: pick<Flush>(draw, ['invlpg', 'invlpg', 'flush', 'none']),
    badBitmap: oneIn(draw, 40),
    fd: oneIn(draw, 60) ? domain(scene) : 'self',
  };
}

/** A data page, or a page to be written before it becomes a table, is writable; a table is not. */
function wantsWritable(scene: Scene, mfn: number): boolean {
  if (scene.isTable(mfn)) return oneIn(scene.draw, 6);
  return scene.role(mfn) === 0 ? !oneIn(scene.draw, 3) : oneIn(scene.draw, 4);
}

function part(scene: Scene): StorePart {
  return oneIn(scene.draw, 6) ? pick<StorePart>(scene.draw, ['low', 'high']) : 'entry';
}

function store(scene: Scene): Operation {
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame) || scene.type(frame) === TYPE_L1);
  if (!scene.isWritable(mfn) && scene.type(mfn) !== TYPE_L1 && !oneIn(scene.draw, 4)) return mmuUpdate(scene);
  const index = oneIn(scene.draw, 10) ? scene.window() : mfn - FIRST_FRAME_MFN;
  const level = scene.levelOf(mfn);
  const slot = scene.slot(level);
  return {
    kind: 'store',
    va: windowAddress(scene, index, slot * 8),
    part: part(scene),
    entry: scene.entryFor(mfn, level, slot),
  };
}

function machphys(scene: Scene): MmuUpdate {
  return { kind: 'machphys', mfn: scene.anyFrame(), value: { low: scene.draw.below(16), high: 0 } };
}

function tableEntry(scene: Scene) {
  const mfn = oneIn(scene.draw, 15) ? scene.anyFrame() : scene.frame();
  const level = scene.levelOf(mfn);
  const slot = scene.slot(level);
  return { mfn, slot, entry: scene.entryFor(mfn, level, slot) };
}

function mmuUpdate(scene: Scene): MmuUpdate {
  const { draw } = scene;
  const seldom: MmuCommand[] = ['no_translate', 'cmd4', 'cmd7'];
  const command = oneIn(draw, 40) ? pick(draw, seldom) : oneIn(draw, 3) ? 'preserve_ad' : 'normal';
  return { kind: 'mmu_update', command, ...tableEntry(scene) };
}

function pin(scene: Scene): Mmuext {
  const mfn = scene.frameWhere(
    (frame) => scene.role(frame) > 0 && !scene.isWritable(frame) && !scene.isPinned(frame),
  );
  const role = Math.max(1, scene.role(mfn));
  return { kind: 'pin', level: (oneIn(scene.draw, 10) ? 1 + scene.draw.below(4) : role) as Level, mfn };
}

/** Pins; where that would fail for a writable mapping or a slot's contents, mostly mends that first. */
function pinOrPrepare(scene: Scene): Operation {
  const operation = pin(scene);
  if (operation.kind !== 'pin' || oneIn(scene.draw, 6)) return operation;
  const { mfn, level } = operation;
  if (scene.isPinned(mfn) || scene.isWritable(mfn)) return remap(scene);
  const slot = scene.isTable(mfn) ? -1 : scene.firstBad(mfn, level);
  if (slot < 0) return operation;
  return normalUpdate(mfn, slot, scene.entryFor(mfn, level, slot));
}

function unpinOrPin(scene: Scene): Operation {
  const operation = unpin(scene);
  const pinned = operation.kind === 'unpin' && scene.isPinned(operation.mfn);
  return pinned || oneIn(scene.draw, 8) ? operation : pinOrPrepare(scene);
}

function unpin(scene: Scene): Mmuext {
  const mfn = scene.frameWhere((frame) => scene.isPinned(frame));
  if (oneIn(scene.draw, 3)) scene.changeRole(mfn);
  return { kind: 'unpin', mfn };
}

function root(scene: Scene): number {
  return scene.frameWhere((mfn) => scene.role(mfn) === scene.rootLevel && !scene.isWritable(mfn));
}

function newBase(scene: Scene): Mmuext {
  return { kind: 'new_baseptr', mfn: oneIn(scene.draw, 3) ? scene.bootRoot : root(scene) };
}

function newUserBase(scene: Scene): Mmuext {
  return { kind: 'new_user_baseptr', mfn: oneIn(scene.draw, 4) ? 0 : root(scene) };
}

function clearPage(scene: Scene): Mmuext {
  return { kind: 'clear_page', mfn: scene.frame() };
}

function copyPage(scene: Scene): Mmuext {
  return {
    kind: 'copy_page',
    mfn: scene.frame(),
    source: oneIn(scene.draw, 8) ? scene.anyFrame() : scene.frame(),
  };
}

function setGdt(scene: Scene): Hypercall {
  const { draw } = scene;
  const frames = Array.from({ length: 1 + draw.below(2) }, () =>
    scene.frameWhere((mfn) => !scene.isWritable(mfn)),
  );
  return { kind: 'set_gdt', frames, entries: pick(draw, [0, 1, 8, 512, 513, 1024, 7169]) };
}

function setLdt(scene: Scene): Mmuext {
  const va = windowAddress(scene, scene.window(), oneIn(scene.draw, 12) ? 8 : 0);
  return { kind: 'set_ldt', va, entries: pick(scene.draw, [0, 1, 512, 600, 1025, 8193]) };
}

/** Descriptors at which a rule changes: code, 32- and 64-bit; flat; call gates; system types; not present. */
const DESCRIPTOR_HIGHS = [
  0x00cf9a00, 0x00cff200, 0x00af9a00, 0x00008c00, 0x0000ec00, 0x00008c20, 0x00008b00, 0x00008000, 0,
];
const DESCRIPTOR_LOWS = [
  0x0000fff0,
  0x0000ffff,
  0x00000000,
  0x00080000,
  0xe0330000 | 0,
  0xe0190000 | 0,
  0xffff0000 | 0,
  0xfff80000 | 0,
];

function updateDescriptor(scene: Scene): Hypercall {
  const { draw } = scene;
  const mfn = oneIn(draw, 10) ? scene.anyFrame() : scene.frame();
  const descriptor = { low: pick(draw, DESCRIPTOR_LOWS), high: pick(draw, DESCRIPTOR_HIGHS) };
  return { kind: 'update_descriptor', mfn, slot: draw.below(4), descriptor, misaligned: oneIn(draw, 20) };
}

function mmuextCommand(scene: Scene): Mmuext {
  return { kind: 'mmuext', command: pick(scene.draw, MMUEXT_NAMES), badBitmap: oneIn(scene.draw, 3) };
}

/** A writable page written all over by the guest. */
function fill(scene: Scene): Operation {
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame));
  const level = scene.role(mfn);
  const slots = [...new Set(Array.from({ length: scene.draw.below(4) }, () => scene.slot(level)))].sort(
    (a, b) => a - b,
  );
  return {
    kind: 'fill',
    mfn,
    entries: slots.map((slot) => ({ slot, entry: scene.entryFor(mfn, level, slot) })).filter(isNonZero),
  };
}

function isNonZero({ entry: { mfn, flags } }: { entry: { mfn: number; flags: number } }): boolean {
  return mfn !== 0 || flags !== 0;
}

function domain(scene: Scene): DomainId {
  return pick<DomainId>(scene.draw, ['self', 'own', 'io', 'xen', 'none']);
}

function listOptions(scene: Scene): ListOptions {
  const { draw } = scene;
  return {
    fd: oneIn(draw, 4) ? domain(scene) : 'self',
    badList: oneIn(draw, 25),
    ...(oneIn(draw, 10) ? { unreadable: draw.below(LIST_MAX) } : {}),
    ...(oneIn(draw, 10) ? { continued: draw.below(5) } : {}),
  };
}

function mmuUpdateList(scene: Scene): Hypercall {
  const items = Array.from({ length: scene.draw.below(LIST_MAX + 1) }, () =>
    oneIn(scene.draw, 12) ? machphys(scene) : mmuUpdate(scene),
  );
  const pfd = oneIn(scene.draw, 12) ? pick(scene.draw, ['own', 'none'] as const) : 'self';
  return { kind: 'mmu_update_list', options: listOptions(scene), pfd, items };
}

const MMUEXT_ITEMS = [
  pin,
  pin,
  unpin,
  newBase,
  newUserBase,
  clearPage,
  copyPage,
  setLdt,
  mmuextCommand,
] as const;

function mmuextList(scene: Scene): Hypercall {
  const items = Array.from({ length: scene.draw.below(LIST_MAX + 1) }, () =>
    pick(scene.draw, MMUEXT_ITEMS)(scene),
  );
  return { kind: 'mmuext_op_list', options: listOptions(scene), items };
}

const CALLS = [
  remap,
  remap,
  mmuUpdate,
  pin,
  unpin,
  setGdt,
  mmuUpdateList,
  mmuextList,
  updateDescriptor,
] as const;

function multicall(scene: Scene): Operation {
  return {
    kind: 'multicall',
    items: Array.from({ length: scene.draw.below(LIST_MAX) }, () => pick(scene.draw, CALLS)(scene)),
  };
}
