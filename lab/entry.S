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

	/* Words of a hypercall, as of a multicall's (struct multicall_entry). */
#define CALL_OP 0
#define CALL_RESULT (BITS / 8)
#define CALL_ARG(n) ((2 + (n)) * BITS / 8)

/* The lower end of the stack of the vCPU that runs, which holds what is the vCPU's (struct vcpu). */
#if BITS == 64
#define SP %rsp
#else
#define SP %esp
#endif
.macro own register
	mov SP, \register
	and $-STACK_BYTES, \register
.endm
#define OWN_CALL(register) BITS / 8(register)

/* Writes the vCPU's event word; the register is lost. */
.macro events value, register
	own \register
	mov (\register), \register
	movw \value, (\register)
.endm

	.text
	.globl start
start:
	cld
	mov $stacks + STACK_BYTES, SP
#if BITS == 64
	mov %rsi, %rdi
#else
	push %esi
#endif
	call lab_main
	ud2

/*
 * Each returns 0, or 1 where the instruction faulted. Between guarded_begin and guarded_end a fault goes on at
 * guarded_failed, which needs the stack as it was at the call (x86_32: but for what cmpxchg8b has saved).
 */
	.globl try_load, try_store8, try_store4, try_write_cr3, try_lar, trap_page_fault, trap_protection
	.globl hypercall_event, event
#if BITS == 64
hypercall_event: /* call, event word */
	push %rbx
	mov %rdi, %rbx
	mov %esi, %r9d
	mov CALL_OP(%rbx), %rax
	mov CALL_ARG(0)(%rbx), %rdi
	mov CALL_ARG(1)(%rbx), %rsi
	mov CALL_ARG(2)(%rbx), %rdx
	mov CALL_ARG(3)(%rbx), %r10
	mov CALL_ARG(4)(%rbx), %r8
begin_call:
	/* The instruction puts the address behind it into rcx: so it can be told whether it has begun. */
	xor %ecx, %ecx
	events %r9w, %r11
call_xen:
	syscall
	events $EVENT_MASKED, %rcx
	mov %rax, CALL_RESULT(%rbx)
	xor %eax, %eax
	pop %rbx
	ret

/* On the stack: rcx, r11, rip, cs, rflags, rsp, ss. An interrupted call has gone back to its instruction. */
event:
	events $EVENT_MASKED, %rcx
	cmpq $cr3_write, 16(%rsp)
	je 2f
	cmpq $call_xen, 16(%rsp)
	je 1f
	/* Anywhere else: go on there. */
	pop %rcx
	pop %r11
	push $0
	push %rcx
	push %r11
	push %rax
	mov $__HYPERVISOR_iret, %eax
	syscall
1:	cmpq $0, (%rsp)
	mov 40(%rsp), %rsp
	je begin_call
	mov %rax, CALL_OP(%rbx)
	mov %rdi, CALL_ARG(0)(%rbx)
	mov %rsi, CALL_ARG(1)(%rbx)
	mov %rdx, CALL_ARG(2)(%rbx)
	mov %r10, CALL_ARG(3)(%rbx)
	mov %r8, CALL_ARG(4)(%rbx)
	mov $1, %eax
	pop %rbx
	ret
2:	mov 40(%rsp), %rsp
	mov $2, %eax
	ret

	.globl hypercall_user, from_user_mode, user_mode
hypercall_user: /* call, selector */
	push %rbx
	push %rbp
	mov %rsi, %rbp
	mov %rsp, %rbx
	mov CALL_OP(%rdi), %rax
	mov CALL_ARG(1)(%rdi), %rsi
	mov CALL_ARG(0)(%rdi), %rdi
	/* For HYPERVISOR_iret: rax, r11, rcx, flags, rip, cs, rflags, rsp, ss. */
	push $FLAT_USER_SS
	push %rbx
	push $0
	push $FLAT_USER_CS
	push $user_mode
	push $0
	push $0
	push $0
	push $0
	syscall
	ud2
user_mode:
	test %ebp, %ebp
	jz 1f
	lar %bp, %ecx
1:	syscall

/* On the stack of its own: rcx, r11, rip, cs, rflags, rsp, ss. rax is that of HYPERVISOR_iret, or trap_page_fault's. */
from_user_mode:
	mov %rbx, %rsp
	pop %rbp
	pop %rbx
	ret

guarded_begin:
try_load: /* address */
	mov (%rdi), %eax
	xor %eax, %eax
	ret
try_store8: /* address, value */
	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
try_store4:
	mov %esi, (%rdi)
	xor %eax, %eax
	ret
try_write_cr3: /* value, event word */
	events %si, %rcx
cr3_write:
	mov %rdi, %cr3
	events $EVENT_MASKED, %rcx
	xor %eax, %eax
	ret
try_lar: /* selector */
	lar %di, %eax
	xor %eax, %eax
	ret
guarded_end:
guarded_failed:
	events $EVENT_MASKED, %rcx
	mov $1, %eax
	ret

/* On the stack: rcx, r11, error code, rip, cs, rflags, rsp, ss. */
trap_page_fault:
trap_protection:
	mov $1, %eax
	testb $3, 32(%rsp)
	jnz from_user_mode
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
hypercall_event: /* call, event word */
	push %ebx
	push %esi
	push %edi
	push %ebp
	mov 20(%esp), %ebp
	own %eax
	mov %ebp, OWN_CALL(%eax)
	mov CALL_OP(%ebp), %eax
	mov CALL_ARG(0)(%ebp), %ebx
	mov CALL_ARG(1)(%ebp), %ecx
	mov CALL_ARG(2)(%ebp), %edx
	mov CALL_ARG(3)(%ebp), %esi
	mov CALL_ARG(4)(%ebp), %edi
	own %ebp
	mov (%ebp), %ebp
	cmpl $EVENT_MASKED, 24(%esp)
	je call_xen
	movw $EVENT_PENDING, (%ebp)
call_xen:
	int $0x82
	events $EVENT_MASKED, %ecx
	own %ebp
	mov OWN_CALL(%ebp), %ebp
	mov %eax, CALL_RESULT(%ebp)
	xor %eax, %eax
call_over:
	pop %ebp
	pop %edi
	pop %esi
	pop %ebx
	ret

/* On the stack: eip, cs, eflags. An interrupted call has gone back to its instruction. */
event:
	push %ebp
	events $EVENT_MASKED, %ebp
	pop %ebp
	cmpl $cr3_write, (%esp)
	je 2f
	cmpl $call_xen, (%esp)
	je 1f
	iret
1:	add $12, %esp
	own %ebp
	mov OWN_CALL(%ebp), %ebp
	mov %eax, CALL_OP(%ebp)
	mov %ebx, CALL_ARG(0)(%ebp)
	mov %ecx, CALL_ARG(1)(%ebp)
	mov %edx, CALL_ARG(2)(%ebp)
	mov %esi, CALL_ARG(3)(%ebp)
	mov %edi, CALL_ARG(4)(%ebp)
	mov $1, %eax
	jmp call_over
2:	add $12, %esp
	mov $2, %eax
	ret

guarded_begin:
try_load: /* address */
	mov 4(%esp), %edx
	mov (%edx), %eax
	xor %eax, %eax
	ret
try_store4: /* address, value */
	mov 4(%esp), %edx
	mov 8(%esp), %ecx
	mov %ecx, (%edx)
	xor %eax, %eax
	ret
try_write_cr3:
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	events %cx, %edx
cr3_write:
	mov %eax, %cr3
	events $EVENT_MASKED, %edx
	xor %eax, %eax
	ret
try_lar:
	mov 4(%esp), %eax
	lar %ax, %eax
	xor %eax, %eax
	ret
guarded_end:
guarded_failed:
	events $EVENT_MASKED, %edx
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

/* The host stops the machine here. What shares a page with a breakpoint runs slowly, so nothing does. */
	.globl race
	.balign 4096
race:
	ret
	.balign 4096

/* No handler for this one: Xen ends the domain and prints its registers. */
unexpected:
	ud2

	.section .note.GNU-stack, "", @progbits
