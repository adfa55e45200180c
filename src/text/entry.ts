import { flagsOf, highWord, lowWord, MFN_MAX, mfnOf, SLOTS, type Entry } from '../../models/x86/entry.js';
import { frameName, readFrame, type Naming } from './naming.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

const BAR = 0x7c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const EQUALS = 0x3d;

/** Flag names in the order of the entry's bits: bits 0..11, then 52..63. */
export const FLAG_NAMES: readonly string[] = [
  ...'P RW US PWT PCD A D PSE G AVL9 AVL10 AVL11'.split(' '),
  ...'B52 B53 B54 B55 B56 B57 B58 B59 B60 B61 B62 NX'.split(' '),
];
const FLAGS = new Words(FLAG_NAMES.map((name, bit) => [name, 1 << bit]));
/** `|P|RW` by flags; there are few combinations in use. */
const flagTexts = new Map<number, string>();
const FLAG_TEXTS_KEPT = 4096;

/** Reads `FRAME|FLAG|FLAG…` or `0`; the entry's words go to the scanner's `low` and `high`. */
export function readEntry(s: LineScanner, naming: Naming): void {
  const mfn = readFrame(s, naming, MFN_MAX);
  let flags = 0;
  while (s.take(BAR)) flags |= readFlag(s, flags);
  s.low = lowWord(mfn, flags);
  s.high = highWord(mfn, flags);
}

function readFlag(s: LineScanner, before: number): number {
  const at = s.pos;
  const end = s.wordEnd();
  const flag = FLAGS.find(s.bytes, at, end);
  if (flag === undefined) {
    const wrong = end > at ? `unknown flag ${s.quoted(at, end)}` : 'missing flag';
    return s.fail(
      at,
      `${wrong}, expected P, RW, US, PWT, PCD, A, D, PSE, G, AVL9 to AVL11, B52 to B62 or NX`,
    );
  }
  if (before & flag) s.fail(at, `flag ${s.quoted(at, end)} given twice, expected it once`);
  s.pos = end;
  return flag;
}

/** Reads `[k]` and gives k, 0 .. 511. */
export function readSlot(s: LineScanner): number {
  if (!s.take(BRACKET_OPEN)) s.fail(s.pos, `${s.found()}, expected a slot as [3]`);
  const slot = s.number('a slot', SLOTS - 1);
  if (!s.take(BRACKET_CLOSE)) s.fail(s.pos, `${s.found()}, expected ]`);
  return slot;
}

/** Which slots a line has named. */
export class SlotSet {
  /** By slot, the generation that it was added in. */
  private readonly added = new Float64Array(SLOTS);
  private generation = 0;

  clear(): void {
    this.generation++;
  }

  /** False if the slot was there already. */
  add(slot: number): boolean {
    if (this.added[slot] === this.generation) return false;
    this.added[slot] = this.generation;
    return true;
  }
}

/** Reads `[k]=ENTRY` of a line whose slots so far are `slots`; gives k, and the entry in the scanner's `low` and `high`. */
export function readSlotEntry(s: LineScanner, naming: Naming, slots: SlotSet): number {
  const at = s.pos;
  const slot = readSlot(s);
  if (!slots.add(slot)) s.fail(at, `slot ${slot} given twice, expected it once`);
  if (!s.take(EQUALS)) s.fail(s.pos, `${s.found()}, expected = and an entry`);
  readEntry(s, naming);
  return slot;
}

/** The entry with these words as text. */
export function printWords(low: number, high: number, naming: Naming): string {
  const mfn = mfnOf(low, high);
  const flags = flagText(flagsOf(low, high));
  return mfn === 0 ? `0${flags}` : frameName(mfn, naming) + flags;
}

/** The entry as text, as `F2|P|RW|US`; `0` is the all-zero entry. */
export function printEntry(entry: Entry, naming: Naming): string {
  return printWords(lowWord(entry.mfn, entry.flags), highWord(entry.mfn, entry.flags), naming);
}

function flagText(flags: number): string {
  let text = flagTexts.get(flags);
  if (text === undefined) {
    text = FLAG_NAMES.map((name, bit) => (flags & (1 << bit) ? `|${name}` : '')).join('');
    if (flagTexts.size < FLAG_TEXTS_KEPT) flagTexts.set(flags, text);
  }
  return text;
}
