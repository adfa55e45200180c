/** The operands of all operations; which operation has which is in `operations.ts`. */
import { MAX_VCPUS } from '../program/machine.js';
import type { Word64 } from '../program/operation.js';
import { MMUEXT_COMMANDS } from '../program/operation.js';
import {
  itemsAt,
  OP_FILL_ENTRY,
  OP_GDT_FRAME,
  OP_STORE,
  OP_STORE_FRAME,
  RECORD,
  span,
  W_COUNT,
  W_FRAME,
  W_HIGH,
  W_LOW,
  W_OPCODE,
  W_SLOT,
  VARIANT_MASK,
  VARIANT_SHIFT,
} from '../program/record.js';
import { anyOf } from './error.js';
import { printWords, readEntry, readSlot, readSlotEntry, SlotSet } from './entry.js';
import { atWindow, FRAME_MAX, frameName, readFrame, readWindow, windowOf, type Naming } from './naming.js';
import type { Operand } from './operand.js';
import type { RecordBuffer } from './record-buffer.js';
import type { LineScanner } from './scanner.js';
import { atResult } from './result.js';
import { Words } from './words.js';

/** Largest number of descriptors or frames that a record holds. */
export const COUNT_MAX = 0x7fffffff;
const LDT_PAGES = 16;
const PAGE_SIZE = 4096;
const BRACKET_OPEN = 0x5b;
const PLUS = 0x2b;
const LETTER_E = 0x65;

export const FRAME: Operand = {
  what: 'a frame',
  read: (s, records, at, naming) => {
    records.code[at + W_FRAME] = readFrame(s, naming);
  },
  print: (code, at, naming) => frameName(code[at + W_FRAME]! >>> 0, naming),
};

/** Source of copy_page. */
export const SOURCE: Operand = {
  what: 'the source frame',
  read: (s, records, at, naming) => {
    records.code[at + W_LOW] = readFrame(s, naming);
  },
  print: (code, at, naming) => frameName(code[at + W_LOW]! >>> 0, naming),
};

/** `F1[3]`. */
export const FRAME_SLOT: Operand = {
  what: 'a frame and slot as F1[3]',
  read: (s, records, at, naming) => {
    records.code[at + W_FRAME] = readFrame(s, naming);
    records.code[at + W_SLOT] = readSlot(s);
  },
  print: (code, at, naming) => `${frameName(code[at + W_FRAME]! >>> 0, naming)}[${code[at + W_SLOT]}]`,
};

export const ENTRY: Operand = {
  what: 'an entry',
  read: (s, records, at, naming) => {
    readEntry(s, naming);
    records.code[at + W_LOW] = s.low;
    records.code[at + W_HIGH] = s.high;
  },
  print: (code, at, naming) => printWords(code[at + W_LOW]!, code[at + W_HIGH]!, naming),
};

/** `W1`, or an address as a number. */
export const ADDRESS: Operand = {
  what: 'a window or virtual address',
  read: (s, records, at, naming) => {
    if (atWindow(s)) readWindow(s, naming);
    else readAddress(s, naming);
    records.code[at + W_FRAME] = s.low;
    records.code[at + W_SLOT] = s.high;
  },
  print: (code, at, naming) => {
    const va = addressAt(code, at);
    const window = windowOf(va, naming);
    return window >= 0 && va.low % PAGE_SIZE === 0 ? `W${window}` : hex64(va);
  },
};

/** `W2[3]`, or the entry's virtual address as a number. */
export const ENTRY_ADDRESS: Operand = {
  what: 'a window and slot as W2[3]',
  read: (s, records, at, naming) => {
    const { code } = records;
    if (atWindow(s)) {
      readWindow(s, naming);
      code[at + W_FRAME] = s.low + readSlot(s) * 8;
      code[at + W_SLOT] = s.high;
    } else if (atFrameSlot(s)) {
      s.fail(s.pos, `${s.quoted(s.pos)} names a frame, expected an entry's address as W2[3] or 0x1a2b008`);
    } else {
      const start = s.pos;
      readAddress(s, naming);
      if (s.low % 8 !== 0)
        s.fail(start, `${s.quoted(start)} is not the address of an entry, expected a multiple of 8`);
      code[at + W_FRAME] = s.low;
      code[at + W_SLOT] = s.high;
    }
  },
  print: (code, at, naming) => {
    const va = addressAt(code, at);
    const window = windowOf(va, naming);
    return window >= 0 ? `W${window}[${(va.low & (PAGE_SIZE - 1)) >> 3}]` : hex64(va);
  },
};

/** `W2[3]`, `0x1a2b[3]` (a frame that is mapped somewhere), or the entry's virtual address as a number. */
export const STORE_TARGET: Operand = {
  what: ENTRY_ADDRESS.what,
  read: (s, records, at, naming) => {
    if (atWindow(s) || !atFrameSlot(s)) return ENTRY_ADDRESS.read(s, records, at, naming);
    FRAME_SLOT.read(s, records, at, naming);
    records.code[at + W_OPCODE]! += OP_STORE_FRAME - OP_STORE;
  },
  print: (code, at, naming) =>
    ((code[at + W_OPCODE]! & 0xff) === OP_STORE_FRAME ? FRAME_SLOT : ENTRY_ADDRESS).print(code, at, naming),
};

/** Whether a bracket follows the word that stands here. */
function atFrameSlot(s: LineScanner): boolean {
  const end = s.wordEnd();
  return end < s.end && s.bytes[end] === BRACKET_OPEN;
}

function readAddress(s: LineScanner, naming: Naming): void {
  const at = s.pos;
  s.number64('a virtual address');
  if (naming.arch === 'x86_32' && s.high !== 0)
    s.fail(at, `${s.quoted(at)} is too large, expected a virtual address of 32 bits`);
}

function addressAt(code: Int32Array, at: number): Word64 {
  return { low: code[at + W_FRAME]!, high: code[at + W_SLOT]! };
}

function hex64({ low, high }: Word64): string {
  if (high === 0) return `0x${(low >>> 0).toString(16)}`;
  return `0x${(high >>> 0).toString(16)}${(low >>> 0).toString(16).padStart(8, '0')}`;
}

/** A number of 64 bits in decimal: what the M2P is updated to. */
export const M2P_VALUE: Operand = {
  what: 'a pseudo-physical frame number',
  read: (s, records, at) => readValue(s, records, at, 'a number'),
  print: (code, at) => String((BigInt(code[at + W_HIGH]! >>> 0) << 32n) | BigInt(code[at + W_LOW]! >>> 0)),
};

/** A number of 64 bits in hexadecimal. */
export const DESCRIPTOR: Operand = {
  what: 'a descriptor as 0x00cf9b000000ffff',
  read: (s, records, at) => readValue(s, records, at, 'a descriptor'),
  print: (code, at) => hex64({ low: code[at + W_LOW]!, high: code[at + W_HIGH]! }),
};

function readValue(s: LineScanner, records: RecordBuffer, at: number, what: string): void {
  s.number64(what);
  records.code[at + W_LOW] = s.low;
  records.code[at + W_HIGH] = s.high;
}

/** `L1` .. `L4` of pin; the level is the opcode's variant. */
export const LEVEL: Operand = {
  what: 'L1, L2, L3 or L4',
  read: (s, records, at) => {
    records.code[at + W_OPCODE]! |= readLevel(s, 4) << 8;
  },
  print: (code, at) => `L${(code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK}`,
};

const LEVELS = new Words([1, 2, 3, 4].map((level) => [`L${level}`, level]));

/** Reads `L1` .. the top level. */
export function readLevel(s: LineScanner, top: number): number {
  const end = s.wordEnd();
  const level = LEVELS.find(s.bytes, s.pos, end);
  if (level === undefined || level > top) {
    s.fail(
      s.pos,
      `${end > s.pos ? `unknown level ${s.quoted(s.pos, end)}` : s.found()}, expected L1 to L${top}`,
    );
  }
  s.pos = end;
  return level;
}

const COMMANDS = new Words(Object.entries(MMUEXT_COMMANDS));
const COMMAND_NAMES = new Map(
  Object.entries(MMUEXT_COMMANDS).map(([name, number]) => [number as number, name]),
);

/** Name of an mmuext_op command that touches no frame; its number is the opcode's variant. */
export const COMMAND: Operand = {
  what: 'a command',
  read: (s, records, at) => {
    const end = s.wordEnd();
    const command = COMMANDS.find(s.bytes, s.pos, end);
    if (command === undefined)
      return s.fail(s.pos, `unknown command ${s.quoted(s.pos)}, expected ${anyOf(COMMANDS.names)}`);
    records.code[at + W_OPCODE]! |= command << 8;
    s.pos = end;
  },
  print: (code, at) => COMMAND_NAMES.get((code[at + W_OPCODE]! >> VARIANT_SHIFT) & VARIANT_MASK) as string,
};

/** `entries=N`. */
export const ENTRIES: Operand = {
  what: 'entries=',
  read: (s, records, at) => {
    s.key('entries');
    records.code[at + W_COUNT] = s.number('a number of descriptors', COUNT_MAX);
  },
  print: (code, at) => `entries=${code[at + W_COUNT]}`,
};

/** The frames of a GDT, none or more, and `entries=N`. */
export const GDT: Operand = {
  what: 'frames and entries=',
  read: (s, records, at, naming) => {
    while (s.peek() !== LETTER_E) {
      if (atResult(s)) s.fail(s.pos, 'unexpected "->", expected a frame or entries=');
      const item = records.add(OP_GDT_FRAME);
      FRAME.read(s, records, item, naming);
      s.field(ENTRIES.what);
    }
    ENTRIES.read(s, records, at, naming);
    records.close(at);
  },
  print: (code, at, naming) =>
    [
      ...itemsAt(code, at).map((item) => FRAME.print(code, item, naming)),
      ENTRIES.print(code, at, naming),
    ].join(' '),
};

const filled = new SlotSet();

/** The frame of a fill and its entries. */
export const FILLED_FRAME: Operand = {
  what: 'a frame',
  read: (s, records, at, naming) => {
    FRAME.read(s, records, at, naming);
    filled.clear();
    while (s.another() && !atResult(s)) {
      const slot = readSlotEntry(s, naming, filled);
      const item = records.add(OP_FILL_ENTRY);
      records.code[item + W_SLOT] = slot;
      records.code[item + W_LOW] = s.low;
      records.code[item + W_HIGH] = s.high;
    }
    records.close(at);
  },
  print: (code, at, naming) => {
    let text = FRAME.print(code, at, naming);
    const end = at + span(code, at) * RECORD;
    for (let item = at + RECORD; item < end; item += RECORD) {
      text += ` [${code[item + W_SLOT]}]=${ENTRY.print(code, item, naming)}`;
    }
    return text;
  },
};

/** A page of the LDT. */
export const LDT_PAGE: Operand = {
  what: 'a page of the LDT',
  read: (s, records, at) => {
    records.code[at + W_FRAME] = s.number('a page', LDT_PAGES - 1);
  },
  print: (code, at) => String(code[at + W_FRAME]),
};

/** The vCPU that is initialised: one that the machine has. */
export const VCPU: Operand = {
  what: 'a vCPU',
  read: (s, records, at, naming) => {
    records.code[at + W_COUNT] = s.number('a vCPU of the machine', naming.vcpus - 1);
  },
  print: (code, at) => String(code[at + W_COUNT]),
};

/** The vCPU that is reset: any number that a vCPU can have, as Xen answers for those that do not exist (rules 16.7). */
export const ANY_VCPU: Operand = {
  what: 'a vCPU',
  read: (s, records, at) => {
    records.code[at + W_COUNT] = s.number('a vCPU', MAX_VCPUS - 1);
  },
  print: VCPU.print,
};

/** A frame, or a run of them as `0xS+0xN`. */
export const FRAME_RUN: Operand = {
  what: 'frames as 0x1a2b+0x10',
  read: (s, records, at, naming) => {
    const start = s.pos;
    const mfn = readFrame(s, naming);
    const count = s.take(PLUS) ? s.number('a number of frames', COUNT_MAX, 1) : 1;
    if (mfn + count - 1 > FRAME_MAX)
      s.fail(start, `${s.quoted(start)} goes too far, expected frames up to 0x${FRAME_MAX.toString(16)}`);
    records.code[at + W_FRAME] = mfn;
    records.code[at + W_COUNT] = count;
  },
  print: (code, at, naming) => {
    const name = FRAME.print(code, at, naming);
    const count = code[at + W_COUNT]!;
    return count === 1 && !name.startsWith('0x')
      ? name
      : `0x${(code[at + W_FRAME]! >>> 0).toString(16)}+0x${count.toString(16)}`;
  },
};
