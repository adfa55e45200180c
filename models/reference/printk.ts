// What a debug build of Xen prints where it refuses something, word for word (rules 12), but with frames by their
// names and without what depends on the machine: pfn, caf, taf, domain numbers.
import { INFO_PAE_XEN_L2, INFO_TYPE } from '../x86/page-type.js';
import { isPinned, type Page } from './page.js';

// include/asm-x86/mm.h, PGT_*: type in bits 63..61, pinned 59, validated 58, pae_xen_l2 57, partial 56, then the count.
const [TYPE_SHIFT, PINNED, VALIDATED, PAE_XEN_L2, PARTIAL] = [
  61n,
  1n << 59n,
  1n << 58n,
  1n << 57n,
  1n << 56n,
];

/** The type as PRtype_info shows it: `4000000000000000` for L2. */
export function typeHex(type: number): string {
  return hex((BigInt(type & INFO_TYPE) << TYPE_SHIFT) | (type & INFO_PAE_XEN_L2 ? PAE_XEN_L2 : 0n));
}

/** The whole type_info of a page. */
export function typeInfoHex(page: Page): string {
  const flags =
    (isPinned(page) ? PINNED : 0n) | (page.validated ? VALIDATED : 0n) | (page.partial ? PARTIAL : 0n);
  return hex(BigInt(`0x${typeHex(page.type)}`) | flags | BigInt(page.typeRefs.length));
}

function hex(word: bigint): string {
  return word.toString(16).padStart(16, '0');
}
