import {
  DEFAULT_PAE_XEN_SLOT,
  MAX_FRAMES,
  MAX_VCPUS,
  type Arch,
  type Machine,
  type MachineOptions,
} from '../program/machine.js';
import { anyOf } from './error.js';
import type { LineScanner } from './scanner.js';
import { Words } from './words.js';

/** Slots of the slot-3 L2 that can be the first of Xen's: the kernel's own tables are in 0..3. */
const LEAST_XEN_SLOT = 4;
const MOST_XEN_SLOT = 511;

/** What a machine line says; `frames` is 0 where it says nothing of frames. */
export interface MachineLine {
  readonly options: MachineOptions;
  readonly frames: number;
}

type Draft = { -readonly [K in keyof MachineOptions]: MachineOptions[K] } & { frames: number };

const ARCHES = new Words<Arch>([
  ['x86_64', 'x86_64'],
  ['x86_32', 'x86_32'],
]);

type Setter = (s: LineScanner, draft: Draft) => void;

/** A key with these values and no others; each sets something. */
function oneOf(values: Record<string, (draft: Draft) => void>): Setter {
  const words = new Words(Object.entries(values));
  return (s, draft) => {
    const end = s.wordEnd();
    const set = words.find(s.bytes, s.pos, end);
    if (!set) {
      const wrong = end > s.pos ? `unknown value ${s.quoted(s.pos)}` : s.found();
      return s.fail(s.pos, `${wrong}, expected ${anyOf(words.names)}`);
    }
    s.pos = end;
    set(draft);
  };
}

const KEYS = new Words<Setter>([
  ['frames', (s, draft) => (draft.frames = s.number('a number of frames', MAX_FRAMES, 1))],
  [
    'domain',
    oneOf({
      hardware: (draft) => (draft.hardwareDomain = true),
      guest: (draft) => (draft.hardwareDomain = false),
    }),
  ],
  ['assists', oneOf({ writable_pagetables: (draft) => (draft.writablePagetables = true) })],
  ['pae_xen_slot', readPaeXenSlot],
  ['build', oneOf({ debug: (draft) => (draft.debugBuild = true) })],
  ['quirks', oneOf({ intended: (draft) => (draft.quirks = 'intended') })],
  ['vcpus', (s, draft) => (draft.vcpus = s.number('a number of vCPUs', MAX_VCPUS, 1))],
  ['linear', oneOf({ off: (draft) => (draft.linear = false) })],
]);

function readPaeXenSlot(s: LineScanner, draft: Draft): void {
  if (draft.arch !== 'x86_32') s.fail(s.pos, 'pae_xen_slot on x86_64, expected it on x86_32 only');
  draft.paeXenSlot = s.number('a slot', MOST_XEN_SLOT, LEAST_XEN_SLOT);
}

/** Reads a machine line after its first word. */
export function readMachineLine(s: LineScanner): MachineLine {
  s.field('x86_64 or x86_32');
  const end = s.wordEnd();
  const arch = ARCHES.find(s.bytes, s.pos, end);
  if (!arch) return s.fail(s.pos, `unknown architecture ${s.quoted(s.pos)}, expected x86_64 or x86_32`);
  s.pos = end;
  const draft: Draft = {
    arch,
    hardwareDomain: false,
    writablePagetables: false,
    paeXenSlot: DEFAULT_PAE_XEN_SLOT,
    debugBuild: false,
    quirks: 'shipped',
    vcpus: 1,
    linear: true,
    frames: 0,
  };
  const seen = new Set<Setter>();
  while (s.another()) {
    const at = s.pos;
    const setter = KEYS.find(s.bytes, at, s.wordEnd());
    if (!setter) return unknownKey(s);
    if (seen.has(setter)) s.fail(at, `key ${s.quoted(at, s.wordEnd())} given twice, expected it once`);
    seen.add(setter);
    s.key(s.text(at, s.wordEnd()));
    setter(s, draft);
  }
  const { frames, ...options } = draft;
  return { options, frames };
}

function unknownKey(s: LineScanner): never {
  const end = s.wordEnd();
  const nearest = KEYS.nearest(s.text(s.pos, end));
  const wrong = end > s.pos ? `unknown key ${s.quoted(s.pos, end)}` : s.found();
  return s.fail(
    s.pos,
    `${wrong}, expected ${nearest ? `perhaps ${nearest}=` : anyOf(KEYS.names.map((key) => `${key}=`))}`,
  );
}

/** Whether the two say the same. */
export function sameMachineLine(a: MachineLine, b: MachineLine): boolean {
  return (
    printMachineLine({ ...a.options, frames: a.frames }) ===
    printMachineLine({ ...b.options, frames: b.frames })
  );
}

/** The machine line; keys stand only where they differ from the default. */
export function printMachineLine(machine: Omit<Machine, 'start'>): string {
  return [
    `machine ${machine.arch}`,
    ...(machine.frames > 0 ? [`frames=${machine.frames}`] : []),
    ...(machine.hardwareDomain ? ['domain=hardware'] : []),
    ...(machine.writablePagetables ? ['assists=writable_pagetables'] : []),
    ...(machine.arch === 'x86_32' && machine.paeXenSlot !== DEFAULT_PAE_XEN_SLOT
      ? [`pae_xen_slot=${machine.paeXenSlot}`]
      : []),
    ...(machine.debugBuild ? ['build=debug'] : []),
    ...(machine.quirks === 'intended' ? ['quirks=intended'] : []),
    ...(machine.vcpus > 1 ? [`vcpus=${machine.vcpus}`] : []),
    ...(machine.linear ? [] : ['linear=off']),
  ].join(' ');
}
