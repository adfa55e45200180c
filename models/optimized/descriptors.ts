/** Segment descriptors, the GDT and the LDT. A descriptor's low word is Xen's `a`, its high word `b`. */
import { P, SLOTS } from '../x86/entry.js';
import { INFO_TYPE, INFO_VALIDATED, TYPE_SEG_DESC } from '../x86/page-type.js';
import { EFAULT, EINVAL, OK } from '../x86/result.js';
import { frameOf } from './frame-number.js';
import type { State } from './state.js';
import { GDT_FRAMES, LDT_PAGES } from './vcpu.js';
import { inXenHole, l1SlotOf, walk, walkWindow } from './walk.js';

const PRESENT = 1 << 15;
const DPL_SHIFT = 13;
const CODE_OR_DATA = 1 << 12;
const TYPE_SHIFT = 8;
const CALL_GATE = 0xc;
const GRANULARITY = 1 << 23;
const LONG = 1 << 21;
const MAX_LIMIT_HIGH = 0xf0000;
const TABLE_INDICATOR = 4;
const FLAT_KERNEL_CS = 0xe033;
const FLAT_COMPAT_KERNEL_CS = 0xe019;
/** Descriptors of a page, and those a guest's GDT may have. */
const DESCRIPTORS = 512;
const GUEST_GDT_ENTRIES = GDT_FRAMES * DESCRIPTORS;
const LDT_ENTRIES_MAX = LDT_PAGES * DESCRIPTORS;

/** The descriptor last accepted, as Xen changed it. */
let fixedA = 0;
let fixedB = 0;

/** pv/descriptor-tables.c: check_descriptor (rules 2.9). */
function checkDescriptor(s: State, a: number, b: number): boolean {
  fixedA = a;
  fixedB = b;
  if ((b & PRESENT) === 0) return true;
  const dpl = Math.max((b >> DPL_SHIFT) & 3, s.compat ? 1 : 3);
  if ((b & CODE_OR_DATA) !== 0) {
    fixedB = (b & ~(3 << DPL_SHIFT)) | (dpl << DPL_SHIFT);
    return !s.compat || checkCompatSegment(s, a, b);
  }
  const type = (b >> TYPE_SHIFT) & 0xf;
  if (type !== CALL_GATE) return type === 0; // type 0, the second half of a call gate, stays as it is
  const selector = a >>> 16;
  const flat = s.compat ? FLAT_COMPAT_KERNEL_CS : FLAT_KERNEL_CS;
  if (selector >> 3 >= GUEST_GDT_ENTRIES && selector !== flat && (selector & TABLE_INDICATOR) === 0)
    return false;
  fixedA = (a & 0xffff) | (((selector & ~3) | dpl) << 16);
  fixedB = b & ~(3 << DPL_SHIFT);
  return (b & (s.compat ? 0xe0 : 0xff)) === 0;
}

/** A flat segment of a 32-bit guest that ends above Xen's area is given its full length. */
function checkCompatSegment(s: State, a: number, b: number): boolean {
  if ((b & LONG) !== 0) return false;
  const base = (b & 0xff000000) | ((b & 0xff) << 16) | (a >>> 16);
  let limit = ((b & MAX_LIMIT_HIGH) | (a & 0xffff)) + 1;
  if ((b & GRANULARITY) !== 0) limit *= 4096;
  if (base === 0 && limit > compatXenStart(s)) {
    fixedA |= 0xffff;
    fixedB |= MAX_LIMIT_HIGH;
  }
  return true;
}

/** First address of Xen's area in a 32-bit guest: 0xF5800000 unless the machine's first slot of Xen's says otherwise. */
function compatXenStart(s: State): number {
  return (0x600 + s.paeXenSlot) * 0x200000;
}

/** pv/descriptor-tables.c: validate_segdesc_page (rules 2.6). */
export function validateDescriptors(s: State, mfn: number): number {
  for (let slot = s.next(mfn, 0); slot < SLOTS; slot = s.next(mfn, slot + 1)) {
    if (!checkDescriptor(s, s.low(mfn, slot), s.high(mfn, slot))) return EINVAL;
    s.setEntry(mfn, slot, fixedA, fixedB);
  }
  return OK;
}

/** A frame of the guest's as a page of descriptors, with both references (rules 1.4). */
function getDescriptorPage(s: State, mfn: number): boolean {
  if (!s.owned(mfn)) {
    s.notFound(mfn);
    return false;
  }
  const info = s.info(mfn);
  const held = (info & INFO_TYPE) === TYPE_SEG_DESC && (info & INFO_VALIDATED) !== 0;
  if (s.typeCount(mfn) !== 0 && !held) return false;
  s.touch(mfn);
  if (!held) {
    if ((info & INFO_TYPE) !== TYPE_SEG_DESC && !s.bug('flush-condition-new-type')) s.flushAll();
    s.setInfo(mfn, (info & ~(INFO_TYPE | INFO_VALIDATED)) | TYPE_SEG_DESC);
    if (validateDescriptors(s, mfn) !== OK) {
      s.setInfo(mfn, s.info(mfn) & ~INFO_TYPE);
      return false;
    }
    s.setInfo(mfn, s.info(mfn) | INFO_VALIDATED);
  }
  s.addTypes(mfn, 1);
  s.getPage(mfn);
  return true;
}

function putDescriptorPage(s: State, mfn: number): void {
  s.addTypes(mfn, -1);
  s.putPage(mfn);
}

/** pv/descriptor-tables.c: do_set_gdt, pv_set_gdt (rules 3.9). `frames` are `listed` records from `at` on. */
export function setGdt(s: State, frames: Int32Array, listed: number, entries: number): number {
  if (entries > GUEST_GDT_ENTRIES || entries < 0) return EINVAL;
  const count = Math.ceil(entries / DESCRIPTORS);
  if (count > listed) return EFAULT;
  for (let i = 0; i < count; i++) {
    if (getDescriptorPage(s, s.named(frames[i]!))) continue;
    while (--i >= 0) putDescriptorPage(s, frames[i]!);
    return EINVAL;
  }
  dropGdt(s);
  for (let i = 0; i < count; i++) s.v.gdt[i] = frames[i]!;
  s.v.gdtCount = count;
  return OK;
}

/** pv/descriptor-tables.c: pv_destroy_gdt. */
export function dropGdt(s: State): void {
  for (let i = 0; i < s.v.gdtCount; i++) putDescriptorPage(s, s.v.gdt[i]!);
  s.v.gdtCount = 0;
}

/** pv/descriptor-tables.c: do_update_descriptor (rules 3.9). */
export function updateDescriptor(
  s: State,
  mfn: number,
  slot: number,
  a: number,
  b: number,
  misaligned: boolean,
): number {
  if (misaligned || !checkDescriptor(s, a, b) || !s.owned(mfn)) return EINVAL;
  const type = s.info(mfn) & INFO_TYPE;
  if (type === TYPE_SEG_DESC ? !getHeldDescriptorPage(s, mfn) : !s.getWritable(mfn)) return EINVAL;
  s.setEntry(mfn, slot, fixedA, fixedB);
  s.addTypes(mfn, -1);
  return OK;
}

function getHeldDescriptorPage(s: State, mfn: number): boolean {
  s.touch(mfn);
  s.addTypes(mfn, 1);
  return true;
}

/** mm.c: MMUEXT_SET_LDT (rules 3.8). */
export function setLdt(s: State, low: number, high: number, entries: number): number {
  if (entries < 0 || entries > LDT_ENTRIES_MAX) return EINVAL;
  if (entries !== 0 && ((low & 0xfff) !== 0 || inXenHole(s, high))) return EINVAL;
  const ldtLow = entries === 0 ? 0 : low;
  const ldtHigh = entries === 0 ? 0 : high;
  if (s.v.ldtEntries === entries && s.v.ldtLow === ldtLow && s.v.ldtHigh === ldtHigh) return OK;
  dropLdt(s);
  s.v.ldtEntries = entries;
  s.v.ldtLow = ldtLow;
  s.v.ldtHigh = ldtHigh;
  return OK;
}

/** pv/descriptor-tables.c: pv_destroy_ldt. The processor's pages of the LDT are let go. */
export function dropLdt(s: State): void {
  if (s.v.ldtMapped === 0) return;
  for (let page = 0; page < LDT_PAGES; page++) {
    if (s.v.ldt[page] !== 0) putDescriptorPage(s, s.v.ldt[page]!);
    s.v.ldt[page] = 0;
  }
  s.v.ldtMapped = 0;
}

/** pv/mm.c: pv_map_ldt_shadow_page (rules 3.10). False where the guest gets its fault. */
export function accessLdt(s: State, page: number): boolean {
  if (page < 0) return false;
  if (page * DESCRIPTORS >= s.v.ldtEntries && !(s.compat && s.bug('ldt-beyond-limit'))) return false;
  if (s.v.ldt[page] !== 0) return true;
  const low = s.v.ldtLow + page * 4096;
  if (!findsLdt(s, low | 0, s.v.ldtHigh + carry(s.v.ldtLow, low))) return false;
  const entry = s.low(s.walkTable, l1SlotOf(low));
  if ((entry & P) === 0) return false;
  const mfn = frameOf(entry, s.high(s.walkTable, l1SlotOf(low)));
  if (!getDescriptorPage(s, mfn)) return false;
  s.v.ldt[page] = mfn;
  s.v.ldtMapped++;
  return true;
}

/** The LDT is where the kernel's tables say, whatever is loaded. */
function findsLdt(s: State, low: number, high: number): boolean {
  if (!s.fromUser || s.compat || !s.bug('ldt-via-user-root')) return walkWindow(s, low, high);
  const kernel = s.v.kernelBase;
  s.setKernelBase(s.v.userBase);
  const found = walk(s, low, high);
  const table = s.walkTable;
  s.setKernelBase(kernel);
  s.walkTable = table;
  return found;
}

/** Whether an address's low half passed its end. */
function carry(low: number, sum: number): number {
  return low < 0 && sum >= 0 ? 1 : 0;
}
