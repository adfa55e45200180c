import { BAD_MFN, BOOT_MFN, FIRST_FRAME_MFN, WINDOW_0, type Arch } from '../program/machine.js';
import type { Word64 } from '../program/operation.js';
import { anyOf } from './error.js';
import type { LineScanner } from './scanner.js';

/** What the names of frames depend on. Every Machine is one; `frames` 0 (a start state spelled out) has no names. */
export interface Naming {
  readonly arch: Arch;
  readonly frames: number;
}

/** What the fields of an operation depend on. Every Machine is one. */
export interface OperationNaming extends Naming {
  readonly vcpus: number;
}

/** Largest frame number outside of entries. */
export const FRAME_MAX = 0xffffffff;
const WINDOWS = 512;
const PAGE_SHIFT = 12;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_F = 0x46;
const LETTER_W = 0x57;
const LETTER_X = 0x78;

type BootName = keyof typeof BOOT_MFN;
const BOOT_NAMES: Record<Arch, readonly BootName[]> = {
  x86_64: ['B1', 'B2', 'B3', 'B4'],
  x86_32: ['B1', 'B2', 'B3', 'K0', 'K2', 'K3'],
};
/** Names other than `F0`.. by frame number. */
const NAME_OF: Record<Arch, ReadonlyMap<number, string>> = {
  x86_64: namesOf('x86_64'),
  x86_32: namesOf('x86_32'),
};
const MFN_OF: Record<Arch, ReadonlyMap<string, number>> = {
  x86_64: mfnsOf('x86_64'),
  x86_32: mfnsOf('x86_32'),
};

function namesOf(arch: Arch): ReadonlyMap<number, string> {
  return new Map([
    ...BOOT_NAMES[arch].map((name) => [BOOT_MFN[name], name] as const),
    [BAD_MFN[arch], 'BAD'] as const,
  ]);
}

function mfnsOf(arch: Arch): ReadonlyMap<string, number> {
  return new Map([...namesOf(arch)].map(([mfn, name]) => [name, mfn]));
}

/** The frame's name in the standard layout (`F0`, `B1`, `K0`, `BAD`), otherwise its number as `0x1a2b`. */
export function frameName(mfn: number, naming: Naming): string {
  if (naming.frames > 0) {
    if (mfn >= FIRST_FRAME_MFN && mfn < FIRST_FRAME_MFN + naming.frames) return `F${mfn - FIRST_FRAME_MFN}`;
    const name = NAME_OF[naming.arch].get(mfn);
    if (name !== undefined) return name;
  }
  return `0x${mfn.toString(16)}`;
}

/** Whether the text has a name for the frame: all have one but, in the standard layout, some tables and what is Xen's. */
export function hasName(mfn: number, naming: Naming): boolean {
  return mfn === 0 || naming.frames === 0 || !frameName(mfn, naming).startsWith('0x');
}

/** Reads a frame, by name or number (`0x1a2b`, `0`), up to `most`. */
export function readFrame(s: LineScanner, naming: Naming, most = FRAME_MAX): number {
  const first = s.peek();
  if (first === DIGIT_0) return readFrameNumber(s, naming, most);
  if (first === LETTER_F && naming.frames > 0) {
    const at = s.pos++;
    const index = readIndex(s);
    if (index >= 0 && index < naming.frames) return FIRST_FRAME_MFN + index;
    s.pos = at;
  }
  return readOtherName(s, naming);
}

function readFrameNumber(s: LineScanner, naming: Naming, most: number): number {
  const next = s.pos + 1 < s.end ? s.bytes[s.pos + 1] : -1;
  if (next !== LETTER_X && s.wordEnd() !== s.pos + 1) return unknownFrame(s, naming);
  return s.number('a frame number', most);
}

function readOtherName(s: LineScanner, naming: Naming): number {
  const end = s.wordEnd();
  const mfn = naming.frames > 0 ? MFN_OF[naming.arch].get(s.text(s.pos, end)) : undefined;
  if (mfn === undefined) return unknownFrame(s, naming);
  s.pos = end;
  return mfn;
}

function unknownFrame(s: LineScanner, naming: Naming): never {
  const end = s.wordEnd();
  const wrong = end > s.pos ? `unknown frame ${s.quoted(s.pos, end)}` : s.found();
  return s.fail(s.pos, `${wrong}, expected ${frameNames(naming)}`);
}

function frameNames({ arch, frames }: Naming): string {
  if (frames === 0) return 'a frame number as 0x1a2b (names need a machine with frames=)';
  return anyOf([frames === 1 ? 'F0' : `F0 to F${frames - 1}`, ...BOOT_NAMES[arch], 'BAD', '0x1a2b']);
}

/** Decimal number that ends a word, without leading zeros; -1 if it is none. */
function readIndex(s: LineScanner): number {
  const start = s.pos;
  let value = 0;
  for (; s.pos < s.end; s.pos++) {
    const byte = s.bytes[s.pos] as number;
    if (byte < DIGIT_0 || byte > DIGIT_9) break;
    value = value * 10 + byte - DIGIT_0;
  }
  const digits = s.pos - start;
  if (digits === 0 || digits > 3 || (digits > 1 && s.bytes[start] === DIGIT_0)) return -1;
  return s.wordEnd() === s.pos ? value : -1;
}

/** Window `Wi` if the virtual address lies in its page, else -1. */
export function windowOf(va: Word64, naming: Naming): number {
  const base = WINDOW_0[naming.arch];
  if (naming.frames === 0 || va.high !== base.high) return -1;
  const index = (va.low - base.low) >> PAGE_SHIFT;
  return index >= 0 && index < WINDOWS ? index : -1;
}

/** Whether a window's name stands here: no other operand begins with a `W`. */
export function atWindow(s: LineScanner): boolean {
  return s.peek() === LETTER_W;
}

/** Reads `Wi`; the page's address goes to the scanner's `low` and `high`. */
export function readWindow(s: LineScanner, naming: Naming): void {
  const at = s.pos++;
  const index = readIndex(s);
  if (naming.frames === 0) {
    s.fail(
      at,
      `unknown window ${s.quoted(at, s.wordEnd(at))}, expected an address as 0x1a2b000 (windows need a machine with frames=)`,
    );
  }
  if (index < 0 || index >= WINDOWS)
    s.fail(at, `unknown window ${s.quoted(at, s.wordEnd(at))}, expected W0 to W${WINDOWS - 1}`);
  const base = WINDOW_0[naming.arch];
  s.low = base.low + (index << PAGE_SHIFT);
  s.high = base.high;
}
