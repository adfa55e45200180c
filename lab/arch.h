/* What differs between x86_64 and x86_32 (PAE), besides entry.S. */
#ifndef LAB_ARCH_H
#define LAB_ARCH_H

#include "xen.h"

#ifdef __x86_64__
#define IS64 1
#define SP_NAME "rsp"
#define VIRT_BASE 0xffffffff80000000ul
#define FLAT_KERNEL_CS FLAT_USER_CS
#define FLAT_KERNEL_SS FLAT_USER_SS
/* An address in Xen's hole: no list can be there. */
#define BAD_ADDRESS 0xffff800000000000ul
#else
#define IS64 0
#define SP_NAME "esp"
#define VIRT_BASE 0xc0000000ul
#define FLAT_KERNEL_CS 0xe019
#define FLAT_KERNEL_SS 0xe021
#define BAD_ADDRESS 0xfffff000ul
#endif
#define WINDOWS (VIRT_BASE + 0x200000ul)

/* What CR3 holds for that base pointer. x86_32: the frame number's high bits stand in the low ones. */
static inline ulong cr3_of(ulong mfn)
{
	return IS64 ? mfn << 12 : mfn << 12 | mfn >> 20;
}

static inline u64 rdtsc(void)
{
	u32 low, high;
	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

#endif
