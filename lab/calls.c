/* The hypercall of a record, and the lists that it points to. */
#include "lab.h"

#define NO_SUCH_DOMAIN 0x1234u

/* Lists end at a page that is not mapped, and each guest's count has a page to itself, whose D bit tells a write. */
static u8 lists[ALL_SINGLES + LISTS][2 * PAGE] __attribute__((aligned(4096)));
static u8 dones[ALL_SINGLES + LISTS][PAGE] __attribute__((aligned(4096)));
static ulong bitmap = 1;
u32 lists_used;

/* Room for `count` elements, of which element `unreadable` - 1, if that is not 0, lies beyond the mapped page. */
static void *new_list(u32 count, u32 size, u32 unreadable, u32 *readable)
{
	u8 *end = lists[lists_used++] + PAGE;

	if (pte_of(end))
		map(end, 0);
	*readable = unreadable && unreadable <= count ? unreadable - 1 : count;
	return end - *readable * size;
}

u32 *done_of(u32 list)
{
	return (u32 *)dones[list];
}

/* This domain's number is 0. */
static ulong domain_id(u32 options)
{
	static const u16 ids[OPT_FD + 1] = {DOMID_SELF, 0, DOMID_IO, DOMID_XEN, NO_SUCH_DOMAIN};

	return options & OPT_FD ? ids[options & OPT_FD] : subject;
}

/* Xen wants the number plus one; without it the tables are this domain's. */
static ulong table_owner(u32 options)
{
	static const u16 owners[4] = {0, 0 + 1, NO_SUCH_DOMAIN + 1};

	return subject == DOMID_SELF ? owners[options >> OPT_PFD_SHIFT & 3] : subject + 1;
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
	static const u8 commands[] = {
		[OP_UNPIN] = MMUEXT_UNPIN_TABLE,
		[OP_NEW_BASEPTR] = MMUEXT_NEW_BASEPTR,
		[OP_NEW_USER_BASEPTR] = MMUEXT_NEW_USER_BASEPTR,
		[OP_CLEAR_PAGE] = MMUEXT_CLEAR_PAGE,
		[OP_COPY_PAGE] = MMUEXT_COPY_PAGE,
	};
	struct mmuext_op op = {VARIANT(r), mfn_of_name(r->frame), 0};

	switch (OPCODE(r)) {
	case OP_PIN:
		op.cmd = MMUEXT_PIN_L1_TABLE + VARIANT(r) - 1;
		break;
	case OP_COPY_PAGE:
		op.arg2 = mfn_of_name(r->low);
		/* fall through */
	case OP_UNPIN:
	case OP_NEW_BASEPTR:
	case OP_NEW_USER_BASEPTR:
	case OP_CLEAR_PAGE:
		op.cmd = commands[OPCODE(r)];
		break;
	case OP_SET_LDT:
		op.cmd = MMUEXT_SET_LDT;
		op.arg1 = ADDRESS(r);
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
	ulong flags = r->options >> OPT_FLUSH_SHIFT & 3;
	u64 entry = entry_of_names(r->low, r->high);
	int other = (r->options & OPT_FD) != 0;
	struct multicall_entry call = {0};
	u32 i = 0;

	call.op = other ? __HYPERVISOR_update_va_mapping_otherdomain : __HYPERVISOR_update_va_mapping;
	call.args[i++] = ADDRESS(r);
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
struct multicall_entry call_of(const struct record *r)
{
	u32 readable;

	switch (OPCODE(r)) {
	case OP_INITIALISE:
		return (subject == DOMID_SELF ? initialise_call : domain_initialise_call)(
			r->count, mfn_of_name(r->frame), mfn_of_name(r->low), r->options & OPT_BAD);
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
		return call_of_list(__HYPERVISOR_mmu_update, list, 1, 0, subject | table_owner(0) << 16);
	}
	default: {
		struct mmuext_op *list = new_list(1, sizeof(*list), 0, &readable);

		*list = mmuext_of(r);
		return call_of_list(__HYPERVISOR_mmuext_op, list, 1, 0, subject);
	}
	}
}
