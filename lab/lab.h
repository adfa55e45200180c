/* What the parts of the lab know of one another. */
#ifndef LAB_H
#define LAB_H

#include "arch.h"
#include "batch.h"

#define PAGE 4096ul
#define ENTRIES 512
#define P 1
#define RW 2
#define US 4
#define D 0x40
#define PSE 0x80
#define PFN_MASK 0xffffffffff000ull
#define BOOT_TABLES (IS64 ? 4 : 7) /* from B1 on */
#define WINDOW_FLAGS (IS64 ? P | RW | US | 0x160 /* A D G */ : P | RW | 0x60)

typedef u64 table[ENTRIES];

static inline ulong mfn_in(u64 entry)
{
	return (entry & PFN_MASK) / PAGE;
}

/* A vCPU of the kernel's, at the lower end of its stack (entry.S), from which it knows itself. */
#define VCPUS 4
struct vcpu {
	volatile u16 *event;             /* entry.S uses these two */
	struct multicall_entry *call_now;
	u32 number;
	u32 id;                          /* Xen's number of it */
	u32 down;                        /* Xen has not initialised it */
	void (*volatile work)(void);     /* what it is to do */
	u32 ldt_entries;
	const struct record *interrupted; /* whose call an event has interrupted last, if it has not gone on */
	struct multicall_entry interrupted_call;
	u32 interrupted_list, interrupted_noted;
	u32 in_user_mode;                /* since its last operation */
	u64 bounce[32];                  /* the stack with which Xen enters the kernel from user mode */
};
union vcpu_stack {
	struct vcpu vcpu;
	u8 bytes[STACK_BYTES];
};
extern union vcpu_stack stacks[VCPUS];
static inline struct vcpu *self(void)
{
	ulong sp;
	asm("mov %%" SP_NAME ", %0" : "=r"(sp));
	return (struct vcpu *)(sp & -STACK_BYTES);
}

/*
 * entry.S: makes the hypercall, with EVENT_PENDING or EVENT_MASKED. 0: `result` is Xen's answer. Otherwise the event
 * has interrupted it, and `call` is what goes on.
 */
int hypercall_event(struct multicall_entry *call, u32 event);

/* Xen's answer to a hypercall of up to four arguments. */
static inline int hypercall(ulong op, ulong a, ulong b, ulong c, ulong d)
{
	struct multicall_entry call = {op, 0, {a, b, c, d}};

	hypercall_event(&call, EVENT_MASKED);
	return call.result;
}

/*
 * entry.S, x86_64: the same for one that returns to user mode, which comes back at once, or first loads the access rights of a
 * selector, if that is not 0. Returns 1 where that has faulted.
 */
int hypercall_user(struct multicall_entry *call, ulong selector);

void race(void); /* entry.S: does nothing */

/* console.c */
void print(const char *text);
void print_number(const char *before, u64 number);
void die(const char *why) __attribute__((noreturn));

/* memory.c: frames and tables. All frame numbers `mfn` are the machine's, `name` those of programs. */
extern ulong boot_mfn[8];        /* by number as in BOOT_FRAME + n; 0 where there is none */
#define ROOT boot_mfn[IS64 ? 4 : 3]
extern ulong frame_mfn[FRAMES_MAX];
extern u32 frames;               /* of the program that runs */
extern u32 pae_xen_slot;
extern const u64 *b1;            /* B1 as the kernel may read it */
extern u8 alias[FRAMES_MAX][PAGE]; /* each frame, read-only */
extern u8 shared_info[PAGE];
void memory_start(const struct start_info *info);
u64 pte_of(const void *address);
int map(const void *address, u64 entry);
int map_frame(const void *address, ulong mfn, u64 flags);
ulong mfn_of_name(u32 name);
u32 name_of_mfn(u64 mfn);
u64 entry_of_names(u32 low, u32 high);
int frame_index(u32 name);
const u64 *view(u32 index);      /* what a frame holds; 0 where it is not the guest's */
void close_views(void);
void tlb_flush(const void *address);
ulong fresh_frame(void);
void spare_frame(ulong mfn);
u64 now(void);

/* state.c: the state that programs begin with. */
int domctl(struct xen_domctl *op);
int frame_types(u32 *types);
u32 *put_frame(u32 *out, u32 type, const u64 *entries);
int state_prepare(u32 wanted, u32 vcpus, int assist);
u32 *state_counts(u32 *out);
u32 *state_report(u32 *out);
u32 state_restore(void);
void let_go_of_vcpu(void);
extern u32 gone;                 /* frames that are not the guest's at the moment, one bit each */
extern u32 dropped;              /* frames without their allocation, which go with their last reference */

/* domain.c: a second domain, on which the programs of an ordinary domain are run. x86_64 only. */
extern ulong subject;            /* whose frames and vCPUs programs name: DOMID_SELF, or that domain */
u32 domain_prepare(u32 wanted, u32 vcpus);
struct multicall_entry domain_initialise_call(u32 number, ulong base, ulong user_base, int in_user_mode);
int domain_execute(const struct record *r, u32 *answer);
u32 *domain_report(u32 *out);
u32 domain_restore(void);

/* vcpus.c */
extern u32 vcpus;                /* of the program that runs */
void vcpu_prepare(u32 number, u32 id);
void vcpus_start(void);
int vcpus_left(u32 count);
void vcpu_replace(u32 number);
void vcpu_initialise(u32 number);
struct multicall_entry initialise_call(u32 number, ulong base, ulong user_base, int in_user_mode);
void on(u32 number, void (*work)(void));

/* calls.c: lists 0 to ALL_SINGLES - 1 are those of single calls, the others a multicall's. */
#define LISTS 8 /* of a multicall */
#define SINGLES 2 /* of a vCPU's single calls: an interrupted one keeps its own */
#define ALL_SINGLES (VCPUS * SINGLES)
#define UNTOUCHED 0xffffffffu
extern u32 lists_used;
u32 *done_of(u32 list);          /* where the guest counts what is done of a list */
struct multicall_entry call_of(const struct record *r);

/* execute.c */
int execute(const struct record *r, u32 *answers);

/* memory-ops.c */
int memory_op(const struct record *r, u32 *answer);
u32 exchange(ulong *mfns, u32 count);

#endif
