/*
 * Which operations would take away the mapping that the kernel runs in (docs/format.md). The kernel lives in what
 * B2[0] and B2[2] map (x86_32: K0, K2, K3) and reaches programs' frames through B1; every table that is loaded
 * must have them.
 */
#include "lab.h"

#define KERNEL_ENTRY(mfn) ((u64)(mfn) * PAGE | P | RW)

static const u64 *contents(ulong mfn)
{
	int index = frame_index(name_of_mfn(mfn));

	return index < 0 ? 0 : view(index);
}

static int maps(u64 entry, ulong mfn, u64 flags)
{
	return (entry & (PFN_MASK | MAPPING | NX)) == ((u64)mfn * PAGE | flags);
}

static int has_kernel(ulong mfn)
{
	const u64 *root = contents(mfn), *l2;

	if (mfn == ROOT || !root)
		return 1; /* Xen refuses what is none of the program's frames */
	if (IS64)
		return maps(root[ENTRIES - 1], boot_mfn[3], MAPPING);
	if (!(root[3] & P))
		return 0;
	if ((root[3] & PFN_MASK) / PAGE == boot_mfn[2])
		return 1;
	l2 = contents((root[3] & PFN_MASK) / PAGE);
	return l2 && maps(l2[0] & ~(u64)US, boot_mfn[5], P | RW) && maps(l2[1] & ~(u64)US, boot_mfn[1], P | RW) &&
	       maps(l2[2] & ~(u64)US, boot_mfn[6], P | RW) && maps(l2[3] & ~(u64)US, boot_mfn[7], P | RW);
}

/* The slots of frame `mfn` by which the root `base` reaches the kernel. */
static int is_path(ulong base, ulong mfn, u32 slot)
{
	const u64 *root = contents(base);

	if (mfn == base)
		return slot == (IS64 ? ENTRIES - 1 : 3);
	return !IS64 && root && (root[3] & PFN_MASK) / PAGE == mfn && slot < 4;
}

static int is_loaded_path(ulong mfn, u32 slot)
{
	for (u32 i = 0; i < vcpus; i++)
		if (is_path(stacks[i].vcpu.base, mfn, slot))
			return 1;
	return 0;
}

static int is_boot_table(ulong mfn)
{
	for (u32 i = 1; i < 8; i++)
		if (mfn && boot_mfn[i] == mfn)
			return 1;
	return 0;
}

/* Whether the record, by itself, may write the slots of `base` (about to be loaded) that lead to the kernel. */
static int writes_path(const struct record *r, ulong base)
{
	ulong mfn = mfn_of_name(r->frame);

	if (OPCODE(r) == OP_MMU_UPDATE)
		return is_path(base, mfn, r->slot);
	if (OPCODE(r) == OP_CLEAR_PAGE || OPCODE(r) == OP_COPY_PAGE)
		return mfn == base || (!IS64 && frame_index(r->frame) >= 0);
	return 0;
}

/* Without a user base pointer Xen would end the domain. */
static int user_has_kernel(void)
{
	ulong base = self()->user_base;

	return base && has_kernel(base);
}

/* Whether user mode might have other tables when the multicall's call `last` returns to it. */
static int changes_user(const struct record *r, u32 last)
{
	for (u32 i = 1; i < last; i++)
		if (OPCODE(r + i) == OP_NEW_USER_BASEPTR || writes_path(r + i, self()->user_base))
			return 1;
	return 0;
}

static int alone(const struct record *r)
{
	ulong mfn = mfn_of_name(r->frame);
	u32 window;

	switch (OPCODE(r)) {
	case OP_MMU_UPDATE:
		if (mfn == boot_mfn[1])
			return 0;
		return is_boot_table(mfn) || is_loaded_path(mfn, r->slot);
	case OP_UNPIN:
	case OP_CLEAR_PAGE:
	case OP_COPY_PAGE:
	case OP_RELEASE:
	case OP_DECREASE_RESERVATION:
		return is_boot_table(mfn);
	case OP_STORE:
		/* Xen emulates stores to L1 tables alone: x86_32's K tables. */
		window = (r->frame - (u32)WINDOWS) / PAGE;
		mfn = (b1[window] & PFN_MASK) / PAGE;
		return (b1[window] & P) && name_of_mfn(mfn) > BOOT_FRAME + 4 && is_boot_table(mfn);
	case OP_NEW_BASEPTR:
	case OP_WRITE_CR3:
	case OP_INITIALISE:
		return !has_kernel(mfn);
	case OP_IRET_USER:
		return !user_has_kernel();
	case OP_ACCESS_LDT:
		return self()->in_user_mode && !user_has_kernel();
	}
	return 0;
}

static int any_takes_the_kernel_away(const struct record *r)
{
	if (alone(r))
		return 1;
	for (u32 i = 1; i <= r->items; i++) {
		if (alone(r + i))
			return 1;
		if (OPCODE(r + i) == OP_IRET_USER && changes_user(r, i))
			return 1;
		if (OPCODE(r + i) != OP_NEW_BASEPTR)
			continue;
		for (u32 j = 1; j <= r->items; j++)
			if (writes_path(r + j, mfn_of_name(r[i].frame)))
				return 1;
	}
	return 0;
}

int takes_the_kernel_away(const struct record *r)
{
	int answer;

	if (OPCODE(r) == OP_RESUME && !(r = self()->interrupted))
		return 0;
	answer = any_takes_the_kernel_away(r);
	close_views();
	return answer;
}
