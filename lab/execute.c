/* One operation of a program: its hypercall, or its store. */
#include "lab.h"

#define CR3_INTERRUPTED 2
#define NOT_RUN 1 /* result of a multicall's call, which is 0 or negative once it has run */

int try_load(ulong address);
int try_store8(ulong address, u64 value);
int try_store4(ulong address, u32 value);
int try_write_cr3(ulong value, u32 event); /* besides 0 and 1: CR3_INTERRUPTED */
int try_lar(ulong selector);

static u8 canvas[PAGE] __attribute__((aligned(4096)));

static int is_list(const struct record *r)
{
	return OPCODE(r) == OP_MMU_UPDATE_LIST || OPCODE(r) == OP_MMUEXT_LIST;
}

/* A request that Xen has accepted: what the kernel must know of it. */
static void note(const struct record *r)
{
	if (OPCODE(r) == OP_SET_LDT)
		self()->ldt_entries = r->count;
	if (OPCODE(r) == OP_INITIALISE && subject == DOMID_SELF) {
		stacks[r->count].vcpu.down = 0;
		stacks[r->count].vcpu.in_user_mode = (r->options & OPT_BAD) != 0;
	}
}

/* The answer of a call that has returned; `list` is that of its list, of which `*noted` requests were known as done. */
static u32 answer_of(const struct record *r, u32 answer, u32 list, u32 *noted)
{
	u32 done, from;

	if (!is_list(r)) {
		if (!answer)
			note(r);
		return answer;
	}
	done = *done_of(list);
	from = r->options >> OPT_DONE_SHIFT;
	if (from ? !(pte_of(done_of(list)) & D) : done == UNTOUCHED)
		return answer;
	for (; *noted < done - (from ? from - 1 : 0) && *noted < r->items; ++*noted)
		note(r + 1 + *noted);
	return answer | (done + 1) << DONE_SHIFT;
}

static u32 error_of(const struct multicall_entry *call)
{
	return call->result < 0 ? -call->result : 0;
}

/* Makes a record's call, or lets one go on, and remembers it if an event interrupts it. */
static u32 make_call(struct multicall_entry call, const struct record *r, u32 list, u32 noted, u32 event)
{
	/* A call goes on with nothing but its answer where Xen has only to clean up: `done` was written before. */
	int over = is_list(r) && call.args[0] == 0;
	int stopped = hypercall_event(&call, event);
	u32 answer = stopped ? PREEMPTED : error_of(&call);

	if (!over)
		answer = answer_of(r, answer, list, &noted);
	if (stopped) {
		struct vcpu *v = self();

		v->interrupted = r;
		v->interrupted_call = call;
		v->interrupted_list = list;
		v->interrupted_noted = noted;
	}
	return answer;
}

/* Into user mode and back; 1 where an access to the selector faults there. */
static int enter_user_mode(struct multicall_entry *call, ulong selector)
{
#if IS64
	self()->in_user_mode = 1;
	return hypercall_user(call, selector);
#else
	(void)call, (void)selector;
	return 0;
#endif
}

static int multicall(const struct record *r, u32 *answers)
{
	static struct multicall_entry calls[128];
	u32 count = 0, list = lists_used = ALL_SINGLES, to_user = 0;
	struct multicall_entry call = {__HYPERVISOR_multicall, 0, {(ulong)calls}};

	for (u32 i = 1; i <= r->items; i += 1 + r[i].items) {
		to_user |= OPCODE(r + i) == OP_IRET_USER;
		calls[count] = call_of(r + i);
		calls[count++].result = NOT_RUN;
	}
	call.args[1] = count;
	if (to_user)
		enter_user_mode(&call, 0);
	else
		hypercall_event(&call, EVENT_MASKED);
	answers[0] = error_of(&call);
	count = 0;
	for (u32 i = 1; i <= r->items; i += 1 + r[i].items) {
		u32 noted = 0;

		if (calls[count].result == NOT_RUN)
			answers[i] = NONE;
		else
			answers[i] = answer_of(r + i, error_of(calls + count), list, &noted);
		count++;
		list += OPCODE(r + i) != OP_UPDATE_VA && OPCODE(r + i) != OP_UPDATE_DESCRIPTOR &&
			OPCODE(r + i) != OP_IRET_USER;
	}
	return DONE;
}

/* A store to the entry at an address, through whatever the TLB holds; 0 or FAULT. */
static u32 store_cached(ulong address, const struct record *r)
{
	u64 entry = entry_of_names(r->low, r->high);
	int fault;

	if (VARIANT(r) == 0)
		fault = try_store8(address, entry);
	else if (VARIANT(r) == 1)
		fault = try_store4(address, entry);
	else
		fault = try_store4(address + 4, entry >> 32);
	return fault ? FAULT : 0;
}

/* The same with a clean TLB. */
static u32 store(ulong address, const struct record *r)
{
	tlb_flush((void *)address);
	return store_cached(address, r);
}

static u32 store_frame(const struct record *r)
{
	int index = frame_index(r->frame);
	const u64 *entries = index < 0 ? b1 : view(index);
	u32 answer = entries ? store((ulong)(entries + r->slot), r) : FAULT;

	close_views();
	return answer;
}

static u32 fill(const struct record *r)
{
	u64 *entries = (u64 *)canvas;

	if (r->frame < BOOT_FRAME || map_frame(canvas, mfn_of_name(r->frame), P | RW))
		return FAULT;
	for (u32 i = 0; i < ENTRIES; i++)
		entries[i] = 0;
	for (u32 i = 1; i <= r->items; i++)
		entries[r[i].slot] = entry_of_names(r[i].low, r[i].high);
	map(canvas, 0);
	return 0;
}

static u32 access_ldt(u32 page, u32 in_user_mode)
{
	u32 first = page * ENTRIES;
	struct multicall_entry call = {.op = __HYPERVISOR_iret};

	if (first >= self()->ldt_entries)
		return FAULT;
	if (!in_user_mode)
		return try_lar(first << 3 | 7) ? FAULT : 0;
	first = enter_user_mode(&call, first << 3 | 7) ? FAULT : 0;
	self()->in_user_mode = 0;
	return first;
}

static u32 write_cr3(const struct record *r, u32 event)
{
	int failed = try_write_cr3(cr3_of(mfn_of_name(r->frame)), event);

	if (failed == CR3_INTERRUPTED) {
		self()->interrupted = r;
		return PREEMPTED;
	}
	return failed ? FAULT : 0;
}

static u32 resume(u32 event)
{
	struct vcpu *v = self();
	const struct record *r = v->interrupted;

	v->interrupted = 0;
	if (!r)
		return NONE;
	if (OPCODE(r) == OP_WRITE_CR3)
		return write_cr3(r, event);
	/* With the same arguments, but the vCPU may be another one of Xen's by now. */
	if (OPCODE(r) == OP_INITIALISE)
		return make_call(call_of(r), r, 0, 0, event);
	return make_call(v->interrupted_call, r, v->interrupted_list, v->interrupted_noted, event);
}

int execute(const struct record *r, u32 *answers)
{
	u32 event = PREEMPTED_AT_ONCE(r) ? EVENT_PENDING : EVENT_MASKED, list;
	struct vcpu *v = self();
	u32 in_user_mode = v->in_user_mode;

	v->in_user_mode = 0;
	list = v->number * SINGLES;
	list += v->interrupted && v->interrupted_list == list;
	lists_used = list;
	switch (OPCODE(r)) {
	case OP_STORE:
		answers[0] = store(ADDRESS(r), r);
		return DONE;
	case OP_STORE_FRAME:
		answers[0] = store_frame(r);
		return DONE;
	case OP_TOUCH:
		answers[0] = try_load(ADDRESS(r)) ? FAULT : 0;
		return DONE;
	case OP_STORE_CACHED:
		answers[0] = store_cached(ADDRESS(r), r);
		return DONE;
	case OP_FILL:
		answers[0] = fill(r);
		return DONE;
	case OP_IRET_USER: {
		struct multicall_entry call = call_of(r);

		if (!IS64)
			return UNSUPPORTED;
		enter_user_mode(&call, 0);
		return DONE;
	}
	case OP_ACCESS_LDT:
		answers[0] = access_ldt(r->frame, in_user_mode);
		return DONE;
	case OP_WRITE_CR3:
		answers[0] = write_cr3(r, event);
		return DONE;
	case OP_RESUME:
		answers[0] = resume(event);
		return DONE;
	case OP_RELEASE:
	case OP_RECEIVE:
	case OP_DECREASE_RESERVATION:
		return memory_op(r, answers);
	case OP_MULTICALL:
		return multicall(r, answers);
	}
	answers[0] = make_call(call_of(r), r, list, 0, event);
	return DONE;
}
