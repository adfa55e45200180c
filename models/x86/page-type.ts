/** What a frame is used as: the type field of Xen's `type_info`. */
export const TYPE_NONE = 0;
export const TYPE_L1 = 1;
export const TYPE_L2 = 2;
export const TYPE_L3 = 3;
export const TYPE_L4 = 4;
export const TYPE_SEG_DESC = 5;
export const TYPE_WRITABLE = 7;

export type Level = 1 | 2 | 3 | 4;

export const TYPE_NAMES = ['none', 'L1', 'L2', 'L3', 'L4', 'seg_desc', 'shared', 'writable'] as const;

export const OWNER_NOBODY = 0;
export const OWNER_GUEST = 1;
export const OWNER_IO = 2;
/** A frame of Xen's own. */
export const OWNER_XEN = 3;

/**
 * What both models report of a frame in one word.
 *
 * ```
 *   12      11       10..9  8          7           6        5       4          3..0
 *   handed  special  owner  allocated  pae_xen_l2  partial  pinned  validated  type
 * ```
 *
 * `allocated` is PGC_allocated; `special` a page of Xen's heap that Xen shares with the guest; `handed` says
 * of a partial table that the slot where its validation stopped holds a partial child, with its reference.
 */
export const INFO_TYPE = 0xf;
export const INFO_VALIDATED = 1 << 4;
export const INFO_PINNED = 1 << 5;
export const INFO_PARTIAL = 1 << 6;
export const INFO_PAE_XEN_L2 = 1 << 7;
export const INFO_ALLOCATED = 1 << 8;
export const INFO_OWNER_SHIFT = 9;
export const INFO_OWNER = 3 << INFO_OWNER_SHIFT;
export const INFO_SPECIAL = 1 << 11;
export const INFO_HANDED = 1 << 12;

export function isTable(type: number): boolean {
  return type >= TYPE_L1 && type <= TYPE_L4;
}
