/* One operation of a program: its hypercall, or its store. */
#include "lab.h"

#define CR3_INTERRUPTED 2
#define LISTS 8 /* of a multicall */
#define SINGLES 2 /* of a vCPU's single calls: an interrupted one keeps its own */
#define ALL_SINGLES (VCPUS * SINGLES)
#define UNTOUCHED 0xffffffffu
#define NOT_RUN 1 /* result of a multicall's call, which is 0 or negative once it has run */
#define NO_SUCH_DOMAIN 0x1234u

int try_store8(ulong address, u64 value);
int try_store4(ulong address, u32 value);
int try_write_cr3(ulong value, u32 event); /* besides 0 and 1: CR3_INTERRUPTED */
int try_lar(ulong selector);

/* Lists end at a page that is not mapped, and each guest's count has a page to itself, whose D bit tells a write. */
static u8 lists[ALL_SINGLES + LISTS][2 * PAGE] __attribute__((aligned(4096)));
static u8 dones[ALL_SINGLES + LISTS][PAGE] __attribute__((aligned(4096)));
static u8 canvas[PAGE] __attribute__((aligned(4096)));
static ulong bitmap = 1;
static u32 lists_used;

/* Room for `count` elements, of which element `unreadable` - 1, if that is not 0, lies beyond the mapped page. */
static void *new_list(u32 count, u32 size, u32 unreadable, u32 *readable)
{
	u8 *end = lists[lists_used++] + PAGE;

	if (pte_of(end))
		map(end, 0);
	*readable = unreadable && unreadable <= count ? unreadable - 1 : count;
	return end - *readable * size;
}

static u32 *done_of(u32 list)
{
	return (u32 *)dones[list];
}

static ulong domain_id(u32 options)
{
	switch (options & OPT_FD) {
	case 0:
		return DOMID_SELF;
	case 1:
		return 0; /* this domain's number */
	case 2:
		return DOMID_IO;
	case 3:
		return DOMID_XEN;
	}
	return NO_SUCH_DOMAIN;
}

static ulong table_owner(u32 options)
{
	switch (options >> OPT_PFD_SHIFT & 3) {
	case 0:
		return 0;
	case 1:
		return 0 + 1;
	}
	return NO_SUCH_DOMAIN + 1;
}

static struct mmu_update mmu_update_of(const struct record *r)
{
	u64 page = (u64)mfn_of_name(r->frame) * PAGE;

	if (OPCODE(r) == OP_MACHPHYS)
		return (struct mmu_update){page | MMU_MACHPHYS_UPDATE, (u64)r->high << 32 | r->low};
	return (struct mmu_update){page | r->slot * 8 | VARIANT(r), entry_of_names(r->low, r->high)};
}

static struct mmuext_op mmuext_of(const struct record *r)
{
	struct mmuext_op op = {VARIANT(r), mfn_of_name(r->frame), 0};

	switch (OPCODE(r)) {
	case OP_PIN:
		op.cmd = MMUEXT_PIN_L1_TABLE + VARIANT(r) - 1;
		break;
	case OP_UNPIN:
		op.cmd = MMUEXT_UNPIN_TABLE;
		break;
	case OP_NEW_BASEPTR:
		op.cmd = MMUEXT_NEW_BASEPTR;
		break;
	case OP_NEW_USER_BASEPTR:
		op.cmd = MMUEXT_NEW_USER_BASEPTR;
		break;
	case OP_CLEAR_PAGE:
		op.cmd = MMUEXT_CLEAR_PAGE;
		break;
	case OP_COPY_PAGE:
		op.cmd = MMUEXT_COPY_PAGE;
		op.arg2 = mfn_of_name(r->low);
		break;
	case OP_SET_LDT:
		op.cmd = MMUEXT_SET_LDT;
		op.arg1 = IS64 ? (ulong)((u64)r->slot << 32 | r->frame) : r->frame;
		op.arg2 = r->count;
		break;
	default: /* OP_MMUEXT */
		op.arg1 = op.cmd == MMUEXT_INVLPG_LOCAL || op.cmd == MMUEXT_INVLPG_MULTI ? WINDOWS : 0;
		op.arg2 = r->options & OPT_BAD ? BAD_ADDRESS : (ulong)&bitmap;
	}
	return op;
}

static struct multicall_entry call_of_list(ulong op, void *list, u32 count, u32 *done, ulong domain)
{
	return (struct multicall_entry){op, 0, {(ulong)list, count, (ulong)done, domain}};
}

/* A list as the guest asks for it: its address, its count and where the count of what is done goes. */
static struct multicall_entry list_call(const struct record *r)
{
	int mmuext = OPCODE(r) == OP_MMUEXT_LIST;
	u32 readable, used = lists_used, count = r->items, *done = done_of(used);
	ulong domain = domain_id(r->options) | table_owner(r->options) << 16;
	void *list = new_list(count, mmuext ? sizeof(struct mmuext_op) : sizeof(struct mmu_update), r->count,
			      &readable);

	for (u32 i = 0; i < readable; i++) {
		if (mmuext)
			((struct mmuext_op *)list)[i] = mmuext_of(r + 1 + i);
		else
			((struct mmu_update *)list)[i] = mmu_update_of(r + 1 + i);
	}
	if (r->options & OPT_BAD)
		list = (void *)BAD_ADDRESS;
	*done = UNTOUCHED;
	if (r->options >> OPT_DONE_SHIFT) {
		*done = (r->options >> OPT_DONE_SHIFT) - 1;
		map(done, pte_of(done) & ~(u64)D);
		count |= MMU_UPDATE_PREEMPTED;
	}
	return call_of_list(mmuext ? __HYPERVISOR_mmuext_op : __HYPERVISOR_mmu_update, list, count, done, domain);
}

static struct multicall_entry update_va_call(const struct record *r)
{
	ulong address = IS64 ? (ulong)((u64)r->slot << 32 | r->frame) : r->frame;
	ulong flags = r->options >> OPT_FLUSH_SHIFT & 3;
	u64 entry = entry_of_names(r->low, r->high);
	int other = (r->options & OPT_FD) != 0;
	struct multicall_entry call = {0};
	u32 i = 0;

	call.op = other ? __HYPERVISOR_update_va_mapping_otherdomain : __HYPERVISOR_update_va_mapping;
	call.args[i++] = address;
	call.args[i++] = entry;
	if (!IS64)
		call.args[i++] = entry >> 32;
	call.args[i++] = r->options & OPT_BAD ? BAD_ADDRESS | flags : flags;
	call.args[i++] = domain_id(r->options);
	return call;
}

static struct multicall_entry set_gdt_call(const struct record *r)
{
	u32 readable;
	ulong *list = new_list(r->items, sizeof(ulong), 0, &readable);

	for (u32 i = 0; i < readable; i++)
		list[i] = mfn_of_name(r[1 + i].frame);
	return (struct multicall_entry){__HYPERVISOR_set_gdt, 0, {(ulong)list, r->count}};
}

static struct multicall_entry update_descriptor_call(const struct record *r)
{
	u64 address = (u64)mfn_of_name(r->frame) * PAGE + r->slot * 8 + (r->options & OPT_BAD ? 4 : 0);

#if IS64
	return (struct multicall_entry){__HYPERVISOR_update_descriptor, 0,
					{address, (u64)r->high << 32 | r->low}};
#else
	return (struct multicall_entry){__HYPERVISOR_update_descriptor, 0,
					{address, address >> 32, r->low, r->high}};
#endif
}

/* The hypercall of a record; its lists stay until the next operation. */
static struct multicall_entry call_of(const struct record *r)
{
	u32 readable;

	switch (OPCODE(r)) {
	case OP_IRET_USER:
		return (struct multicall_entry){.op = __HYPERVISOR_iret};
	case OP_MMU_UPDATE_LIST:
	case OP_MMUEXT_LIST:
		return list_call(r);
	case OP_UPDATE_VA:
		return update_va_call(r);
	case OP_SET_GDT:
		return set_gdt_call(r);
	case OP_UPDATE_DESCRIPTOR:
		return update_descriptor_call(r);
	case OP_MMU_UPDATE:
	case OP_MACHPHYS: {
		struct mmu_update *list = new_list(1, sizeof(*list), 0, &readable);

		*list = mmu_update_of(r);
		return call_of_list(__HYPERVISOR_mmu_update, list, 1, 0, DOMID_SELF);
	}
	default: {
		struct mmuext_op *list = new_list(1, sizeof(*list), 0, &readable);

		*list = mmuext_of(r);
		return call_of_list(__HYPERVISOR_mmuext_op, list, 1, 0, DOMID_SELF);
	}
	}
}

static int is_list(const struct record *r)
{
	return OPCODE(r) == OP_MMU_UPDATE_LIST || OPCODE(r) == OP_MMUEXT_LIST;
}

/* A request that Xen has accepted: what the kernel must know of it. */
static void note(const struct record *r)
{
	if (OPCODE(r) == OP_SET_LDT)
		self()->ldt_entries = r->count;
	if (OPCODE(r) == OP_NEW_USER_BASEPTR)
		self()->user_base = mfn_of_name(r->frame);
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
		/* It may have been switched already. */
		for (u32 i = 0; i <= r->items; i++)
			if (OPCODE(r + i) == OP_NEW_USER_BASEPTR)
				v->user_base = 0;
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

/* A store to the entry at an address, the TLB clean; 0 or FAULT. */
static u32 store(ulong address, const struct record *r)
{
	u64 entry = entry_of_names(r->low, r->high);
	int fault;

	tlb_flush((void *)address);
	if (VARIANT(r) == 0)
		fault = try_store8(address, entry);
	else if (VARIANT(r) == 1)
		fault = try_store4(address, entry);
	else
		fault = try_store4(address + 4, entry >> 32);
	return fault ? FAULT : 0;
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
		answers[0] = store(IS64 ? (ulong)((u64)r->slot << 32 | r->frame) : r->frame, r);
		return DONE;
	case OP_STORE_FRAME:
		answers[0] = store_frame(r);
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
