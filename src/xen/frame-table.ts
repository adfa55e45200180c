/**
 * What Xen keeps of a program's frames, which no guest can ask for: `struct page_info` (xen/include/asm-x86/mm.h), 32 bytes for
 * each frame of the machine. The host has the machine's memory in its hands, so it lets the lab's kernel see them.
 *
 * ```
 *   byte 8    count_info   63 allocated                                                                53..0 general count
 *   byte 16   type_info    63..61 type   59 pinned   58 validated   57 pae_xen_l2   56 partial         54..0 type count
 *   byte 28   of a table                 31..16 linear_pt_count, signed   15 PTF_partial_set   9..0 nr_validated_ptes
 * ```
 */
import type { ModelState } from '../../models/model.js';
import {
  INFO_HANDED,
  INFO_PAE_XEN_L2,
  INFO_PARTIAL,
  INFO_PINNED,
  INFO_TYPE,
  INFO_VALIDATED,
  isTable,
  TYPE_L4,
  TYPE_NAMES,
} from '../../models/x86/page-type.js';
import { isGuests } from '../../properties/frames.js';

/** Words of a frame in the lab's answer: general count, type_info (low, high), what is said of a table. */
export const COUNT_WORDS = 4;

/** Of `type_info` in `struct page_info`. */
export const TYPE_INFO = 16n;

/** The machine's memory, by address. */
export interface MachineMemory {
  word(address: bigint): bigint;
  write(address: bigint, word: bigint): void;
}

const [PRESENT, GUESTS, PSE] = [1n << 0n, 1n << 2n, 1n << 7n];
const ACCESSED_AND_DIRTY = 3n << 5n;
const FRAME_BITS = 0xffffffffff000n;
/** Where Xen has its frame table (asm-x86/config.h), and where the lab's kernel looks for it (FRAME_TABLE of lab/xen.h). */
const XENS = 0xffff82e000000000n;
const LABS = 0xffff80003fe00000n;
const PAGE_INFO_BYTES = 32n;
const [TYPE, VALIDATED] = [61n, 58n];

/**
 * Maps Xen's frame table for the guest, at an address that all roots have of Xen and no program can change. Whether it did: not
 * where there is no single page of 2 MiB at the place that the table has in Xen 4.17, or where it does not know the guest's root.
 */
export function showFrameTable(memory: MachineMemory, root: number): boolean {
  const table = memory.word(slotOf(memory, root, XENS));
  if ((table & (PRESENT | PSE)) !== (PRESENT | PSE)) return false;
  const info = memory.word((table & FRAME_BITS) + BigInt(root) * PAGE_INFO_BYTES + TYPE_INFO);
  if (Number(info >> TYPE) !== TYPE_L4 || ((info >> VALIDATED) & 1n) === 0n) return false;
  const slot = slotOf(memory, root, LABS);
  if (slot === 0n || memory.word(slot) !== 0n) return false;
  memory.write(slot, (table & FRAME_BITS) | PRESENT | GUESTS | ACCESSED_AND_DIRTY | PSE);
  return true;
}

/** Where the address's L2 entry stands; 0 if nowhere. */
function slotOf(memory: MachineMemory, root: number, va: bigint): bigint {
  let slot = 0n;
  let table = BigInt(root) << 12n;
  for (let shift = 39n; shift >= 21n; shift -= 9n) {
    slot = table + ((va >> shift) & 0x1ffn) * 8n;
    if (shift === 21n) break;
    const entry = memory.word(slot);
    if ((entry & PRESENT) === 0n || (entry & PSE) !== 0n) return 0n;
    table = entry & FRAME_BITS;
  }
  return slot;
}

/** What the words of the lab's answer say of a frame, in the words of `countsOf`. */
export function countsIn(words: Int32Array, at: number): string {
  const [general, typeCount, high, table] = words.subarray(at, at + COUNT_WORDS) as unknown as number[];
  const flag = (bit: number, told: number) => (((high! >>> bit) & 1) === 0 ? 0 : told);
  const handed = flag(24, INFO_PARTIAL) !== 0 && (table! & 0x8000) !== 0 ? INFO_HANDED : 0;
  const info = (high! >>> 29) | flag(27, INFO_PINNED) | flag(26, INFO_VALIDATED) | flag(25, INFO_PAE_XEN_L2);
  return tell(info | flag(24, INFO_PARTIAL) | handed, general!, typeCount!, table! & 0x3ff, table! >> 16);
}

/** What a model says of a frame; of one that is not the guest's only its references. */
export function countsOf(state: ModelState, mfn: number): string {
  const info = state.info(mfn);
  const general = state.generalCount(mfn);
  if (!isGuests(info)) return countsOfGone(general);
  return tell(info, general, state.typeCount(mfn), state.partialFrom(mfn), state.linearCount(mfn));
}

export function countsOfGone(general: number): string {
  return `gone, general count ${general}`;
}

/** Without a type reference the type says nothing: the lab's own mappings change it (`fill`). */
function tell(info: number, general: number, typeCount: number, from: number, linear: number): string {
  const type = info & INFO_TYPE;
  const counts = `general count ${general}, type count ${typeCount}`;
  if (typeCount === 0) return counts;
  return [
    `${TYPE_NAMES[type]}, ${counts}`,
    info & INFO_PINNED ? ', pinned' : '',
    info & INFO_VALIDATED ? ', validated' : '',
    info & INFO_PAE_XEN_L2 ? ', pae_xen_l2' : '',
    info & INFO_PARTIAL ? `, partial from ${from}${info & INFO_HANDED ? ' (set)' : ''}` : '',
    isTable(type) && linear !== 0 ? `, linear count ${linear}` : '',
  ].join('');
}
