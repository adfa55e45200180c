import { ReferenceModel } from '../../models/reference/model.js';
import { entry, P, RW, US } from '../../models/x86/entry.js';
import {
  INFO_HANDED,
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  OWNER_GUEST,
  TYPE_NAMES,
} from '../../models/x86/page-type.js';
import { codeOf, doneOf, RESULT_NAMES } from '../../models/x86/result.js';
import { machineOf } from '../../src/generate/machines.js';
import {
  DEFAULT_PAE_XEN_SLOT,
  FIRST_FRAME_MFN,
  type MachineOptions,
  WINDOW_0,
} from '../../src/program/machine.js';
import type { Environment, MmuUpdate, Operation, Request } from '../../src/program/operation.js';
import { encode } from '../../src/program/codec.js';
import { RECORD } from '../../src/program/record.js';

export const F0 = FIRST_FRAME_MFN;
export const [F1, F2, F3, F4, F5] = [F0 + 1, F0 + 2, F0 + 3, F0 + 4, F0 + 5];
/** Flags of an entry that names a table. */
export const TABLE = P | RW | US;

export const update = (mfn: number, slot: number, child: number, flags: number): MmuUpdate => ({
  kind: 'mmu_update',
  command: 'normal',
  mfn,
  slot,
  entry: entry(child, flags),
});

/** A guest on the reference model. Its frames `F0`.. have no window unless a test gives them one. */
export class Guest {
  readonly model = new ReferenceModel();
  constructor(options: Partial<MachineOptions> = {}) {
    const machine = machineOf({
      arch: 'x86_64',
      hardwareDomain: true,
      writablePagetables: false,
      paeXenSlot: DEFAULT_PAE_XEN_SLOT,
      debugBuild: false,
      quirks: 'shipped',
      vcpus: 1,
      linear: true,
      ...options,
    });
    this.model.start(machine);
    for (let i = 0; i < machine.frames; i++) this.does(this.window(i, 0, 0));
  }
  window(index: number, mfn: number, flags: number): Request {
    const va = this.va(index);
    return { kind: 'update_va', va, entry: entry(mfn, flags), flush: 'none', badBitmap: false, fd: 'self' };
  }
  va(index: number) {
    const { low, high } = WINDOW_0[this.model.machine.arch];
    return { low: (low + index * 4096) | 0, high };
  }
  answers(request: Request, environment: Environment = {}): number[] {
    const code: number[] = [];
    encode({ ...request, ...environment } as Operation, code);
    const results = new Int32Array(code.length / RECORD);
    this.model.run(Int32Array.from(code), 0, results);
    return [...results];
  }
  /** The answer as the text has it. */
  does(request: Request, environment: Environment = {}): string {
    return shown(this.answers(request, environment)[0]!);
  }
  resume(environment: Environment = {}): string {
    return this.does({ kind: 'resume' }, environment);
  }
  /** Type and counts: `L3 validated pinned TR=1 GR=2`. */
  frame(mfn: number): string {
    const info = this.model.info(mfn);
    const [tr, gr] = [this.model.typeCount(mfn), this.model.generalCount(mfn)];
    const flags = [
      info & INFO_VALIDATED ? ' validated' : '',
      info & INFO_PINNED ? ' pinned' : '',
      info & INFO_PARTIAL ? ` partial@${this.model.partialFrom(mfn)}` : '',
      info & INFO_HANDED ? '+set' : '',
    ];
    return `${TYPE_NAMES[info & INFO_TYPE]}${flags.join('')} TR=${tr} GR=${gr}`;
  }
  frames(...mfns: number[]): string[] {
    return mfns.map((mfn) => this.frame(mfn));
  }
}

export function ownedFrames(model: ReferenceModel): number[] {
  const all = Array.from({ length: model.frameLimit }, (_, mfn) => mfn);
  return all.filter((mfn) => (model.info(mfn) & INFO_OWNER) >> INFO_OWNER_SHIFT === OWNER_GUEST);
}

export function shown(result: number): string {
  const done = doneOf(result);
  return `${RESULT_NAMES.get(codeOf(result))}${done === undefined ? '' : ` done=${done}`}`;
}

/** F0 is an L3 above the L2 F1 with the L1s F2 and F3 in slots 0 and 1; nothing is validated yet. */
export function branch(options: Partial<MachineOptions> = {}): Guest {
  const guest = new Guest(options);
  guest.does(update(F0, 0, F1, TABLE));
  guest.does(update(F1, 0, F2, TABLE));
  guest.does(update(F1, 1, F3, TABLE));
  return guest;
}
