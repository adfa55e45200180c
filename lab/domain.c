/*
 * A second domain, which never runs: the programs of an ordinary domain are run on it. The kernel is its toolstack, and asks in
 * its place for changes of its tables; so what a call leaves to be cleaned up stands with the kernel's vCPU.
 */
#include "lab.h"

/* B1 to B4, and six without a name, of which two are the L1 tables before and behind B1 (docs/format.md). */
#define BOOT_FRAMES 10
#define L1_BEFORE 7
#define L1_BEHIND 8
#define TABLE_FLAGS (P | RW | US | 0x20)
#define XEN_FRAMES 2 /* of Xen's that the domain may map: shared_info, one of the grant table */

ulong subject = DOMID_SELF;
static u32 made;             /* domains so far */
static u32 initialised, in_reset; /* vCPUs, one bit each */
static enum { ALIVE, DYING, DEAD_AND_GONE } life;
static ulong shared_info_mfn;
static u32 xen_frames;       /* that Xen has not taken back yet */
static struct xen_domctl asked; /* what a call that an event may interrupt points to */
static u8 glance[PAGE] __attribute__((aligned(4096)));

/* The kernel's own, while the names mean the domain's; and the other way round. */
static ulong other_boot[8], other_frame[FRAMES_MAX];
static u32 other_frames;

static void swap(ulong *a, ulong *b)
{
	ulong kept = *a;

	*a = *b;
	*b = kept;
}

static void swap_names(void)
{
	u32 kept = frames;

	for (u32 i = 0; i < 8; i++)
		swap(boot_mfn + i, other_boot + i);
	for (u32 i = 0; i < FRAMES_MAX; i++)
		swap(frame_mfn + i, other_frame + i);
	frames = other_frames;
	other_frames = kept;
}

static int ask(u32 cmd)
{
	asked.cmd = cmd;
	asked.domain = subject;
	return domctl(&asked);
}

/* A domain without memory; 0 where Xen refuses. */
static int create(u32 vcpus, u32 pages)
{
	asked = (struct xen_domctl){.u.createdomain = {.max_vcpus = vcpus, .max_evtchn_port = 1, .max_grant_frames = 1}};
	asked.u.createdomain.grant_opts = 1; /* the version */
	asked.cmd = XEN_DOMCTL_createdomain;
	if (domctl(&asked))
		return 0;
	subject = asked.domain;
	made++;
	life = ALIVE;
	initialised = (1u << vcpus) - 1;
	in_reset = 0;
	xen_frames = XEN_FRAMES;
	asked.u.max_vcpus = vcpus;
	if (ask(XEN_DOMCTL_max_vcpus))
		return 0;
	asked.u.max_memkb = pages * 4;
	if (ask(XEN_DOMCTL_max_mem) || ask(XEN_DOMCTL_getdomaininfo))
		return 0;
	shared_info_mfn = asked.u.getdomaininfo.shared_info_frame;
	return 1;
}

static struct mmu_update entry_of(ulong table, u32 slot, ulong mfn, u64 flags)
{
	return (struct mmu_update){table * PAGE + slot * sizeof(u64), mfn * PAGE | flags};
}

/* Its frames, in the order of their names, in which Xen takes them back (rules 16.7), with what the boot tables hold. */
static int populate(u32 wanted)
{
	static struct mmuext_op clear[BOOT_FRAMES + FRAMES_MAX];
	static struct mmu_update updates[FRAMES_MAX + 5];
	ulong mfns[BOOT_FRAMES + FRAMES_MAX];
	struct xen_memory_reservation all = {mfns, BOOT_FRAMES + wanted, 0, 0, subject};
	struct mmuext_op pin = {MMUEXT_PIN_L1_TABLE + 3, 0, 0};
	u32 count = 0;

	for (u32 i = 0; i < BOOT_FRAMES + wanted; i++)
		mfns[i] = i;
	if (hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, (ulong)&all, 0, 0) != (int)all.nr_extents)
		return 0;
	for (u32 i = 1; i < 8; i++)
		boot_mfn[i] = mfns[i - 1];
	frames = wanted;
	for (u32 i = 0; i < frames; i++) {
		frame_mfn[i] = mfns[BOOT_FRAMES + i];
		updates[count++] = entry_of(boot_mfn[1], i, frame_mfn[i], WINDOW_FLAGS);
	}
	updates[count++] = entry_of(boot_mfn[2], 0, mfns[L1_BEFORE], TABLE_FLAGS);
	updates[count++] = entry_of(boot_mfn[2], 1, boot_mfn[1], TABLE_FLAGS);
	updates[count++] = entry_of(boot_mfn[2], 2, mfns[L1_BEHIND], TABLE_FLAGS);
	updates[count++] = entry_of(boot_mfn[3], 510, boot_mfn[2], TABLE_FLAGS);
	updates[count++] = entry_of(boot_mfn[4], 511, boot_mfn[3], TABLE_FLAGS);
	for (u32 i = 0; i < all.nr_extents; i++)
		clear[i] = (struct mmuext_op){MMUEXT_CLEAR_PAGE, mfns[i], 0};
	pin.arg1 = boot_mfn[4];
	if (hypercall(__HYPERVISOR_mmuext_op, (ulong)clear, all.nr_extents, 0, subject) ||
	    hypercall(__HYPERVISOR_mmu_update, (ulong)updates, count, 0, subject | (subject + 1) << 16) ||
	    hypercall(__HYPERVISOR_mmuext_op, (ulong)&pin, 1, 0, subject))
		die("the second domain cannot be built");
	return 1;
}

static struct multicall_entry context_call(u32 vcpu, ulong context)
{
	asked.cmd = XEN_DOMCTL_setvcpucontext;
	asked.u.vcpucontext.vcpu = vcpu;
	asked.u.vcpucontext.context = context;
	return (struct multicall_entry){__HYPERVISOR_domctl, 0, {(ulong)&asked}};
}

/* XEN_DOMCTL_setvcpucontext: where a vCPU is not initialised, Xen does what VCPUOP_initialise does. */
struct multicall_entry domain_initialise_call(u32 number, ulong base, ulong user_base, int in_user_mode)
{
	return context_call(number, initialise_call(number, base, user_base, in_user_mode).args[2]);
}

static u32 make(struct multicall_entry call, u32 event)
{
	return hypercall_event(&call, event) ? PREEMPTED : -call.result;
}

/* The same with no context: Xen resets the vCPU. */
static u32 reset(u32 number, u32 event)
{
	u32 answer = make(context_call(number, 0), event), bit = 1u << number;

	if (answer == PREEMPTED)
		in_reset |= bit;
	else if (!answer)
		initialised &= ~bit, in_reset &= ~bit;
	return answer;
}

/* What one of the domain's frames, or of Xen's for it, holds; 0 where it is not the domain's. */
static const u64 *look_at(ulong mfn)
{
	return hypercall(__HYPERVISOR_update_va_mapping_otherdomain, (ulong)glance, mfn * PAGE | P, UVMF_INVLPG, subject)
		       ? 0
		       : (const u64 *)glance;
}

/* Whether Xen has begun to take back its own frames, of which shared_info is the first. */
static int takes_back(void)
{
	int gone = !look_at(shared_info_mfn);

	map(glance, 0);
	return gone;
}

/*
 * Between the vCPUs' tables and the domain's frames Xen takes back its own, and looks for events after each. The models know
 * nothing of these: there the call goes on at once, with the event still pending. A lost race stops it behind them.
 */
static u32 destroy(u32 event)
{
	u32 answer;

	if (life == DEAD_AND_GONE)
		return 0;
	life = DYING;
	asked.cmd = XEN_DOMCTL_destroydomain;
	for (;;) {
		answer = make((struct multicall_entry){__HYPERVISOR_domctl, 0, {(ulong)&asked}}, event);
		if (answer == 0)
			life = DEAD_AND_GONE;
		if (answer != PREEMPTED || xen_frames == 0 || !takes_back())
			return answer;
		if (event == EVENT_MASKED) {
			xen_frames = 0;
			return answer;
		}
		xen_frames--;
	}
}

u32 domain_prepare(u32 wanted, u32 vcpus)
{
	swap_names();
	if (!create(vcpus, BOOT_FRAMES + wanted) || !populate(wanted)) {
		if (made == 0)
			die("Xen makes no second domain");
		domain_restore();
		return EXHAUSTED;
	}
	for (u32 i = 0; i < vcpus; i++)
		if (make(domain_initialise_call(i, boot_mfn[4], 0, 0), EVENT_MASKED))
			die("a vCPU of the second domain cannot be initialised");
	return DONE;
}

int domain_execute(const struct record *r, u32 *answer)
{
	const struct record *begun = OPCODE(r) == OP_RESUME ? self()->interrupted : r;
	u32 event = PREEMPTED_AT_ONCE(r) ? EVENT_PENDING : EVENT_MASKED;
	u32 bit = begun && OPCODE(begun) == OP_INITIALISE ? 1u << begun->count : 0;

	if (OPCODE(r) == OP_DESTROY)
		*answer = destroy(event);
	else if (life != ALIVE)
		*answer = DEAD;
	else if (OPCODE(r) == OP_RESET_VCPU)
		*answer = reset(r->count, event);
	else if (initialised & bit) {
		/* As VCPUOP_initialise has it; the domctl would compare the contexts. */
		*answer = EEXIST;
		if (begun != r)
			self()->interrupted = 0;
	} else if (in_reset & bit) {
		return UNSUPPORTED;
	} else {
		execute(r, answer);
		if (*answer == 0)
			initialised |= bit;
	}
	return DONE;
}

/* As state_report; of a domain that is gone there are no frames. */
u32 *domain_report(u32 *out)
{
	u32 types[FRAMES_MAX + BOOT_TABLES];
	int gone = frame_types(types);

	for (u32 i = 0; i <= frames; i++)
		out = put_frame(out, types[i], gone ? 0 : look_at(i < frames ? frame_mfn[i] : boot_mfn[1]));
	map(glance, 0);
	return out;
}

/* The domain's end, and the frames that it leaves behind. */
u32 domain_restore(void)
{
	u32 types[FRAMES_MAX + BOOT_TABLES], lost = 0;

	self()->interrupted = 0;
	/* What a call has left for the cleanup goes first. */
	hypercall(__HYPERVISOR_mmuext_op, 0, 0, 0, DOMID_SELF);
	if (subject != DOMID_SELF && destroy(EVENT_MASKED))
		die("the second domain cannot be destroyed");
	if (subject != DOMID_SELF && !frame_types(types))
		for (u32 i = 0; i < frames; i++)
			lost |= (types[i] != PFINFO_XTAB) << i;
	subject = DOMID_SELF;
	swap_names();
	return lost;
}
