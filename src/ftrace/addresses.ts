/** Where the kernel maps its memory, so that an address tells the page behind it. */
import type { Arch } from '../program/machine.js';
import type { XenEvent } from './event.js';

const LOW_32 = 2n ** 32n;
/** PAGE_OFFSET of 64-bit kernels: from 4.20 on, and before (Documentation/arch/x86/x86_64/mm.rst). */
const DIRECT_MAP_4_20 = 0xffff888000000000n;
const DIRECT_MAP = 0xffff880000000000n;
const DIRECT_MAP_SIZE = 2n ** 46n;
/** __START_KERNEL_map, and its reach. */
const KERNEL_IMAGE = 0xffffffff80000000n;
const KERNEL_IMAGE_SIZE = 2n ** 30n;
const PAGE_OFFSET_32 = 0xc0000000n;
/** Below Xen's own range (HYPERVISOR_VIRT_START) and VMALLOC_RESERVE, lowmem ends here at the latest. */
const LOWMEM_END_32 = 0xed800000n;

export class Addresses {
  readonly arch: Arch;
  /** First address of the direct map. */
  readonly directMap: bigint;

  constructor(seen: Iterable<bigint>) {
    let wide = false;
    let isLate = false;
    for (const address of seen) {
      wide ||= address >= LOW_32;
      isLate ||= address >= DIRECT_MAP_4_20 && address < KERNEL_IMAGE;
    }
    this.arch = wide ? 'x86_64' : 'x86_32';
    this.directMap = wide ? (isLate ? DIRECT_MAP_4_20 : DIRECT_MAP) : PAGE_OFFSET_32;
  }

  /** Page behind an address of the direct map or, on 64-bit, the kernel's image; undefined elsewhere. */
  pfnOf(address: bigint): number | undefined {
    const end = this.arch === 'x86_64' ? this.directMap + DIRECT_MAP_SIZE : LOWMEM_END_32;
    if (address >= this.directMap && address < end) return Number((address - this.directMap) >> 12n);
    if (address >= KERNEL_IMAGE && address < KERNEL_IMAGE + KERNEL_IMAGE_SIZE)
      return Number((address - KERNEL_IMAGE) >> 12n);
    return undefined;
  }

  /** Whether a kernel has printed a hash in place of the pointer (`%p` from 4.15 on), as far as that shows. */
  isHashed(pointer: bigint): boolean {
    return pointer !== 0n && pointer < (this.arch === 'x86_64' ? LOW_32 : PAGE_OFFSET_32);
  }

  /** Address of the page in the direct map. */
  of(pfn: number): bigint {
    return this.directMap + (BigInt(pfn) << 12n);
  }
}

/** The addresses in an event that tell where the direct map is. */
export function addressesOf(event: XenEvent): bigint[] {
  switch (event.kind) {
    case 'set':
      return [event.pointer, event.user];
    case 'pgd_pin':
    case 'pgd_unpin':
      return [event.pgd];
    case 'entry':
      return event.op === 14 ? [event.args[0]!] : [];
    default:
      return [];
  }
}
