/*
 * How programs come into the lab and answers out of it: through the boot module, which lies in memory that
 * the host can read and write while the lab runs (src/xen/mailbox.ts is the other side). All words have 32 bits.
 *
 *	page 0      MAGIC  version  request  answered  program  operation  frame_table  race  contended  event
 *	            `request` is the number of the newest batch, written by the host, `answered` that of the
 *	            newest one that is done; `program` and `operation` say what runs now; the host sets
 *	            `frame_table` once FRAME_TABLE is mapped (src/xen/frame-table.ts). Before and after an operation
 *	            with `contend=` the kernel comes to the address `race`; `contended` is the number of its reference
 *	            plus one, afterwards 0, and `event` the machine address of the event word of the vCPU that runs it
 *	slot 0, 1   REQUEST_BYTES of programs, then ANSWER_BYTES of answers; batch n uses slot n % 2
 *
 * A request is its number of programs, then of each
 *
 *	records, flags, then `records` records of eight words (src/program/record.ts)
 *
 * An answer is the number of programs answered (fewer than were asked for where the slot was full) and of words
 * used, then of each
 *
 *	status, operation, lost, records   where it was stopped; frames that keep a reference, one bit each
 *	an answer for each record          as in models/x86/result.ts
 *	frames times, if frame_table is set:  what Xen's frame table says of F0.., COUNT_WORDS each:
 *	    general, type low, type high, table
 *	frames + 1 times:                  F0.., then B1, as XEN_DOMCTL_getpageframeinfo3 and memory have them
 *	    type, entries                  type word, or GONE; then of each non-zero entry
 *	        slot, low, high            frame numbers as in the program; NAMELESS for all others
 */
#ifndef LAB_BATCH_H
#define LAB_BATCH_H

#include "xen.h"

#define MAGIC 0x756d7670u /* "pvmu" */
#define VERSION 1
#define SLOTS 2
#define REQUEST_BYTES (192 * 1024)
#define ANSWER_BYTES (320 * 1024)
#define MODULE_BYTES (4096 + SLOTS * (REQUEST_BYTES + ANSWER_BYTES))

/* Flags of a program. */
#define PROGRAM_FRAMES 0xff        /* how many frames F0.. it has */
#define PROGRAM_ASSIST (1 << 8)    /* VM-assist writable_pagetables is on */
#define PROGRAM_MARKED (1 << 9)    /* the console says which operation runs */
#define PROGRAM_VCPUS_SHIFT 10     /* bits 10, 11: its vCPUs, less one */
#define PROGRAM_DOMAIN (1 << 12)   /* it is run on a second domain (domain.c) */

#define FRAMES_MAX 31

/* Status. */
#define DONE 0
#define UNSUPPORTED 1 /* the operation cannot be run here */
#define NOT_BACK 2    /* `receive` got another frame than was asked for */
#define EXHAUSTED 3   /* no fresh frames or vCPUs are left: the program was not run */

/* Type of a frame that is not the guest's any more. */
#define GONE 0xf0000000u

/* Words of struct page_info (xen.h), the kernel's own mapping not counted. */
#define COUNT_WORDS 4

struct batch_head {
	u32 magic, version, request, answered, program, operation, frame_table, race, contended, event;
};

/* A record and its word 0, options and opcodes: src/program/record.ts. */
struct record {
	u32 opcode, frame, slot, low, high, count, items, options;
};
#define OPCODE(r) ((r)->opcode & 0xff)
#define VARIANT(r) ((r)->opcode >> 8 & 0xff)
#define CPU(r) ((r)->opcode >> 16 & 3)
/* 0 for none, else the number of the contended reference plus one. */
#define CONTENDED(r) ((r)->opcode >> 18 & 0x3f)
/* An event is pending from the operation's beginning (`preempt=0`; later ones do not occur). */
#define PREEMPTED_AT_ONCE(r) ((r)->opcode >> 24 & 0x7f)
/* A virtual address, which stands in the words of frame and slot. */
#define ADDRESS(r) ((ulong)((u64)(r)->slot << 32 | (r)->frame))
#define OPT_FD 7
#define OPT_PFD_SHIFT 3
#define OPT_BAD (1 << 5)
#define OPT_FLUSH_SHIFT 6
#define OPT_DONE_SHIFT 8

enum opcode {
	OP_STORE = 1,
	OP_STORE_FRAME,
	OP_FILL,
	OP_MMU_UPDATE,
	OP_MACHPHYS,
	OP_UPDATE_VA,
	OP_PIN,
	OP_UNPIN,
	OP_NEW_BASEPTR,
	OP_NEW_USER_BASEPTR,
	OP_CLEAR_PAGE,
	OP_COPY_PAGE,
	OP_SET_LDT,
	OP_MMUEXT,
	OP_SET_GDT,
	OP_UPDATE_DESCRIPTOR,
	OP_ACCESS_LDT,
	OP_WRITE_CR3,
	OP_RELEASE,
	OP_RECEIVE,
	OP_DECREASE_RESERVATION,
	OP_MMU_UPDATE_LIST,
	OP_MMUEXT_LIST,
	OP_MULTICALL,
	OP_FILL_ENTRY,
	OP_GDT_FRAME,
	OP_RESUME,
	OP_TOUCH,
	OP_STORE_CACHED,
	OP_IRET_USER,
	OP_INITIALISE,
	OP_RESET_VCPU,
	OP_DESTROY,
};

/* Answers besides 0 and Xen's error numbers, and where a list's `done` count plus one stands: models/x86/result.ts. */
#define DEAD 252
#define PREEMPTED 253
#define NONE 254
#define FAULT 255
#define DONE_SHIFT 8

/* Frame numbers in programs: src/program/machine.ts. */
#define FIRST_FRAME 0x200
#define NAMELESS 1
#define BOOT_FRAME 0x100 /* B1..B4 are BOOT_FRAME + 1 .. 4, K0, K2, K3 are + 5 .. 7 */

#endif
