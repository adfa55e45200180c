/** The options of operations and lists; which has which is in `operations.ts`. */
import {
  CONTEND_MASK,
  CONTEND_SHIFT,
  OPT_BAD,
  OPT_DONE_SHIFT,
  OPT_FD,
  OPT_FLUSH_SHIFT,
  OPT_PFD_SHIFT,
  PREEMPT_MASK,
  PREEMPT_SHIFT,
  W_COUNT,
  W_LOW,
  W_OPCODE,
  W_OPTIONS,
} from '../program/record.js';
import { anyOf } from './error.js';
import { frameName, readFrame } from './naming.js';
import type { Option } from './operand.js';
import { COUNT_MAX } from './operands.js';
import { DONE_MAX } from './result.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

const EQUALS = 0x3d;

/** `key=` and one of `values`, whose index goes into the bits of W_OPTIONS from `shift` on; the first is the default. */
function choice(key: string, values: readonly string[], shift: number, mask: number): Option {
  const words = new Words(values.map((value, i) => [value, i] as const));
  return {
    keys: [key],
    what: `${key}=${values.join('|')}`,
    read: (s, records, at) => {
      records.code[at + W_OPTIONS]! |= readValue(s, words) << shift;
    },
    print: (code, at) => {
      const index = (code[at + W_OPTIONS]! >> shift) & mask;
      return index === 0 ? '' : `${key}=${values[index]}`;
    },
  };
}

/** `key=bad`, or another word than `bad`, which sets OPT_BAD. */
function bad(key: string, value = 'bad'): Option {
  const words = new Words([[value, 1]]);
  return {
    keys: [key],
    what: `${key}=${value}`,
    read: (s, records, at) => {
      readValue(s, words);
      records.code[at + W_OPTIONS]! |= OPT_BAD;
    },
    print: (code, at) => (code[at + W_OPTIONS]! & OPT_BAD ? `${key}=${value}` : ''),
  };
}

const BAD_WORDS = new Words([['bad', 1]]);

function readValue(s: LineScanner, words: Words<number>): number {
  if (!s.take(EQUALS)) s.fail(s.pos, `${s.found()}, expected = and ${anyOf(words.names)}`);
  const end = s.wordEnd();
  const value = words.find(s.bytes, s.pos, end);
  if (value === undefined) {
    s.fail(
      s.pos,
      `${end > s.pos ? `unknown value ${s.quoted(s.pos, end)}` : s.found()}, expected ${anyOf(words.names)}`,
    );
  }
  s.pos = end;
  return value;
}

function readNumber(s: LineScanner, what: string, most: number): number {
  if (!s.take(EQUALS)) s.fail(s.pos, `${s.found()}, expected = and ${what}`);
  return s.number(what, most);
}

/** The domain that a hypercall names (FD). */
export const FD = choice('fd', ['self', 'own', 'io', 'xen', 'none'], 0, OPT_FD);
/** The domain that owns the tables (PFD). */
export const PFD = choice('pfd', ['self', 'own', 'none'], OPT_PFD_SHIFT, 3);
export const BAD_LIST = bad('list');
export const BAD_BITMAP = bad('bitmap');

/** `flush`, `invlpg`, each with `=bad` for a vCPU bitmap that cannot be read. */
export const FLUSH: Option = {
  keys: ['flush', 'invlpg'],
  what: 'flush, invlpg',
  read: (s, records, at, key) => {
    records.code[at + W_OPTIONS]! |= (key + 1) << OPT_FLUSH_SHIFT;
    if (s.peek() !== EQUALS) return;
    readValue(s, BAD_WORDS);
    records.code[at + W_OPTIONS]! |= OPT_BAD;
  },
  print: (code, at) => {
    const options = code[at + W_OPTIONS]!;
    const flush = (options >> OPT_FLUSH_SHIFT) & 3;
    return flush === 0 ? '' : (FLUSH.keys[flush - 1] as string) + (options & OPT_BAD ? '=bad' : '');
  },
};

/** `unreadable=K`: element K of the list, from 0, cannot be read. */
export const UNREADABLE: Option = {
  keys: ['unreadable'],
  what: 'unreadable=K',
  read: (s, records, at) => {
    records.code[at + W_COUNT] = readNumber(s, 'the number of an element', COUNT_MAX - 1) + 1;
  },
  print: (code, at) => (code[at + W_COUNT] === 0 ? '' : `unreadable=${code[at + W_COUNT]! - 1}`),
};

/** `continued=N`: bit 31 of the count is set, `done` starts from N. */
export const CONTINUED: Option = {
  keys: ['continued'],
  what: 'continued=N',
  read: (s, records, at) => {
    records.code[at + W_OPTIONS]! |= (readNumber(s, 'a count', DONE_MAX) + 1) << OPT_DONE_SHIFT;
  },
  print: (code, at) => {
    const continued = code[at + W_OPTIONS]! >> OPT_DONE_SHIFT;
    return continued === 0 ? '' : `continued=${continued - 1}`;
  },
};

/** `key=K`: a number that word 0 holds plus one, in the bits `mask` from `shift` on; 0 there says that there is none. */
function numberInWord0(key: string, what: string, shift: number, mask: number): Option {
  return {
    keys: [key],
    what: `${key}=K`,
    read: (s, records, at) => {
      records.code[at + W_OPCODE]! |= (readNumber(s, what, mask - 1) + 1) << shift;
    },
    print: (code, at) => {
      const held = (code[at + W_OPCODE]! >> shift) & mask;
      return held === 0 ? '' : `${key}=${held - 1}`;
    },
  };
}

/** `preempt=K`: an event arrives after K units of work. */
export const PREEMPT = numberInWord0('preempt', 'a number of units', PREEMPT_SHIFT, PREEMPT_MASK);
/** `contend=K`: contended reference K, from 0, loses its race. */
export const CONTEND = numberInWord0('contend', 'the number of a reference', CONTEND_SHIFT, CONTEND_MASK);

/** `user=FRAME`: the user base pointer of a vCPU that is initialised. */
export const USER: Option = {
  keys: ['user'],
  what: 'user=FRAME',
  read: (s, records, at, _, naming) => {
    if (!s.take(EQUALS)) s.fail(s.pos, `${s.found()}, expected = and a frame`);
    records.code[at + W_LOW] = readFrame(s, naming);
  },
  print: (code, at, naming) =>
    code[at + W_LOW] === 0 ? '' : `user=${frameName(code[at + W_LOW]! >>> 0, naming)}`,
};

/** The vCPU begins in user mode. */
export const USER_MODE = bad('mode', 'user');
