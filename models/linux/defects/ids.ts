/** Mistakes that a guest kernel can be told to make, by file of the catalogue. */
export type GuestDefectId =
  // direct-map.ts
  | 'second-pass-maps-writable'
  | 'lowmem-mapped-writable'
  | 'alias-alive-at-hook'
  | 'unmapped-table-mapped-later'
  | 'existing-table-aliased-writable'
  | 'pgt-buf-end-moves'
  | 'buffer-rest-stays-read-only'
  | 'second-buffer-rest-read-only'
  | 'range-rule-on-32bit'
  | 'e820-not-page-aligned'
  | 'missing-frame-garbage'
  // next
  | 'recycled-tables-stale-tlb'
  | 'isa-range-overridden'
  | 'p2m-outside-kernel-map'
  | 'builder-root-stays-pinned'
  | 'builder-tables-not-reserved'
  | 'fixmap-spans-more-tables'
  | 'kernel-pmd-shared-by-two-roots'
  | 'table-not-cleared'
  | 'double-pin-after-move';
