/* The state that every program begins with (docs/format.md), and what a program has made of it. */
#include "lab.h"

u32 gone, dropped;
static int assist_on;
static struct mmu_update updates[ENTRIES];
static u32 domctl_version = 0x15; /* of Xen 4.17 */

static ulong boot_table(u32 index)
{
	ulong mfn = boot_mfn[index + 1];

	return mfn ? mfn : boot_mfn[3]; /* x86_32 has no B4 */
}

static int mmuext(struct mmuext_op *ops, u32 count, u32 *done)
{
	*done = 0;
	return hypercall(__HYPERVISOR_mmuext_op, (ulong)ops, count, (ulong)done, DOMID_SELF);
}

static void update_b1(u32 count)
{
	if (count && hypercall(__HYPERVISOR_mmu_update, (ulong)updates, count, 0, DOMID_SELF))
		die("a window cannot be restored");
}

static u64 b1_entry_address(u32 slot)
{
	return (u64)boot_mfn[1] * PAGE + slot * sizeof(u64);
}

/* Makes the request of Xen, which has to be told the version of its interface; 0 or Xen's error. */
int domctl(struct xen_domctl *op)
{
	int error;

	for (;;) {
		op->interface_version = domctl_version;
		error = hypercall(__HYPERVISOR_domctl, (ulong)op, 0, 0, 0);
		if (error != -EACCES || domctl_version > 0x40)
			return error;
		domctl_version = domctl_version == 0x15 ? 0x0d : domctl_version + 1; /* another Xen's */
	}
}

/* Types of the frames and then of B1 and the other boot tables, as XEN_DOMCTL_getpageframeinfo3 has them; 0 or Xen's error. */
int frame_types(u32 *types)
{
	static ulong mfns[FRAMES_MAX + BOOT_TABLES];
	struct xen_domctl op = {.cmd = XEN_DOMCTL_getpageframeinfo3};
	int error;

	op.domain = subject == DOMID_SELF ? 0 : subject;
	for (u32 i = 0; i < frames + BOOT_TABLES; i++)
		mfns[i] = i < frames ? frame_mfn[i] : boot_table(i - frames);
	op.u.getpageframeinfo3.num = frames + BOOT_TABLES;
	op.u.getpageframeinfo3.array = (ulong)mfns;
	error = domctl(&op);
	for (u32 i = 0; i < frames + BOOT_TABLES; i++)
		types[i] = mfns[i];
	return error;
}

static void get_types(u32 *types)
{
	if (frame_types(types))
		die("getpageframeinfo3 fails");
}

/* A frame of the report; without entries it is not the guest's. */
u32 *put_frame(u32 *out, u32 type, const u64 *entries)
{
	u32 *count = out + 1;

	*out = entries ? type : GONE;
	*count = 0;
	out += 2;
	if (!entries)
		return out;
	for (u32 slot = 0; slot < ENTRIES; slot++) {
		u64 entry = entries[slot];

		if (entry == 0)
			continue;
		entry = (entry & ~PFN_MASK) | (u64)name_of_mfn(mfn_in(entry)) * PAGE;
		*out++ = slot;
		*out++ = entry;
		*out++ = entry >> 32;
		++*count;
	}
	return out;
}

/* What Xen's frame table says. The kernel's own mapping of a frame, which is not counted, is a general reference. */
u32 *state_counts(u32 *out)
{
#if IS64
	const struct page_info *table = (const struct page_info *)FRAME_TABLE;

	for (u32 i = 0; i < frames; i++) {
		struct page_info page = table[frame_mfn[i]];

		*out++ = page.count_info - (subject == DOMID_SELF && !((gone | dropped) & 1u << i));
		*out++ = page.type_info;
		*out++ = page.type_info >> 32;
		*out++ = page.table;
	}
#endif
	return out;
}

u32 *state_report(u32 *out)
{
	u32 types[FRAMES_MAX + BOOT_TABLES];

	get_types(types);
	for (u32 i = 0; i < frames; i++)
		out = put_frame(out, types[i], view(i));
	close_views();
	return put_frame(out, types[frames], b1);
}

/* A vCPU's base pointers and descriptor tables. */
void let_go_of_vcpu(void)
{
	struct mmuext_op ops[] = {{MMUEXT_NEW_BASEPTR, ROOT, 0}, {MMUEXT_SET_LDT, 0, 0}, {MMUEXT_NEW_USER_BASEPTR, 0, 0}};
	struct vcpu *v = self();
	u32 done;

	if (mmuext(ops, IS64 ? 3 : 2, &done) || hypercall(__HYPERVISOR_set_gdt, 0, 0, 0, 0))
		die("the boot base pointer cannot be loaded");
	v->ldt_entries = 0;
	v->interrupted = 0;
	v->in_user_mode = 0;
}

/* Whatever holds a reference on a frame lets go of it: vCPUs, windows, pins. */
static void let_go(void)
{
	u32 types[FRAMES_MAX + BOOT_TABLES], count = 0, done;
	struct mmuext_op ops[FRAMES_MAX + BOOT_TABLES];

	for (u32 i = 0; i < vcpus; i++) {
		if (stacks[i].vcpu.down)
			vcpu_initialise(i);
		on(i, let_go_of_vcpu);
	}
	for (u32 slot = 0; slot < ENTRIES; slot++)
		if (b1[slot])
			updates[count++] = (struct mmu_update){b1_entry_address(slot), 0};
	update_b1(count);
	count = 0;
	get_types(types);
	for (u32 i = 0; i < frames + BOOT_TABLES; i++) {
		ulong mfn = i < frames ? frame_mfn[i] : boot_table(i - frames);

		if ((types[i] & PFINFO_PINNED) && types[i] != PFINFO_XTAB && mfn != ROOT)
			ops[count++] = (struct mmuext_op){MMUEXT_UNPIN_TABLE, mfn, 0};
	}
	if (count && mmuext(ops, count, &done))
		die("a frame cannot be unpinned");
}

/* Makes each frame an all-zero data page: only one without type references can be cleared, then be an L1 table. */
static void settle(void)
{
	static struct mmuext_op ops[3 * FRAMES_MAX];
	u32 count = 0, done;

	for (u32 i = 0; i < frames; i++) {
		ops[count++] = (struct mmuext_op){MMUEXT_CLEAR_PAGE, frame_mfn[i], 0};
		ops[count++] = (struct mmuext_op){MMUEXT_PIN_L1_TABLE, frame_mfn[i], 0};
		ops[count++] = (struct mmuext_op){MMUEXT_UNPIN_TABLE, frame_mfn[i], 0};
	}
	if (mmuext(ops, count, &done))
		die("a fresh frame is in use");
}

static void alias_frames(u64 flags)
{
	for (u32 i = 0; i < frames; i++)
		if (map(alias[i], flags ? (u64)frame_mfn[i] * PAGE | flags : 0))
			die("a frame cannot be mapped");
}

/* Frames whose last reference has gone are Xen's; the others keep one. */
static void settle_dropped(void)
{
	for (u32 i = 0; i < frames; i++)
		if ((dropped & 1u << i) && !view(i)) {
			dropped &= ~(1u << i);
			gone |= 1u << i;
		}
	close_views();
}

/* Fresh frames for all; one that something besides its allocation refers to is not taken, and keeps its place. */
static u32 exchange_all(void)
{
	u32 lost = 0;

	alias_frames(0);
	for (u32 i = 0; (i += exchange(frame_mfn + i, frames - i)) < frames; i++)
		lost |= 1u << i;
	alias_frames(P);
	return lost;
}

static void open_windows(void)
{
	for (u32 i = 0; i < frames; i++)
		updates[i] = (struct mmu_update){b1_entry_address(i), (u64)frame_mfn[i] * PAGE | WINDOW_FLAGS};
	update_b1(frames);
}

/* A set of fresh frames in place of those in `which`; whether there are enough. */
static int replace(u32 which)
{
	u32 taken = 0;

	for (u32 i = 0; i < frames; i++) {
		if (!(which & 1u << i))
			continue;
		frame_mfn[i] = fresh_frame();
		if (frame_mfn[i] == 0)
			return 0;
		taken |= 1u << i;
		if (map_frame(alias[i], frame_mfn[i], P))
			die("a fresh frame cannot be mapped");
	}
	gone &= ~taken;
	return 1;
}

int state_prepare(u32 wanted, u32 wanted_vcpus, int assist)
{
	vcpus = wanted_vcpus;
	if (frames < wanted || frames > wanted) {
		let_go();
		while (frames > wanted)
			spare_frame(frame_mfn[--frames]), map(alias[frames], 0);
		while (frames < wanted)
			gone |= 1u << frames++;
		if (!replace(gone)) {
			frames = 0;
			return 0;
		}
		settle();
		open_windows();
	}
	if (assist != assist_on) {
		hypercall(__HYPERVISOR_vm_assist, assist ? VMASST_CMD_enable : VMASST_CMD_disable,
			  VMASST_TYPE_writable_pagetables, 0, 0);
		assist_on = assist;
	}
	return 1;
}

/* Back to the state that programs begin with; the frames that kept a reference, for which the whole set is replaced. */
u32 state_restore(void)
{
	u32 lost = 0;
	int enough;

	let_go();
	settle_dropped();
	enough = replace(gone);
	if (enough)
		lost = exchange_all();
	dropped = 0;
	if (lost)
		enough = replace((1u << frames) - 1);
	if (!enough) {
		frames = 0;
		return lost;
	}
	settle();
	open_windows();
	return lost;
}
