import { SLOTS } from '../../models/x86/entry.js';
import type { Level } from '../../models/x86/page-type.js';
import type { FinalFrame } from '../program/program.js';
import { printWords, readSlotEntry, SlotSet } from './entry.js';
import { frameName, readFrame, type Naming } from './naming.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

const COUNT_MAX = 0x7fffffff;
const LETTER_R = 0x72;
const LETTER_P = 0x70;

const TYPES = new Words<Level | 0>([
  ['none', 0],
  ['L1', 1],
  ['L2', 2],
  ['L3', 3],
  ['L4', 4],
]);

/** Reads final lines, each into the same object. */
export class FinalReader {
  private readonly slots = new SlotSet();
  private readonly frame: { -readonly [K in keyof FinalFrame]: FinalFrame[K] } = {
    mfn: 0,
    level: 0,
    pinned: false,
    references: undefined,
    count: 0,
    slots: new Int32Array(SLOTS),
    low: new Int32Array(SLOTS),
    high: new Int32Array(SLOTS),
  };

  /** Reads `FRAME TYPE [refs=N] [pinned] [k]=ENTRY…`, after the first word. The result holds until the next line is read. */
  read(s: LineScanner, naming: Naming): FinalFrame {
    const { frame } = this;
    s.field('a frame');
    frame.mfn = readFrame(s, naming);
    s.field('none or L1 to L4');
    frame.level = readType(s);
    frame.references = undefined;
    frame.pinned = false;
    frame.count = 0;
    let more = s.another();
    if (more && s.peek() === LETTER_R) {
      s.key('refs');
      frame.references = s.number('a number of references', COUNT_MAX);
      more = s.another();
    }
    if (more && s.peek() === LETTER_P && s.word('pinned')) {
      frame.pinned = true;
      more = s.another();
    }
    this.slots.clear();
    for (; more; more = s.another()) {
      const i = frame.count++;
      frame.slots[i] = readSlotEntry(s, naming, this.slots);
      frame.low[i] = s.low;
      frame.high[i] = s.high;
    }
    return frame;
  }
}

function readType(s: LineScanner): Level | 0 {
  const end = s.wordEnd();
  const level = TYPES.find(s.bytes, s.pos, end);
  if (level === undefined) {
    return s.fail(
      s.pos,
      `${end > s.pos ? `unknown type ${s.quoted(s.pos, end)}` : s.found()}, expected none or L1 to L4`,
    );
  }
  s.pos = end;
  return level;
}

/** A copy that holds for good, with arrays of just its entries. */
export function copyFinal(final: FinalFrame): FinalFrame {
  const { count } = final;
  return {
    ...final,
    slots: final.slots.slice(0, count),
    low: final.low.slice(0, count),
    high: final.high.slice(0, count),
  };
}

/** The final line of a frame. */
export function printFinal(final: FinalFrame, naming: Naming): string {
  let text = `final ${frameName(final.mfn, naming)} ${final.level === 0 ? 'none' : `L${final.level}`}`;
  if (final.references !== undefined) text += ` refs=${final.references}`;
  if (final.pinned) text += ' pinned';
  for (let i = 0; i < final.count; i++) {
    text += ` [${final.slots[i]}]=${printWords(final.low[i]!, final.high[i]!, naming)}`;
  }
  return text;
}
