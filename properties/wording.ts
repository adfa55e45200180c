/** How messages name entries, paths and types. */
import type { ModelState } from '../models/model.js';
import { INFO_PAE_XEN_L2, INFO_TYPE, TYPE_NAMES } from '../models/x86/page-type.js';
import type { Machine } from '../src/program/machine.js';
import { frameName } from '../src/text/naming.js';
import type { EntryPlace } from './invariant.js';

export { frameName };

/** `B1[3]` */
export function entryName(mfn: number, slot: number, machine: Machine): string {
  return `${frameName(mfn, machine)}[${slot}]`;
}

/** `B4[511] → B3[510] → …` */
export function pathName(path: readonly EntryPlace[], machine: Machine): string {
  return path.map(({ mfn, slot }) => entryName(mfn, slot, machine)).join(' → ');
}

/** `L1`, `writable`, `L2+pae`, … */
export function typeName(info: number): string {
  return `${TYPE_NAMES[info & INFO_TYPE] ?? `type ${info & INFO_TYPE}`}${(info & INFO_PAE_XEN_L2) !== 0 ? '+pae' : ''}`;
}

/** ` of vCPU 1`, where there are several. */
export function ofCpu(state: ModelState, cpu: number): string {
  return state.machine.vcpus > 1 ? ` of vCPU ${cpu}` : '';
}
