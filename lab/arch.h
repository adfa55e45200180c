/* What differs between x86_64 and x86_32 (PAE), besides entry.S. */
#ifndef LAB_ARCH_H
#define LAB_ARCH_H

#include "xen.h"

#ifdef __x86_64__
#define IS64 1
#define VIRT_BASE 0xffffffff80000000ul
#define FLAT_KERNEL_CS 0xe033
/* An address in Xen's hole: no list can be there. */
#define BAD_ADDRESS 0xffff800000000000ul
#else
#define IS64 0
#define VIRT_BASE 0xc0000000ul
#define FLAT_KERNEL_CS 0xe019
#define BAD_ADDRESS 0xfffff000ul
#endif
#define WINDOWS (VIRT_BASE + 0x200000ul)

static inline long hypercall6(ulong op, ulong a1, ulong a2, ulong a3, ulong a4, ulong a5)
{
#ifdef __x86_64__
	register ulong r10 asm("r10") = a4;
	register ulong r8 asm("r8") = a5;
	long result;
	asm volatile("syscall"
		     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     : "0"(op)
		     : "rcx", "r11", "memory");
#else
	long result;
	asm volatile("int $0x82"
		     : "=a"(result), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4), "+D"(a5)
		     : "0"(op)
		     : "memory");
#endif
	return result;
}

static inline u64 rdtsc(void)
{
	u32 low, high;
	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

#endif
