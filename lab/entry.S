/* Where Xen enters the kernel, and the instructions that may fault. */
#include "xen.h"

#ifdef __x86_64__
#define WORD .quad
#define VIRT_BASE 0xffffffff80000000
#define BITS 64
#else
#define WORD .long
#define VIRT_BASE 0xc0000000
#define BITS 32
#endif

.macro note type, data:vararg
	.balign 4
	.long 4, 2f - 1f, \type
	.asciz "Xen"
1:	\data
2:	.balign 4
.endm

	.section .note, "a", @note
	note XEN_ELFNOTE_GUEST_OS, .asciz "pvmmu-lab"
	note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	note XEN_ELFNOTE_LOADER, .asciz "generic"
	note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
	note XEN_ELFNOTE_FEATURES, .asciz "writable_page_tables"
	note XEN_ELFNOTE_VIRT_BASE, WORD VIRT_BASE
	/* Physical addresses of the image are its virtual ones. */
	note XEN_ELFNOTE_PADDR_OFFSET, WORD VIRT_BASE
	note XEN_ELFNOTE_ENTRY, WORD start
#if BITS == 32
	/* Xen may keep as little of the slot-3 L2 as it can. */
	note XEN_ELFNOTE_HV_START_LOW, WORD 0
#endif

	.text
	.globl start
start:
	cld
#if BITS == 64
	mov $stack_top, %rsp
	mov %rsi, %rdi
	call lab_main
#else
	mov $stack_top, %esp
	push %esi
	call lab_main
#endif
	ud2

/*
 * Each returns 0, or 1 where the instruction faulted. Between guarded_begin and guarded_end a fault goes on at
 * guarded_failed, which needs the stack as it was at the call (x86_32: but for what cmpxchg8b has saved).
 */
	.globl try_store8, try_store4, try_write_cr3, try_lar, trap_page_fault, trap_protection
#if BITS == 64
guarded_begin:
try_store8: /* address, value */
	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
try_store4:
	mov %esi, (%rdi)
	xor %eax, %eax
	ret
try_write_cr3:
	mov %rdi, %cr3
	xor %eax, %eax
	ret
try_lar: /* selector */
	lar %di, %eax
	xor %eax, %eax
	ret
guarded_end:
guarded_failed:
	mov $1, %eax
	ret

/* On the stack: rcx, r11, error code, rip, cs, rflags, rsp, ss. */
trap_page_fault:
trap_protection:
	lea guarded_begin(%rip), %rcx
	lea guarded_end(%rip), %r11
	cmp %rcx, 24(%rsp)
	jb unexpected
	cmp %r11, 24(%rsp)
	jae unexpected
	lea guarded_failed(%rip), %rcx
	mov %rcx, 24(%rsp)
	/* HYPERVISOR_iret wants rax, r11, rcx, flags before rip; the callers expect none of these kept. */
	sub $8, %rsp
	movq $0, 24(%rsp)
	mov $__HYPERVISOR_iret, %eax
	syscall
#else
guarded_begin:
try_store4: /* address, value */
	mov 4(%esp), %edx
	mov 8(%esp), %ecx
	mov %ecx, (%edx)
	xor %eax, %eax
	ret
try_write_cr3:
	mov 4(%esp), %eax
	mov %eax, %cr3
	xor %eax, %eax
	ret
try_lar:
	mov 4(%esp), %eax
	lar %ax, %eax
	xor %eax, %eax
	ret
guarded_end:
guarded_failed:
	mov $1, %eax
	ret

try_store8: /* address, value: a read, then a locked exchange */
	push %ebx
	push %esi
	mov 12(%esp), %esi
	mov 16(%esp), %ebx
	mov 20(%esp), %ecx
exchange_begin:
	mov (%esi), %eax
	mov 4(%esi), %edx
	lock cmpxchg8b (%esi)
	xor %eax, %eax
	jmp 1f
exchange_end:
exchange_failed:
	mov $1, %eax
1:	pop %esi
	pop %ebx
	ret

/* On the stack: error code, eip, cs, eflags. */
trap_page_fault:
trap_protection:
	cmpl $guarded_begin, 4(%esp)
	jb 1f
	cmpl $guarded_end, 4(%esp)
	jae 1f
	movl $guarded_failed, 4(%esp)
	jmp 2f
1:	cmpl $exchange_begin, 4(%esp)
	jb unexpected
	cmpl $exchange_end, 4(%esp)
	jae unexpected
	movl $exchange_failed, 4(%esp)
2:	add $4, %esp
	iret
#endif

/* No handler for this one: Xen ends the domain and prints its registers. */
unexpected:
	ud2

	.bss
	.balign 4096
	.skip 16384
stack_top:
	.section .note.GNU-stack, "", @progbits
