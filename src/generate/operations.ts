/** Single operations. Each function draws one and writes it. */
import { entry, P, RW, US } from '../../models/x86/entry.js';
import { type Level, TYPE_L1 } from '../../models/x86/page-type.js';
import { BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN } from '../program/machine.js';
import { MMU_COMMANDS, MMUEXT_COMMANDS } from '../program/operation.js';
import {
  FD_IO,
  FD_NONE,
  FD_OWN,
  FD_SELF,
  FD_XEN,
  FLUSH_ALL,
  FLUSH_INVLPG,
  FLUSH_NONE,
  OP_FILL,
  OP_MMU_UPDATE_LIST,
  OP_MMUEXT_LIST,
  OP_MULTICALL,
  OP_SET_GDT,
  PART_ENTRY,
  PART_HIGH,
  PART_LOW,
  PFD_NONE,
  PFD_OWN,
  PFD_SELF,
} from '../program/record.js';
import { type Draw, lots, oneIn, pick } from './draw.js';
import { BOOT_TABLES, type Scene } from './scene.js';

const LIST_MAX = 4;

/** The operations that programs are made of, each with how often it is drawn. */
const OPERATIONS = lots<(scene: Scene) => void>([
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
  [8, accessLdt],
  [8, updateDescriptor],
  [6, writeCr3],
  [4, release],
  [4, receive],
  [4, decreaseReservation],
  [6, machphys],
  [4, mmuextCommand],
  [6, storeFrame],
  [4, fill],
  [18, mmuUpdateList],
  [18, mmuextList],
  [10, multicall],
]);

export function drawOperation(scene: Scene): void {
  const { draw, state, cpu, bootRoot, write } = scene;
  if (state.kernelBase(cpu) !== bootRoot && oneIn(draw, 8)) return write.newBaseptr(bootRoot);
  if (state.deferred(cpu) !== 0 && oneIn(draw, 2)) return whileATableWaits(scene);
  return pick(draw, OPERATIONS)(scene);
}

const NO_CLEANUP = [remap, store, setGdt] as const;

/** What does not clean up the table that MOV to CR3 has left waiting, and so meets it (rules 5.4). */
function whileATableWaits(scene: Scene): void {
  const { draw, state, cpu, write } = scene;
  if (oneIn(draw, 3)) return pick(draw, NO_CLEANUP)(scene);
  return write.writeCr3(oneIn(draw, 3) ? state.deferred(cpu) : root(scene));
}

const FLUSHES = [FLUSH_INVLPG, FLUSH_INVLPG, FLUSH_ALL, FLUSH_NONE] as const;

/** A frame's own window turned read-only or writable, or a second mapping made or dropped. */
function remap(scene: Scene): void {
  const { draw } = scene;
  const index = scene.window();
  const own = index < scene.machine.frames && !oneIn(draw, 5);
  const mfn = own ? FIRST_FRAME_MFN + index : scene.anyFrame();
  const writable = own ? wantsWritable(scene, mfn) : !scene.isTable(mfn) && oneIn(draw, 3);
  const mapping = !own && oneIn(draw, 3) ? entry(0, 0) : entry(mfn, P | US | (writable ? RW : 0));
  const flush = pick(draw, FLUSHES);
  const fd = oneIn(draw, 25) ? domain(draw) : FD_SELF;
  const badBitmap = oneIn(draw, fd === FD_SELF ? 40 : 3);
  scene.write.updateVa(scene.addressOf(index), mapping, flush, badBitmap, fd);
}

/** A data page, or a page to be written before it becomes a table, is writable; a table is not. */
function wantsWritable(scene: Scene, mfn: number): boolean {
  if (scene.isTable(mfn)) return oneIn(scene.draw, 6);
  return scene.role(mfn) === 0 ? !oneIn(scene.draw, 3) : oneIn(scene.draw, 4);
}

const HALVES = [PART_LOW, PART_HIGH] as const;

function part(draw: Draw): number {
  return oneIn(draw, 6) ? pick(draw, HALVES) : PART_ENTRY;
}

function store(scene: Scene): void {
  const { draw } = scene;
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame) || scene.type(frame) === TYPE_L1);
  if (!scene.isWritable(mfn) && scene.type(mfn) !== TYPE_L1 && !oneIn(draw, 4)) return mmuUpdate(scene);
  const index = oneIn(draw, 10) ? scene.window() : mfn - FIRST_FRAME_MFN;
  const level = scene.levelOf(mfn);
  const slot = scene.slot(level);
  const written = part(draw);
  scene.write.store(scene.addressOf(index, slot * 8), written, scene.entryFor(mfn, level, slot));
}

/** Whose entry is written: mostly any frame, at times one that is a table, seldom a boot table or none at all. */
function target(scene: Scene): number {
  const { draw } = scene;
  const which = draw.below(40);
  if (which === 0) return BAD_MFN[scene.machine.arch];
  if (which <= 2) return oneIn(draw, 3) ? scene.bootRoot : pick(draw, BOOT_TABLES);
  if (which <= 9) return scene.frameWhere((mfn) => scene.isTable(mfn));
  return which === 10 ? scene.anyFrame() : scene.frame();
}

function storeFrame(scene: Scene): void {
  const mfn = target(scene);
  const level = scene.levelOf(mfn);
  const slot = scene.slot(level);
  const value = scene.entryFor(mfn, level, slot);
  scene.write.storeFrame(mfn, slot, part(scene.draw), value);
}

function machphys(scene: Scene): void {
  const mfn = scene.anyFrame();
  scene.write.machphys(mfn, { low: scene.draw.below(16), high: 0 });
}

const { normal, preserve_ad, no_translate, cmd4, cmd7 } = MMU_COMMANDS;
const SELDOM_COMMANDS = [no_translate, cmd4, cmd7] as const;

function mmuUpdate(scene: Scene): void {
  const { draw } = scene;
  const command = oneIn(draw, 40) ? pick(draw, SELDOM_COMMANDS) : oneIn(draw, 3) ? preserve_ad : normal;
  const mfn = target(scene);
  const level = scene.levelOf(mfn);
  const slot = scene.slot(level);
  scene.write.mmuUpdate(command, mfn, slot, scene.entryFor(mfn, level, slot));
}

/** A frame that may become a table. */
function toPin(scene: Scene): number {
  return scene.frameWhere(
    (frame) => scene.role(frame) > 0 && !scene.isWritable(frame) && !scene.isPinned(frame),
  );
}

/** The level that the frame is meant for, seldom another. */
function levelToPin(scene: Scene, mfn: number): Level {
  return (oneIn(scene.draw, 10) ? 1 + scene.draw.below(4) : Math.max(1, scene.role(mfn))) as Level;
}

function pin(scene: Scene): void {
  const mfn = toPin(scene);
  scene.write.pin(levelToPin(scene, mfn), mfn);
}

/** Pins; where that would fail for a writable mapping or a slot's contents, mostly mends that first. */
function pinOrPrepare(scene: Scene): void {
  const mfn = toPin(scene);
  const level = levelToPin(scene, mfn);
  if (oneIn(scene.draw, 6)) return scene.write.pin(level, mfn);
  if (scene.isPinned(mfn) || scene.isWritable(mfn)) return remap(scene);
  const slot = scene.isTable(mfn) ? -1 : scene.firstBad(mfn, level);
  if (slot < 0) return scene.write.pin(level, mfn);
  return scene.write.normalUpdate(mfn, slot, scene.entryFor(mfn, level, slot));
}

/** A pinned frame, if there is one; seldom it is to become something else then. */
function toUnpin(scene: Scene): number {
  const mfn = scene.frameWhere((frame) => scene.isPinned(frame));
  if (oneIn(scene.draw, 3)) scene.changeRole(mfn);
  return mfn;
}

function unpin(scene: Scene): void {
  scene.write.unpin(toUnpin(scene));
}

function unpinOrPin(scene: Scene): void {
  const mfn = toUnpin(scene);
  if (scene.isPinned(mfn) || oneIn(scene.draw, 8)) scene.write.unpin(mfn);
  else pinOrPrepare(scene);
}

function root(scene: Scene): number {
  return scene.frameWhere((mfn) => scene.role(mfn) === scene.rootLevel && !scene.isWritable(mfn));
}

function newBase(scene: Scene): void {
  scene.write.newBaseptr(oneIn(scene.draw, 3) ? scene.bootRoot : root(scene));
}

function newUserBase(scene: Scene): void {
  scene.write.newUserBaseptr(oneIn(scene.draw, 4) ? 0 : root(scene));
}

function writeCr3(scene: Scene): void {
  scene.write.writeCr3(root(scene));
}

function clearPage(scene: Scene): void {
  scene.write.clearPage(scene.frame());
}

function copyPage(scene: Scene): void {
  const mfn = scene.frame();
  scene.write.copyPage(mfn, oneIn(scene.draw, 8) ? scene.anyFrame() : scene.frame());
}

function release(scene: Scene): void {
  scene.write.release(scene.frameWhere((mfn) => scene.state.generalCount(mfn) === 1));
}

function receive(scene: Scene): void {
  scene.write.receive(
    scene.frameWhere((mfn) => scene.state.generalCount(mfn) === 0),
    1,
  );
}

function decreaseReservation(scene: Scene): void {
  const pinned = oneIn(scene.draw, 2);
  scene.write.decreaseReservation(pinned ? scene.frameWhere((mfn) => scene.isPinned(mfn)) : scene.frame());
}

const GDT_ENTRIES = [0, 1, 8, 512, 513, 1024, 7169] as const;

function setGdt(scene: Scene): void {
  const { draw, write } = scene;
  const gdt = write.begin(OP_SET_GDT);
  const frames = 1 + draw.below(2);
  for (let i = 0; i < frames; i++) write.gdtFrame(scene.frameWhere((mfn) => !scene.isWritable(mfn)));
  write.entries(gdt, pick(draw, GDT_ENTRIES));
  write.end(gdt);
}

const LDT_ENTRIES = [0, 1, 512, 600, 1025, 8193] as const;

function setLdt(scene: Scene): void {
  const index = scene.window();
  const va = scene.addressOf(index, oneIn(scene.draw, 12) ? 8 : 0);
  scene.write.setLdt(va, pick(scene.draw, LDT_ENTRIES));
}

function accessLdt(scene: Scene): void {
  scene.write.accessLdt(scene.draw.below(3));
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

function updateDescriptor(scene: Scene): void {
  const { draw } = scene;
  const mfn = oneIn(draw, 10) ? scene.anyFrame() : scene.frame();
  const descriptor = { low: pick(draw, DESCRIPTOR_LOWS), high: pick(draw, DESCRIPTOR_HIGHS) };
  const slot = draw.below(4);
  scene.write.updateDescriptor(mfn, slot, descriptor, oneIn(draw, 20));
}

const MMUEXT_NUMBERS = Object.values(MMUEXT_COMMANDS);

function mmuextCommand(scene: Scene): void {
  const command = pick(scene.draw, MMUEXT_NUMBERS);
  scene.write.mmuext(command, oneIn(scene.draw, 3));
}

/** A writable page written all over by the guest. */
function fill(scene: Scene): void {
  const { draw, write } = scene;
  const mfn = scene.frameWhere((frame) => scene.isWritable(frame));
  const level = scene.role(mfn);
  const slots = new Set(Array.from({ length: draw.below(4) }, () => scene.slot(level)));
  const at = write.begin(OP_FILL, mfn);
  for (const slot of [...slots].sort((a, b) => a - b)) {
    const value = scene.entryFor(mfn, level, slot);
    if (value.mfn !== 0 || value.flags !== 0) write.fillEntry(slot, value);
  }
  write.end(at);
}

const DOMAINS = [FD_OWN, FD_IO, FD_IO, FD_XEN, FD_NONE] as const;

function domain(draw: Draw): number {
  return pick(draw, DOMAINS);
}

/** Ends the list at `at`, with whose it is and how it is passed. */
function endList({ draw, write }: Scene, at: number, fd: number, pfd: number): void {
  const badList = oneIn(draw, 25);
  const unreadable = oneIn(draw, 10) ? draw.below(LIST_MAX) : -1;
  const continued = oneIn(draw, 10) ? draw.below(5) : -1;
  write.listOptions(at, fd, pfd, badList, unreadable, continued);
  write.end(at);
}

function listDomain(draw: Draw): number {
  return oneIn(draw, 4) ? domain(draw) : FD_SELF;
}

/** What may only be the caller's own (rules 3.2): an entry of a table above L1. */
function updateUpper(scene: Scene): void {
  const { draw, write } = scene;
  const table = oneIn(draw, 2)
    ? BOOT_MFN.B2
    : scene.tableOf(2 + draw.below(scene.rootLevel - 1)) || scene.bootRoot;
  const slot = scene.lowSlot();
  write.mmuUpdate(
    normal,
    table,
    slot,
    oneIn(draw, 2) ? entry(0, 0) : scene.entryFor(table, scene.levelOf(table), slot),
  );
}

function mmuUpdateList(scene: Scene): void {
  const { draw, write } = scene;
  const list = write.begin(OP_MMU_UPDATE_LIST);
  const fd = listDomain(draw);
  const items = draw.below(LIST_MAX + 1);
  for (let i = 0; i < items; i++) {
    if (oneIn(draw, 12)) machphys(scene);
    else if (fd !== FD_SELF && oneIn(draw, 2)) updateUpper(scene);
    else mmuUpdate(scene);
  }
  const isAnother = oneIn(draw, 12);
  endList(scene, list, fd, isAnother ? (oneIn(draw, 2) ? PFD_OWN : PFD_NONE) : PFD_SELF);
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

function mmuextList(scene: Scene): void {
  const { draw, write } = scene;
  const list = write.begin(OP_MMUEXT_LIST);
  const fd = listDomain(draw);
  const items = draw.below(LIST_MAX + 1);
  for (let i = 0; i < items; i++) pick(draw, MMUEXT_ITEMS)(scene);
  endList(scene, list, fd, PFD_SELF);
}

function iretUser(scene: Scene): void {
  if (scene.machine.arch === 'x86_64') scene.write.iretUser();
  else unpin(scene);
}

const CALLS = [
  iretUser,
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

function multicall(scene: Scene): void {
  const { draw, write } = scene;
  const at = write.begin(OP_MULTICALL);
  const items = draw.below(LIST_MAX);
  for (let i = 0; i < items; i++) pick(draw, CALLS)(scene);
  write.end(at);
}
