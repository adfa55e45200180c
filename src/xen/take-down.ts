/** What the lab's kernel does after a program (lab/state.c, lab/domain.c), done to a model: which frames keep a reference then. */
import type { Model } from '../../models/model.js';
import { ZERO, SLOTS } from '../../models/x86/entry.js';
import {
  INFO_ALLOCATED,
  INFO_OWNER,
  INFO_OWNER_SHIFT,
  INFO_PINNED,
  OWNER_NOBODY,
} from '../../models/x86/page-type.js';
import { isGuests } from '../../properties/frames.js';
import { encode } from '../program/codec.js';
import { BOOT_MFN, frameMfns } from '../program/machine.js';
import { normalUpdate, type Operation } from '../program/operation.js';
import { RECORD } from '../program/record.js';

const NO_LDT: Operation = { kind: 'set_ldt', va: { low: 0, high: 0 }, entries: 0 };
const NO_REQUESTS: Operation = {
  kind: 'mmuext_op_list',
  options: { fd: 'self', badList: false },
  items: [],
};
const NOBODYS = OWNER_NOBODY << INFO_OWNER_SHIFT;
const NO_GDT: Operation = { kind: 'set_gdt', frames: [], entries: 0 };

/** Takes everything down and says to which of F0.. something besides its allocation still refers, one bit each. */
export function keptAfterTakeDown(model: Model): number {
  if (!model.machine.hardwareDomain) return keptAfterTheEnd(model);
  const { base, tables } = model.machine.start;
  for (let cpu = 0; cpu < model.machine.vcpus; cpu++) {
    if (model.loadedBase(cpu) === 0)
      run(model, { kind: 'initialise', vcpu: cpu, mfn: base, user: 0, userMode: false });
    run(model, { kind: 'new_baseptr', mfn: base, cpu });
    run(model, { ...NO_LDT, cpu });
    if (model.machine.arch === 'x86_64') run(model, { kind: 'new_user_baseptr', mfn: 0, cpu });
    run(model, { ...NO_GDT, cpu });
  }
  const { B1 } = BOOT_MFN;
  for (let slot = model.nextUsed(B1, 0); slot < SLOTS; slot = model.nextUsed(B1, slot + 1))
    run(model, normalUpdate(B1, slot, ZERO));
  const frames = frameMfns(model.machine.frames);
  for (const mfn of [...frames, ...tables.map((table) => table.mfn)])
    if (mfn !== base && (model.info(mfn) & INFO_PINNED) !== 0) run(model, { kind: 'unpin', mfn });
  return frames.reduce((mask, mfn, i) => {
    if (isGuests(model.info(mfn)) && model.generalCount(mfn) > allocation(model, mfn)) return mask | (1 << i);
    run(model, { kind: 'release', mfn });
    return mask;
  }, 0);
}

/** A second domain is destroyed, after the cleanup that a call has left to the vCPU that makes all calls. */
function keptAfterTheEnd(model: Model): number {
  run(model, NO_REQUESTS);
  run(model, { kind: 'destroy' });
  for (let mfn = 0; mfn < model.frameLimit; mfn++)
    if ((model.info(mfn) & INFO_OWNER) === NOBODYS && model.typeCount(mfn) !== 0)
      throw new Error('a frame is given back with a type reference, where Xen stops (free_domheap_pages)');
  return frameMfns(model.machine.frames).reduce(
    (mask, mfn, i) => (isGuests(model.info(mfn)) ? mask | (1 << i) : mask),
    0,
  );
}

function allocation(model: Model, mfn: number): number {
  return (model.info(mfn) & INFO_ALLOCATED) === 0 ? 0 : 1;
}

function run(model: Model, operation: Operation): void {
  const code: number[] = [];
  encode(operation, code);
  model.run(Int32Array.from(code), 0, new Int32Array(code.length / RECORD));
}
