/* Frames that go back to Xen and come from it. */
#include "lab.h"

/*
 * Gives the frames to Xen for as many others, up to the first that is in use; how many were exchanged. Where one is in
 * use, Xen does not tell a 32-bit guest how many went before it: there they go one by one.
 */
u32 exchange(ulong *mfns, u32 count)
{
	static ulong out[FRAMES_MAX];
	u32 at_once = IS64 ? count : 1, done = 0, got;

	do {
		struct xen_memory_exchange op = {{mfns + done, at_once, 0, 0, DOMID_SELF},
						 {out, at_once, 0, 0, DOMID_SELF}, 0};
		int error;

		for (u32 i = 0; i < at_once; i++)
			out[i] = i; /* what the machine-to-physical table will say of the new frame: nobody asks */
		error = hypercall(__HYPERVISOR_memory_op, XENMEM_exchange, (ulong)&op, 0, 0);
		got = error ? (IS64 ? op.nr_exchanged : 0) : at_once;
		for (u32 i = 0; i < got; i++)
			mfns[done + i] = out[i];
		done += got;
	} while (got && done < count);
	return done;
}

static int reservation(ulong op, ulong *mfn)
{
	struct xen_memory_reservation one = {mfn, 1, 0, 0, DOMID_SELF};

	return hypercall(__HYPERVISOR_memory_op, op, (ulong)&one, 0, 0) == 1;
}

static int is_gone(ulong mfn)
{
	for (u32 i = 0; i < frames; i++)
		if (((gone | dropped) & 1u << i) && frame_mfn[i] == mfn)
			return 1;
	return 0;
}

/* Contents of frames that are gone: whoever gets such a frame back finds it as it was. */
static table saved[FRAMES_MAX];

static void copy(u64 *to, const u64 *from)
{
	for (u32 i = 0; i < ENTRIES; i++)
		to[i] = from[i];
}

static int release(u32 index, u32 *answer)
{
	ulong mfn = frame_mfn[index];

	*answer = EINVAL;
	if ((gone | dropped) & 1u << index)
		return DONE; /* not without its allocation */
	copy(saved[index], (const u64 *)alias[index]);
	map(alias[index], 0);
	if (!exchange(&mfn, 1)) {
		map_frame(alias[index], frame_mfn[index], P);
		return DONE;
	}
	gone |= 1u << index;
	*answer = 0;
	/* What came for it may be a frame that was released before: that one is to stay released. */
	if (!is_gone(mfn))
		spare_frame(mfn);
	else if (!reservation(XENMEM_decrease_reservation, &mfn))
		return NOT_BACK;
	return DONE;
}

/* Xen hands out first what came back last: a few tries bring the frame that was released. */
static int receive(u32 index, u32 *answer)
{
	ulong others[FRAMES_MAX];
	u32 count = 0;

	*answer = EINVAL;
	if (dropped & 1u << index)
		return NOT_BACK; /* what it holds is lost when its last reference goes */
	if (!(gone & 1u << index))
		return DONE;
	while (count < FRAMES_MAX && reservation(XENMEM_increase_reservation, &others[count]) &&
	       others[count] != frame_mfn[index])
		count++;
	if (count < FRAMES_MAX && others[count] == frame_mfn[index] &&
	    map_frame(alias[index], frame_mfn[index], P | RW) == 0) {
		copy((u64 *)alias[index], saved[index]);
		map_frame(alias[index], frame_mfn[index], P);
		gone &= ~(1u << index);
		*answer = 0;
	}
	while (count-- > 0)
		reservation(XENMEM_decrease_reservation, &others[count]);
	return *answer == 0 ? DONE : NOT_BACK;
}

/* The kernel's own mapping must not keep the frame. */
static int decrease_reservation(u32 index, u32 *answer)
{
	ulong mfn = frame_mfn[index];

	*answer = NONE;
	if (gone & 1u << index)
		return DONE;
	map(alias[index], 0);
	dropped |= 1u << index;
	if (reservation(XENMEM_decrease_reservation, &mfn))
		*answer = 0;
	return DONE;
}

int memory_op(const struct record *r, u32 *answer)
{
	int index = frame_index(r->frame);

	if (index < 0)
		return UNSUPPORTED;
	if (OPCODE(r) == OP_DECREASE_RESERVATION)
		return decrease_reservation(index, answer);
	return OPCODE(r) == OP_RELEASE ? release(index, answer) : receive(index, answer);
}
