/** What an exhaustive exploration covers: a machine, and every operation that its programs may have. */
import { entry, type Entry, P, RW, US } from '../../models/x86/entry.js';

import { encode } from '../program/codec.js';
import {
  type Arch,
  BOOT_MFN,
  DEFAULT_PAE_XEN_SLOT,
  frameMfns,
  type Machine,
  type MachineOptions,
  standardMachine,
} from '../program/machine.js';
import { normalUpdate, type Operation } from '../program/operation.js';
import { windowAddress } from '../shrink/names.js';

export interface Scope {
  readonly arch: Arch;
  readonly quirks: MachineOptions['quirks'];
  /** Frames `F0` and up, and the slots 0 and up of each, that operations name. */
  readonly frames: number;
  readonly slots: number;
  /** Operations name the boot tables too: `B1` (its windows), `B2`, `B3` and on x86_64 `B4`. */
  readonly bootTables: boolean;
}

/** The machine of the scope: an ordinary guest on one vCPU whose stores are not emulated. */
export function scopeMachine({ arch, quirks, frames }: Scope): Machine {
  const options = { hardwareDomain: false, writablePagetables: false, debugBuild: false };
  const rest = { paeXenSlot: DEFAULT_PAE_XEN_SLOT, vcpus: 1, linear: true };
  return standardMachine({ arch, quirks, ...options, ...rest }, frames);
}

/**
 * Every operation of the scope. An entry is zero, or names a frame of the scope, read-only or writable; with
 * `update_va` a window is empty or maps the frame that it maps at the start, read-only or writable. `destroy` is the last:
 * nothing follows it in a program. What is not here: docs/adr/0015-what-a-scope-holds.md.
 */
export function alphabetOf({ arch, frames, slots, bootTables }: Scope): Operation[] {
  const own = frameMfns(frames);
  const { B1, B2, B3, B4 } = BOOT_MFN;
  const tables = bootTables ? [B1, B2, B3, ...(arch === 'x86_64' ? [B4] : [])] : [];
  const mfns = [...own, ...tables];
  const both = (mfn: number): Entry[] => [entry(mfn, P | US), entry(mfn, P | RW | US)];
  const entries = [entry(0, 0), ...mfns.flatMap(both)];
  // All windows or none: frames that have one would not be like those that have none.
  const updates = mfns.flatMap((mfn) =>
    Array.from({ length: mfn === B1 ? frames : slots }, (_, slot) => slot).flatMap((slot) =>
      entries.map((value) => normalUpdate(mfn, slot, value)),
    ),
  );
  const windows = own.flatMap((mfn, i) =>
    [entry(0, 0), ...both(mfn)].map((value): Operation => ({
      kind: 'update_va',
      va: windowAddress(i, 0, arch),
      entry: value,
      flush: 'none',
      badBitmap: false,
      fd: 'self',
    })),
  );
  const stores = own.flatMap((_, i) =>
    Array.from({ length: slots }, (_, slot) => windowAddress(i, slot * 8, arch)).flatMap((va) =>
      entries.map((value): Operation => ({ kind: 'store', va, part: 'entry', entry: value })),
    ),
  );
  const others = mfns.flatMap((mfn): Operation[] => [
    ...(arch === 'x86_64' ? ([1, 2, 3, 4] as const) : ([1, 2, 3] as const)).map((level): Operation => ({
      kind: 'pin',
      level,
      mfn,
    })),
    { kind: 'unpin', mfn },
    { kind: 'new_baseptr', mfn },
    { kind: 'write_cr3', mfn },
    ...(arch === 'x86_64' ? [{ kind: 'new_user_baseptr', mfn } as const] : []),
    { kind: 'clear_page', mfn },
    ...mfns
      .filter((source) => source !== mfn)
      .map((source): Operation => ({ kind: 'copy_page', mfn, source })),
    { kind: 'set_gdt', frames: [mfn], entries: 1 },
  ]);
  const none: Operation[] = [
    ...(arch === 'x86_64' ? [{ kind: 'new_user_baseptr', mfn: 0 } as const] : []),
    { kind: 'set_gdt', frames: [], entries: 0 },
    { kind: 'destroy' },
  ];
  return [...updates, ...windows, ...stores, ...others, ...none];
}

/** The alphabet as records, one operation after the other, and where each begins. */
export function encodeAll(operations: readonly Operation[]): { code: Int32Array; starts: number[] } {
  const words: number[] = [];
  const starts = operations.map((operation) => {
    const at = words.length;
    encode(operation, words);
    return at;
  });
  return { code: Int32Array.from(words), starts };
}
